"""What is measured on two cells: the right values, of the right problems."""

import itertools
import math

import numpy as np
import pytest
from make_cells import counted, drawn, logged

from selftrain.audit import AuditSettings, mcnemar_exact
from selftrain.audit.figures import differences, guarded, two_sided
from selftrain.audit.measures import (
    all_passing,
    common_k,
    diversity,
    lost_shares,
    means,
    of_answers,
    of_likelihoods,
    passing,
    retention,
    solved,
    solved_twice,
    split_retention,
    with_k,
)

SETTINGS = AuditSettings(draws=500)


def test_pass_at_one_is_the_mean_share_of_right_responses() -> None:
    found = passing("pass@1", counted([1, 2, 0], 4), counted([2, 4, 1], [4, 4, 2]), 1)
    assert found.before.tolist() == pytest.approx([0.25, 0.5, 0])
    assert found.after.tolist() == pytest.approx([0.5, 1, 0.5])
    assert found.exact_p is None


def test_one_response_a_problem_is_tested_by_mcnemar() -> None:
    before, after = counted([0] * 9 + [1] * 11, 1), counted([1] * 9 + [0] + [1] * 10, 1)
    up, down = (
        two_sided(differences([passing("pass@1", *pair, 1)], SETTINGS)[0], SETTINGS, "primary")
        for pair in ((before, after), (after, before))
    )
    assert up.p == mcnemar_exact(1, 9)
    assert (up.state, down.state) == ("up", "down")


def test_five_of_five_gains_are_not_significant_by_mcnemar() -> None:
    found = passing("pass@1", counted([0] * 100, 1), counted([1] * 5 + [0] * 95, 1), 1)
    assert two_sided(differences([found], SETTINGS)[0], SETTINGS, "primary").state == "unknown"


def test_pass_hat_k_wants_all_right() -> None:
    found = all_passing(counted([4, 3, 0], 4), counted([4, 4, 2], 4), 2)
    assert found.name == "pass^2"
    assert found.before.tolist() == pytest.approx([1, 0.5, 0])
    assert found.after.tolist() == pytest.approx([1, 1, 1 / 6])


@pytest.mark.parametrize("name", ["unparsed", "truncated"])
def test_more_unparsed_or_truncated_responses_are_a_loss(name: str) -> None:
    clean, dirty = counted([1] * 80, 4), counted([1] * 80, 4, **{name: [2] * 40 + [1] * 40})

    def figure(before, after):  # type: ignore[no-untyped-def]
        found = differences(list(lost_shares(before, after)), SETTINGS)
        return next(f for f in guarded(found, SETTINGS) if f.name == name)

    worse = figure(clean, dirty)
    assert (worse.before, worse.after, worse.better) == (0, 0.375, "lower")
    assert worse.difference == pytest.approx(-0.375)
    assert worse.state == "down"
    assert figure(dirty, clean).state == "up"


def test_shares_have_their_own_denominators() -> None:
    after = counted([1, 1], 2, unjudged=2, unparsed=1, truncated=1)
    shares = {one.name: one.after.tolist() for one in lost_shares(counted([1, 1], 2), after)}
    assert shares == {"unparsed": [0.5, 0.5], "truncated": [0.25, 0.25]}


def test_what_a_log_does_not_tell_is_not_measured() -> None:
    known = counted([1, 1], 2)
    assert list(lost_shares(known, counted([1, 1], 2, unparsed=None, truncated=None))) == []
    for measure in (diversity, means, of_likelihoods):
        assert list(measure(known, known)) == []
    assert list(of_answers(known, known, 2)) == []


def test_retention_is_measured_against_the_null() -> None:
    before, after = counted([1, 2, 4, 3, 0, 0], 4), counted([1, 0, 4, 0, 3, 0], 4)
    null = counted([0, 2, 4, 3, 1, 0], 4)
    found = differences([retention(before, after, null, 4)], SETTINGS)[0]
    assert (found.before, found.after) == (0.75, 0.5)
    assert found.estimate.value == pytest.approx(-0.25)
    assert found.estimate.problems == 4


def test_retention_of_an_unchanged_model_is_held_and_of_a_narrowed_one_down() -> None:
    rng = np.random.default_rng(0)
    chance = rng.beta(0.5, 2, 400)
    before, null, same = (drawn(chance, 8, rng) for _ in range(3))
    narrowed = drawn(np.where(chance > 0.3, 0.9, 0.0), 8, rng)
    for measure in (lambda after: retention(before, after, null, 8), lambda after: split_retention(before, after, 4)):
        states = [guarded(differences([measure(after)], SETTINGS), SETTINGS)[0].state for after in (same, narrowed)]
        assert states == ["held", "down"]


@pytest.mark.parametrize("right", range(6))
@pytest.mark.parametrize("k", [1, 2])
def test_two_halves_by_counting_all_of_them(right: int, k: int) -> None:
    responses = [1] * right + [0] * (5 - right)
    draws = list(itertools.permutations(range(5), 2 * k))
    both = sum(any(responses[i] for i in draw[:k]) and any(responses[i] for i in draw[k:]) for draw in draws)
    cell = counted([right], 5)
    assert solved_twice(cell, k)[0] == pytest.approx(both / len(draws))
    one = sum(any(responses[i] for i in draw[:k]) for draw in draws)
    assert solved(cell, k)[0] == pytest.approx(one / len(draws))


def test_the_split_null_agrees_with_fresh_samples() -> None:
    rng = np.random.default_rng(5)
    chance = rng.beta(0.5, 2, 20_000)
    before, after = drawn(chance, 8, rng), drawn(chance, 8, rng)
    found = differences([split_retention(before, after, 4)], AuditSettings(draws=100))[0]
    fresh = solved(drawn(chance, 4, rng), 4) @ solved(drawn(chance, 4, rng), 4)
    assert found.before == pytest.approx(fresh / solved(drawn(chance, 4, rng), 4).sum(), abs=0.01)
    assert abs(found.estimate.value) < 0.01


def test_a_few_unjudged_responses_do_not_lower_k_for_all() -> None:
    full, holes = counted([1] * 100, 8), counted([1] * 100, [3] * 25 + [8] * 75)
    assert common_k(full, holes) == 8
    kept = with_k(8, full, holes)
    assert [len(cell.problems) for cell in kept] == [75, 75]
    assert kept[0].problems == kept[1].problems == holes.problems[25:]
    assert common_k(full, counted([1] * 100, [3] * 26 + [8] * 74)) == 3
    assert common_k(counted([1] * 10, 4), counted([1] * 10, [2] * 3 + [8] * 7)) == 2


def test_diversity_is_of_as_many_texts_as_both_have() -> None:
    before = logged({"p": ["a b", "c d", "e f"], "q": ["a", "b"], "r": ["a"]})
    after = logged({"p": ["a b", "a b"], "q": ["a", "b", "b", "b"], "r": ["a", "b"]})
    found = next(one for one in diversity(before, after) if one.name == "distinct-n right")
    # Two texts of two words: of the five n-gram lengths only two have any.
    assert found.before.tolist()[:2] == pytest.approx([2 / 5, 1 / 5])
    assert found.after.tolist()[:2] == pytest.approx([1 / 5, 1 / 5])
    assert math.isnan(found.before[2])
    assert found.better == "higher"


def test_what_never_varied_still_has_an_interval() -> None:
    cell = logged({problem: ["a b c", "a b c"] for problem in "pqrs"}, nll={"a b c": 0.5})
    figures = [*diversity(cell, cell), *of_answers(cell, cell, 2), *of_likelihoods(cell, cell)]
    figures += [one for one in means(cell, cell) if one.name == "repetition"]
    found = differences(figures, SETTINGS)
    assert len(found) == 7
    for one in found:
        low, high = one.estimate.interval(0.05)
        assert low < -0.5 < 0.5 < high, one.name


def test_lengths_have_no_good_side_and_repetition_has() -> None:
    before, after = logged({"p": ["a b c"]}), logged({"p": ["a b c d e"]})
    found = {one.name: one for one in means(before, after)}
    assert (found["words"].before.tolist(), found["words"].after.tolist()) == ([3], [5])
    assert found["words"].better == "neither"
    assert found["repetition"].better == "lower"


def test_answers_tell_votes_gaps_confidence_and_entropy() -> None:
    before = logged({"p": ["x", "x", "y", None]}, right="x")
    after = logged({"p": ["y", "y", "y", "x"]}, right="x")
    found = {one.name: one for one in of_answers(before, after, 4)}
    assert [found["majority@4"].before[0], found["majority@4"].after[0]] == pytest.approx([1, 0])
    assert [found["gap of the vote"].before[0], found["gap of the vote"].after[0]] == pytest.approx([0.5, -0.25])
    assert found["Brier score of the vote"].before[0] == pytest.approx((1 - 0.5) ** 2)
    assert found["Brier score of the vote"].after[0] == pytest.approx(0.75**2)
    entropy = found["answer entropy"]
    assert entropy.before[0] == pytest.approx(-(2 / 3) * math.log2(2 / 3) - (1 / 3) * math.log2(1 / 3))
    # Three of y, y, y and x: one draw in four leaves x out.
    assert entropy.after[0] == pytest.approx(0.75 * entropy.before[0])


def test_the_likeliest_response_is_set_against_a_random_one() -> None:
    before = logged({"p": ["x", "y"]}, right="x", nll={"x": 0.2, "y": 0.9})
    after = logged({"p": ["x", "y"]}, right="x", nll={"x": 0.9, "y": 0.2})
    gap = next(of_likelihoods(before, after))
    assert (gap.before[0], gap.after[0]) == (0.5, -0.5)
