"""Vanilla self-training: right responses, all alike."""

import pytest
from make_round import make_group, make_round

from selftrain.errors import ConfigError
from selftrain.labels import Labels
from selftrain.recipes import load_recipe
from selftrain.records import Problem

VANILLA = load_recipe("vanilla")


def run(groups, *, seed=0, settings=None, **options):
    round = make_round(groups, seed=seed, **(settings or {}))
    return VANILLA(round, VANILLA.parse(options)), round


def test_right_responses_and_no_others_are_learned_alike():
    groups = [make_group("a", "WRU"), make_group("b", "RWR"), make_group("c", "WW"), make_group("d", "UUU")]
    rows, _ = run(groups, samples=3)
    right = {"a-1", "b-0", "b-2"}
    assert [row.problem for row in rows] == [groups[0].problem.id, groups[1].problem.id]
    assert {row.response for row in rows} <= right
    assert [row.weight for row in rows] == [1.0, 1.0]
    assert rows.dropped == {"no right response": 2}


def test_samples_come_from_the_parent_with_the_sampling_prompt_in_this_rounds_draw():
    rows, round = run([make_group("a", "RRRRR")], samples=4, per_problem=9)
    (asked,) = round.verbs.asked
    assert asked[:3] == ("parent", 4, round.sampling_prompt)
    assert (asked[3].purpose, asked[3].number) == ("train", 1)
    assert len(rows) == 4


def test_equal_texts_are_learned_once():
    group = make_group("a", "RRRR", texts=["it is 3", "it is  3", "so: 3", "it is 3\n"])
    rows, _ = run([group], per_problem=8)
    assert [row.response for row in rows] == ["a-0", "a-2"]


@pytest.mark.parametrize(("per_problem", "count"), [(1, 1), (2, 2), (5, 3)])
def test_at_most_so_many_a_problem(per_problem, count):
    rows, _ = run([make_group("a", "RRRW")], per_problem=per_problem)
    assert len(rows) == count


def test_the_rounds_seed_fixes_the_draw():
    groups = [make_group(name, "RRRRRRRR") for name in "abcdefgh"]
    first, again, other = (run(groups, seed=seed)[0] for seed in (1, 1, 2))
    assert first.digest == again.digest != other.digest


def test_no_right_response_at_all():
    rows, _ = run([make_group("a", "WU")])
    assert (len(rows), rows.dropped) == (0, {"no right response": 1})


def test_rows_too_long_are_counted():
    groups = [make_group("a", "R", texts=["3"]), make_group("b", "R", texts=["4 " * 300])]
    rows, _ = run(groups, settings={"max_length": 100})
    assert [row.response for row in rows] == ["a-0"]
    assert rows.dropped == {"longer than 100 tokens": 1}


def test_every_right_response_of_different_text():
    rows, _ = run([make_group("a", "RRWRR")], per_problem=None)
    assert [row.response for row in rows] == ["a-0", "a-1", "a-3", "a-4"]


@pytest.mark.parametrize(("start", "model"), [("parent", None), ("base", "base")])
def test_what_a_round_trains_from(start, model):
    """The base afresh as STaR, ReST-EM and RFT do; the samples are the parent's all the same."""
    _, round = run([make_group("a", "R")], start=start)
    assert round.start == model
    assert round.verbs.asked[0][0] == "parent"


def test_the_tasks_own_solutions_are_trained_too_whether_solved_or_not():
    groups = [make_group("a", "RW"), make_group("b", "WW")]
    given = (Problem.make("a", gold="3", rationale="1 and 2 are 3"), Problem.make("b", gold="4"))
    round = make_round(groups, labels=Labels(gold={group.problem.id: group.problem for group in groups}, given=given))
    rows = VANILLA(round, VANILLA.parse({"solutions": True}))
    texts = ["text 0 of a<|im_end|>", "1 and 2 are 3<|im_end|>", "4<|im_end|>"]
    assert [row.completion_text for row in rows] == texts
    assert [row.weight for row in rows] == [1, 1, 1]


def test_unknown_options():
    with pytest.raises(ConfigError, match=r"unknown key recipe\.options\.exponent: known keys are samples, per"):
        VANILLA.parse({"exponent": 1})


def test_its_paper():
    assert (VANILLA.name, VANILLA.paper) == ("vanilla", "arXiv:2308.01825")
