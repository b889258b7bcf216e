"""EAST: questions weighted by the entropy of their answers, and the mistakes that are easy to make with it."""

import math

import numpy as np
import pytest
from make_round import make_group, make_round

from selftrain.errors import ConfigError
from selftrain.judges import load_judge
from selftrain.recipes import load_recipe

EAST, VANILLA = load_recipe("east"), load_recipe("vanilla")
SURE = make_group("sure", "RRRR")
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
    assert "answers agree on every question, so every weight is zero" in rows.dropped


@pytest.mark.parametrize("exponent", [-1, 0, 1])
def test_no_right_response_at_all(exponent):
    rows = run([LOST], exponent=exponent)
    assert (len(rows), rows.dropped) == (0, {"no right response": 1})


def test_a_negative_exponent_drops_what_it_has_no_weight_for():
    groups = [SURE, TWO, FOUR]
    rows = run(groups, exponent=-1)
    assert rows.dropped == {"all answers agree": 1}
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
