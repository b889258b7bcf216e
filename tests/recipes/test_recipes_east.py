"""EAST: questions weighted by the entropy of their answers, and the mistakes that are easy to make with it."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_round import make_group, make_round

from selftrain.errors import ConfigError
from selftrain.judges import load_judge
from selftrain.recipes import load_recipe
from selftrain.training_set import Labelled, Pair, Row

EAST, VANILLA = load_recipe("east"), load_recipe("vanilla")
SURE = make_group("sure", "RRRR")
SURE_TOO = make_group("sure too", "RRRR")
TWO = make_group("two", "RRWW", ["3", "3", "4", "4"])
FOUR = make_group("four", "RWWW", ["3", "4", "5", "6"])
SKEWED = make_group("skewed", "RWWW", ["3", None, None, None])
LOST = make_group("lost", "WWWW", ["1", "2", "3", "4"])
SKEWED_BITS = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))


def run(groups, *, seed=0, recipe=EAST, settings=None, **options):
    round = make_round(groups, seed=seed, **(settings or {}))
    return recipe(round, recipe.parse(options))


def weights(rows, groups):
    """The weights of the problems that have a row, by question."""
    names = {group.problem.id: group.problem.text for group in groups}
    return {names[row.problem]: row.weight for row in rows}


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_weights_follow_the_formula(exponent):
    """`w = H^a N / sum H^a` over the questions with a right response."""
    groups = [TWO, LOST, FOUR, SKEWED]
    powers = np.array([1.0, 2.0, SKEWED_BITS]) ** exponent
    found = weights(run(groups, exponent=exponent), groups)
    assert list(found) == ["two", "four", "skewed"]
    np.testing.assert_allclose(list(found.values()), powers * 3 / powers.sum(), rtol=1e-12)


def test_weights_do_not_cancel():
    """Rows of one set differ: normalising inside a batch of one, or a group, would make every weight 1."""
    groups = [TWO, FOUR]
    found = weights(run(groups), groups)
    assert found["four"] == pytest.approx(2 * found["two"])
    assert found["two"] != 1


def test_only_kept_questions_share_the_weight():
    """A question without a right response has the highest entropy here and no part in the normalisation."""
    assert weights(run([TWO, FOUR, LOST]), [TWO, FOUR]) == weights(run([TWO, FOUR]), [TWO, FOUR])
    assert run([TWO, LOST]).dropped == {"no right response": 1}


def test_half_and_one_half_are_one_cluster():
    """Clusters are the judge's: answers written differently are one, and such a question is certain."""
    for name in ("number", "math"):
        judge = load_judge(name)
        problem = make_group("half", "R").problem
        answers = [judge.judge(problem, text).answer for text in ("The answer is 0.5", "The answer is 1/2")]
        same = make_group("half", "RR", answers, same=judge)
        assert same.clusters == (0, 0)
        assert weights(run([same, TWO]), [same, TWO]) == {"half": 0.0, "two": 2.0}


def test_answers_that_differ_only_in_how_they_are_written_count_once():
    class Fractions:
        def same(self, a, b):
            return {a, b} == {"0.5", "1/2"}

    one = make_group("half", "RRWW", ["0.5", "1/2", "3", "3"], same=Fractions())
    found = weights(run([one, FOUR]), [one, FOUR])
    assert found["four"] == pytest.approx(2 * found["half"])


def test_unparsed_responses_are_one_cluster():
    """Three responses without an answer are one kind of answer, not three."""
    groups = [SKEWED, TWO]
    found = weights(run(groups), groups)
    assert found["skewed"] / found["two"] == pytest.approx(SKEWED_BITS)


def test_unjudged_responses_do_not_count():
    judged = make_group("judged", "RRWW", ["3", "3", "4", "4"])
    more = make_group("more", "RRWWUUUU", ["3", "3", "4", "4", "5", "6", None, "7"])
    found = weights(run([judged, more]), [judged, more])
    assert found["judged"] == found["more"] == pytest.approx(1)


def test_exponent_zero_is_vanilla():
    """Row for row and weight for weight, questions with a single answer included."""
    groups = [SURE, TWO, LOST, FOUR, SKEWED]
    east, vanilla = run(groups, exponent=0), run(groups, recipe=VANILLA)
    assert east.digest == vanilla.digest
    assert east == vanilla
    assert run([SURE], exponent=0).mean_weight() == 1


def test_a_certain_question_weighs_nothing_and_still_counts():
    groups = [SURE, TWO]
    assert weights(run(groups), groups) == {"sure": 0.0, "two": 2.0}


def test_questions_all_right_can_be_dropped():
    groups = [SURE, TWO, make_group("all", "RRRR")]
    rows = run(groups, drop_all_right=True)
    assert weights(rows, groups) == {"two": 1.0}
    assert rows.dropped == {"no wrong response": 2}


def test_certain_questions_alone_teach_nothing():
    rows = run([SURE, LOST])
    assert (len(rows), set(rows.dropped.values())) == (0, {1})
    assert "entropy of 0 for every question, so every weight is zero" in rows.dropped


@pytest.mark.parametrize("exponent", [-1, 0, 1])
def test_no_right_response_at_all(exponent):
    rows = run([LOST], exponent=exponent)
    assert (len(rows), rows.dropped) == (0, {"no right response": 1})


def test_a_negative_exponent_drops_what_it_has_no_weight_for():
    groups = [SURE, TWO, FOUR]
    rows = run(groups, exponent=-1)
    assert rows.dropped == {"entropy of 0, no weight below a = 0": 1}
    found = weights(rows, groups)
    assert found["two"] == pytest.approx(2 * found["four"])
    assert len(run([SURE], exponent=-1)) == 0


def test_the_mean_weight_is_one_after_drops():
    """Rows lost to their length after weighing leave a set of mean 1, in the same ratios."""
    long = make_group("long", "RWWW", ["3", "4", "5", "6"], texts=["x" * 400, "", "", ""])
    groups = [TWO, FOUR, SKEWED, long]
    rows = run(groups, settings={"max_length": 100})
    assert rows.dropped == {"longer than 100 tokens": 1}
    assert math.fsum(row.weight for row in rows) / len(rows) == pytest.approx(1, abs=1e-15)
    found = weights(rows, groups)
    assert found["four"] == pytest.approx(2 * found["two"])


def test_responses_share_their_questions_weight():
    group = make_group("two", "RRWW", ["3", "3", "4", "4"])
    rows = run([group, FOUR], per_problem=2)
    assert [row.response for row in rows] == ["two-0", "two-1", "four-0"]
    assert [row.weight for row in rows] == pytest.approx([0.75, 0.75, 1.5])


def test_entropy_is_of_the_samples_asked_for():
    group = make_group("late", "RRRRWWWW", ["3"] * 4 + ["4"] * 4)
    assert len(run([group], samples=4)) == 0
    assert weights(run([group], samples=8), [group]) == {"late": 1.0}


@pytest.mark.parametrize("exponent", [math.inf, math.nan])
def test_impossible_exponents(exponent):
    with pytest.raises(ConfigError, match=r"recipe\.options\.exponent: input should be a finite number") as caught:
        EAST.parse({"exponent": exponent})
    assert "\n" not in str(caught.value)


def test_large_exponents_do_not_overflow():
    groups = [TWO, FOUR]
    assert weights(run(groups, exponent=5000), groups) == {"two": 0.0, "four": 2.0}


def test_its_paper():
    assert (EAST.name, EAST.paper) == ("east", "arXiv:2503.23913")


ANSWERS = st.lists(st.sampled_from(["3", "4", "5", None]), min_size=1, max_size=6)
"""Answers to one question, of which 3 is right."""
PAPER_GRID = (0.1, 0.2, 0.5, 0.7, 1, 1.5, 2, 2.5, 3)
MIXED = (["3", "3", "4", "4"], ["3", "4", "5", None], ["3", None, None, "3"], ["3", "3", "3", "5"])


def scripted(many):
    """A group for each list of answers."""
    return [
        make_group(f"q{place}", "".join("R" if answer == "3" else "W" for answer in answers), answers)
        for place, answers in enumerate(many)
    ]


def unsure(answers, weight, unparsed):
    """Entropy, error or rejected share of one question's answers, in a second way."""
    if weight == "accuracy":
        return 1 - answers.count("3") / len(answers)
    stated = [answer for answer in answers if answer is not None]
    if weight == "rejected":
        wrong = [answer for answer in stated if answer != "3"] or [answer for answer in answers if answer is None]
        return max(Counter(wrong).values(), default=0) / len(answers)
    counted = answers if unparsed == "cluster" else stated
    shares = [count / len(counted) for count in Counter(counted).values()]
    return sum(share * math.log2(1 / share) for share in shares)


def expected(many, *, weight, exponent, unparsed, drop_all_right):
    """The weights by question, in a second way; none if they are all zero."""
    values = {
        f"q{place}": unsure(answers, weight, unparsed)
        for place, answers in enumerate(many)
        if "3" in answers and not (drop_all_right and set(answers) == {"3"})
    }
    if exponent < 0:
        values = {name: value for name, value in values.items() if value}
    powers = {name: value**exponent for name, value in values.items()}
    total = sum(powers.values())
    return {name: power * len(powers) / total for name, power in powers.items()} if total else {}


@settings(max_examples=60, deadline=None)
@given(
    many=st.lists(ANSWERS, min_size=1, max_size=5),
    weight=st.sampled_from(["entropy", "accuracy", "rejected"]),
    exponent=st.sampled_from([-1, 0, 0.5, 1, 2]),
    unparsed=st.sampled_from(["cluster", "drop"]),
    drop_all_right=st.booleans(),
    objective=st.sampled_from(["sft", "dpo", "kto"]),
)
def test_every_weight_equals_a_second_computation(many, objective, drop_all_right, **switches):
    groups = scripted(many)
    rows = run(groups, objective=objective, drop_all_right=drop_all_right, **switches)
    wanted = expected(many, drop_all_right=drop_all_right or objective != "sft", **switches)
    assert weights(rows, groups) == pytest.approx(wanted, abs=1e-12)
    assert len(rows) == len(wanted) * (2 if objective == "kto" else 1)


@pytest.mark.parametrize("exponent", PAPER_GRID)
def test_the_papers_exponents_have_mean_weight_one(exponent):
    for objective in ("sft", "dpo", "kto"):
        rows = run(scripted(MIXED), exponent=exponent, objective=objective)
        assert rows.mean_weight() == pytest.approx(1, abs=1e-14)
        assert len({row.weight for row in rows}) > 1


def test_objectives_share_draws_and_weights():
    """Row, pair and labelled responses of a question: one chosen response, one weight."""
    groups = scripted(MIXED)
    for seed in range(5):
        sft, dpo, kto = (run(groups, objective=objective, seed=seed) for objective in ("sft", "dpo", "kto"))
        assert [kind.kind for kind in (sft, dpo, kto)] == [Row, Pair, Labelled]
        assert [row.response for row in sft] == [pair.chosen_response for pair in dpo]
        for other in (dpo, kto):
            assert weights(other, groups) == pytest.approx(weights(sft, groups))


def test_labelled_responses_are_the_pairs_taken_apart():
    groups = scripted(MIXED)
    pairs, labelled = (run(groups, objective=objective, seed=3) for objective in ("dpo", "kto"))
    apart = [
        (pair.prompt_ids + ids, label, response, pytest.approx(pair.weight))
        for pair in pairs
        for ids, label, response in (
            (pair.chosen_ids, True, pair.chosen_response),
            (pair.rejected_ids, False, pair.rejected_response),
        )
    ]
    assert [(row.input_ids, row.label, row.response, row.weight) for row in labelled] == apart


@pytest.mark.parametrize(
    ("answers", "places"),
    [
        (["3", "5", "4", "4", None, None, None], {2, 3}),
        (["3", "5", "4", "5", "4"], {1, 3}),
        (["4", "3", "5"], {0}),
        (["3", None, None, "3"], {1, 2}),
        ([None, None, "3", "4"], {3}),
    ],
    ids=["most frequent", "tie", "tie of single ones", "unparsed alone", "unparsed last"],
)
def test_the_rejected_response_has_the_most_frequent_wrong_answer(answers, places):
    """Any response with it, of ties the first seen, and one without an answer only if nothing else is wrong."""
    groups = scripted([answers])
    drawn = [run(groups, objective="dpo", seed=seed).rows[0].rejected_response for seed in range(20)]
    assert set(drawn) == {f"q0-{place}" for place in places}
    assert drawn == [run(groups, objective="dpo", seed=seed).rows[0].rejected_response for seed in range(20)]


@pytest.mark.parametrize(("objective", "kept"), [("sft", ["sure", "two"]), ("dpo", ["two"]), ("kto", ["two"])])
def test_questions_all_right_are_kept_for_rows_alone(objective, kept):
    groups = [SURE, TWO, LOST]
    rows = run(groups, objective=objective)
    assert list(weights(rows, groups)) == kept
    assert rows.dropped == {"no right response": 1} | ({} if objective == "sft" else {"no wrong response": 1})
    assert run(groups, objective=objective, drop_all_right=False) == rows


def test_several_pairs_of_a_question_share_its_weight():
    groups = [make_group("two", "RRWW", ["3", "3", "4", "4"]), FOUR]
    pairs = run(groups, objective="dpo", per_problem=2)
    assert [pair.chosen_response for pair in pairs] == ["two-0", "two-1", "four-0"]
    assert [pair.weight for pair in pairs] == pytest.approx([0.75, 0.75, 1.5])


def test_a_right_response_without_an_answer_leaves_nothing_to_be_unsure_of():
    """A judge of one's own may find right what states no answer."""
    silent = make_group("silent", "RR", [None, None])
    assert weights(run([silent, TWO], unparsed="drop"), [silent, TWO]) == {"silent": 0.0, "two": 2.0}


@pytest.mark.parametrize("weight", ["entropy", "accuracy", "rejected"])
@pytest.mark.parametrize("objective", ["sft", "dpo", "kto"])
def test_all_right_and_all_wrong_groups_leave_an_empty_set_with_its_reasons(objective, weight):
    rows = run([SURE, LOST, SURE_TOO], objective=objective, weight=weight)
    reason = f"{weight} of 0 for every question, so every weight is zero" if objective == "sft" else "no wrong response"
    assert (len(rows), rows.dropped) == (0, {"no right response": 1, reason: 2})


def test_an_exponent_below_zero_with_a_zero_entropy():
    """No error and no division by zero: the question is dropped, counted and named."""
    for weight in ("entropy", "accuracy", "rejected"):
        rows = run([SURE, TWO, FOUR], exponent=-0.5, weight=weight)
        assert rows.dropped == {f"{weight} of 0, no weight below a = 0": 1}
        assert all(math.isfinite(row.weight) for row in rows)
