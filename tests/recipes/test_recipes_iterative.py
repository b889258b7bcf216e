"""Iterative SFT, DPO and SFT-DPO: what each round learns, of whom, and what the first sampling advises."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_round import make_group, make_round

from selftrain.labels import Labels
from selftrain.recipes import load_recipe
from selftrain.recipes.iterative import IterativeOptions, advice, paired
from selftrain.records import Groups, Problem
from selftrain.training_set import Pair, Row

ITERATIVE = load_recipe("iterative")
MIXED = make_group("mixed", "RRWWW")
GIVEN = (Problem.make("mixed", gold="3", rationale="1 and 2 are 3"), Problem.make("bare", gold="4"))


def run(groups, *, number=2, parent="parent", seed=0, **options):
    known = {group.problem.id: group.problem for group in groups}
    round = make_round(groups, number=number, labels=Labels(gold=known, given=GIVEN), seed=seed)
    round.parent = parent
    return ITERATIVE(round, ITERATIVE.parse(options)), round


def pairs_in(rows):
    return [(pair.chosen_response, pair.rejected_response) for pair in rows]


def test_the_warm_up_trains_rationales_and_draws_nothing():
    rows, round = run([MIXED], number=1, method="dpo")
    assert rows.kind is Row
    assert [row.completion_text for row in rows] == ["1 and 2 are 3<|im_end|>", "4<|im_end|>"]
    assert (round.verbs.asked, round.told) == ([], [])


def test_without_a_warm_up_the_first_round_samples():
    rows, round = run([MIXED], number=1, warm_up=False)
    assert {row.response for row in rows} == {"mixed-0", "mixed-1"}
    assert len(round.told) == 1


@pytest.mark.parametrize(("warm_up", "first"), [(True, 2), (False, 1)])
@pytest.mark.parametrize(
    ("method", "kinds"),
    [("sft", [Row] * 4), ("dpo", [Pair] * 4), ("sft_dpo", [Pair, Row, Pair, Row])],
)
def test_rounds_after_the_warm_up(method, kinds, warm_up, first):
    """The alternation begins with DPO, warm-up or not."""
    found = [run([MIXED], number=first + turn, method=method, warm_up=warm_up)[0].kind for turn in range(4)]
    assert found == kinds


def test_every_round_draws_afresh_from_its_own_parent():
    drawn = [run([MIXED], number=number, parent=f"model {number}", samples=7)[1].verbs.asked for number in (2, 3, 4)]
    assert [[(model, n, draw.number) for model, n, _, draw in each] for each in drawn] == [
        [("model 2", 7, 2)],
        [("model 3", 7, 3)],
        [("model 4", 7, 4)],
    ]


def test_a_round_goes_on_from_its_parent():
    for method in ("sft", "dpo"):
        _, round = run([MIXED], method=method)
        assert round.start is None


def test_sft_learns_every_right_response_of_different_text():
    group = make_group("a", "RRWR", texts=["it is 3", "it  is 3", "4", "so 3"])
    rows, _ = run([group, make_group("b", "WW")], method="sft")
    assert [row.response for row in rows] == ["a-0", "a-3"]
    assert rows.dropped == {"no right response": 1}
    assert {row.weight for row in rows} == {1.0}


@pytest.mark.parametrize("cap", [1, 2, 9])
def test_sft_keeps_at_most_so_many(cap):
    rows, _ = run([make_group("a", "RRRW")], method="sft", per_problem=cap)
    assert len(rows) == min(cap, 3)


MARKS = st.text("RWU", min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(MARKS, st.sampled_from(["zip", "cross", "one"]), st.none() | st.integers(1, 4), st.integers(0, 99))
def test_counts_of_pairs(marks, pairs, cap, seed):
    """zip gives min(right, wrong), cross their product, one a single pair; a cap cuts each down."""
    options = IterativeOptions(pairs=pairs, per_problem=cap)
    group = make_group("a", marks)
    found = [(a.index, b.index) for _, a, b in paired(group, options, np.random.default_rng(seed))]
    right, wrong = ([place for place, mark in enumerate(marks) if mark == one] for one in "RW")
    everything = len(right) * len(wrong) if pairs == "cross" else min(len(right), len(wrong))
    limit = 1 if pairs == "one" else cap
    assert len(found) == (everything if limit is None else min(everything, limit))
    assert len(set(found)) == len(found)
    assert set(found) <= set(product(right, wrong))
    if pairs == "zip":
        for side in zip(*found, strict=True):
            assert len(set(side)) == len(side)


def test_zipped_pairs_are_shuffled_and_seeded():
    def drawn(seed):
        return pairs_in(run([MIXED], method="dpo", seed=seed)[0])

    found = {tuple(drawn(seed)) for seed in range(40)}
    assert len(found) > 5
    assert drawn(3) == drawn(3)
    counts = Counter(pair for pairs in found for pair in pairs)
    assert set(counts) == {(f"mixed-{a}", f"mixed-{b}") for a in (0, 1) for b in (2, 3, 4)}


def test_pairs_are_of_different_texts():
    group = make_group("a", "RRWW", texts=["3", " 3", "4", "4 "])
    rows, _ = run([group], method="dpo", pairs="cross")
    assert pairs_in(rows) == [("a-0", "a-2")]


def test_a_pair_of_one_text_judged_both_ways_is_counted():
    group = make_group("a", "RW", texts=["3", " 3"])
    rows, _ = run([group], method="dpo")
    assert (len(rows), rows.dropped) == (0, {"chosen and rejected are the same": 1})


def test_what_has_no_pair_is_counted():
    groups = [make_group("right", "RR"), make_group("wrong", "WW"), MIXED, make_group("unjudged", "RU")]
    rows, _ = run(groups, method="dpo")
    assert len(rows) == 2
    assert rows.dropped == {"no right response": 1, "no wrong response": 2}


@pytest.mark.parametrize("method", ["sft", "dpo", "sft_dpo"])
def test_all_wrong(method):
    rows, _ = run([make_group("a", "WW"), make_group("b", "WW")], method=method)
    assert (len(rows), rows.dropped) == (0, {"no right response": 2})


@pytest.mark.parametrize(
    ("marks", "line"),
    [
        (
            ("RRWW", "RW"),
            "coverage 0.500, the mean share right on 2 training problems: at most 0.5 the paper advises SFT",
        ),
        (
            ("RRRW", "RW"),
            "coverage 0.625, the mean share right on 2 training problems: at more than 0.5 the paper advises",
        ),
        (("WW",), "coverage 0.000, the mean share right on 1 training problems: at most 0.5 the paper advises SFT"),
        (
            ("RRU",),
            "coverage 1.000, the mean share right on 1 training problems: at more than 0.5 the paper advises DPO",
        ),
    ],
    ids=["exactly a half", "more", "nothing", "unjudged"],
)
def test_advice(marks, line):
    """Coverage is a mean over problems of the share of judged responses that are right."""
    found = advice(Groups([make_group(f"q{i}", one) for i, one in enumerate(marks)]))
    assert found.startswith(line)
    assert found.endswith("(method: sft)" if "at most" in found else "(method: dpo or sft_dpo)")


@pytest.mark.parametrize(("number", "told"), [(1, 0), (2, 1), (3, 0), (4, 0)])
def test_coverage_is_told_once_of_the_model_after_the_warm_up(number, told):
    _, round = run([MIXED], number=number)
    assert len(round.told) == told
    assert all(line.startswith("coverage 0.400") for line in round.told)


def test_its_paper():
    assert (ITERATIVE.name, ITERATIVE.paper) == ("iterative", "arXiv:2407.05013")


def test_a_coverage_of_the_base_says_so():
    """The warm-up was not promoted, so that the model after it is not what is sampled."""
    _, round = run([MIXED], number=2)
    assert "this is the base" not in round.told[0]
    round = make_round([MIXED], number=2)
    round.parent = round.base
    ITERATIVE(round, ITERATIVE.parse({}))
    assert round.told[0].endswith("; this is the base, the warm-up was not promoted")
