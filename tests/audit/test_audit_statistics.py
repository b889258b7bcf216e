"""Bootstrap errors, intervals, p-values and sample sizes: second computations, edges and honesty."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from selftrain.audit.statistics import Estimate, bootstrap_errors, estimate, problems_needed


def quick(values: object, weights: object = None, draws: int = 2000) -> Estimate:
    return estimate(values, weights, bounds=(-1, 1), draws=draws, seed=0)


def test_bootstrap_error_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, (40, 2))
    errors = bootstrap_errors(values, np.ones(40), 20_000, seed=1)
    np.testing.assert_allclose(errors, values.std(axis=0, ddof=1) / math.sqrt(40), rtol=0.02)


def test_bootstrap_error_of_a_ratio_agrees_with_the_delta_method() -> None:
    rng = np.random.default_rng(0)
    weights = (rng.random(300) < 0.6).astype(float)
    values = rng.choice([-1.0, 0.0, 1.0], 300, p=[0.1, 0.7, 0.2])
    ratio = (weights * values).sum() / weights.sum()
    influence = weights * (values - ratio) / weights.mean()
    error = bootstrap_errors(values[:, None], weights, 10_000, seed=1)[0]
    assert error == pytest.approx(influence.std() / math.sqrt(300), rel=0.04)


def test_bootstrap_is_seeded_and_chunks_do_not_bound_the_draws() -> None:
    values, weights = np.random.default_rng(0).normal(size=(3000, 1)), np.ones(3000)
    once, again = (bootstrap_errors(values, weights, 1500, seed=3) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert once[0] == pytest.approx(values.std() / math.sqrt(3000), rel=0.08)
    assert (bootstrap_errors(values, weights, 1500, seed=4) != once).all()


@given(st.lists(st.sampled_from([k / 8 for k in range(-8, 9)]), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_interval_and_p_values_agree(values: list[float]) -> None:
    found = quick(values, draws=200)
    low, high = found.interval(0.05)
    assert low <= found.value <= high
    assert high - low > 0
    for limit in (-0.3, -0.05, 0.0, 0.1):
        assert (found.p_above(limit) < 0.025) == (low > limit)
        assert (found.p_below(limit) < 0.025) == (high < limit)


def test_interval_is_student_t_on_the_bootstrap_error() -> None:
    values = np.random.default_rng(2).uniform(-0.5, 0.6, 30)
    found = quick(values)
    low, high = found.interval(0.05)
    half = stats.t.ppf(0.975, 29) * found.error
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half))
    assert found.p_differs(0) == pytest.approx(2 * stats.t.sf(abs(values.mean()) / found.error, 29))


@pytest.mark.parametrize("count", [1, 2, 30, 400])
def test_equal_values_get_the_exact_binomial_width(count: int) -> None:
    low, high = quick([0.0] * count).interval(0.05)
    share = stats.binomtest(0, count).proportion_ci(0.95, method="exact").high
    assert (low, high) == pytest.approx((-share, share))
    low, high = quick([0.5] * count).interval(0.05)
    assert (low, high) == pytest.approx((0.5 - 1.5 * share, 0.5 + 0.5 * share))


def test_equal_values_at_the_bound_stay_within_it() -> None:
    found = quick([1.0] * 50)
    assert found.interval(0.05)[1] == 1
    assert 0 < found.interval(0.05)[0] < 1
    assert found.p_above(0) < 1e-9
    assert found.p_below(-0.05) == 1
    assert quick([-1.0] * 50).p_below(-0.05) < 1e-9


def test_a_few_losses_are_not_taken_for_all_there_are() -> None:
    # Two of 100 problems lost outright: a t interval says at most 4.8 points, the exact bound 7.
    low, _ = quick([-1.0] * 2 + [0.0] * 98).interval(0.05)
    assert low == pytest.approx(-stats.binomtest(2, 100).proportion_ci(0.95, method="exact").high)


def test_a_gain_at_the_bound_is_no_loss() -> None:
    # Rounded to 12 digits the value exceeds the bound, which was made of itself.
    value = 0.0854846079977386
    found = estimate([value], bounds=(-value, value), draws=200, seed=0)
    assert found.p_below(-0.05) > 0.5
    assert found.p_below(value) > 0.5
    assert found.interval(0.05)[1] == value


def test_one_small_change_does_not_bound_the_ones_nobody_saw() -> None:
    share = stats.binomtest(1, 15).proportion_ci(0.95, method="exact").high
    found = quick([0.125] + [0.0] * 14)
    assert found.interval(0.05)[1] == pytest.approx(share * (0.125 + 1) / 2)


def test_coverage_of_rare_changes_of_very_different_size() -> None:
    rng, runs, hits = np.random.default_rng(5), 1000, 0
    sizes, chances = np.array([0.0, 0.125, 1.0]), [0.83, 0.09, 0.08]
    for _ in range(runs):
        low, high = quick(rng.choice(sizes, 15, p=chances), draws=200).interval(0.05)
        hits += low <= sizes @ chances <= high
    assert hits / runs >= 0.93


def test_sides_are_not_swapped() -> None:
    gains = quick([1.0] * 4 + [0.0] * 96)
    losses = quick([-1.0] * 4 + [0.0] * 96)
    assert gains.interval(0.05) == pytest.approx(tuple(-end for end in reversed(losses.interval(0.05))), abs=1e-3)
    assert gains.p_above(-0.05) < 0.01 < losses.p_above(-0.05)


def test_without_weight_everything_is_nan() -> None:
    found = quick([0.1, 0.2], [0, 0])
    assert found.problems == 0
    assert all(math.isnan(x) for x in (found.value, *found.interval(0.05), found.p_below(0)))


def test_weights_choose_the_problems() -> None:
    found = quick([0.5, 0.25, -1.0], [1, 1, 0])
    assert found.value == pytest.approx(0.375)
    assert found.problems == 2


def test_problems_needed_matches_the_power_it_promises() -> None:
    rng = np.random.default_rng(0)
    found = quick(rng.choice([-0.5, 0.0, 0.5], 200))
    spread = math.sqrt(found.problems) * found.error
    count = problems_needed(found, 0.1, 0.05)
    assert count == pytest.approx(((1.959964 + 0.841621) * spread / 0.1) ** 2, abs=1)
    power = stats.norm.sf(1.959964 - 0.1 / (spread / math.sqrt(count)))
    assert power == pytest.approx(0.8, abs=0.01)
    assert problems_needed(found, 0.05, 0.05) == pytest.approx(4 * count, abs=5)


def test_problems_needed_of_equal_values_is_what_the_exact_rule_needs() -> None:
    count = problems_needed(quick([0.0] * 20), 0.05, 0.05)
    assert quick([0.0] * count).interval(0.05)[0] >= -0.05
    assert quick([0.0] * (count - 1)).interval(0.05)[0] < -0.05


@pytest.mark.parametrize(("problems", "samples"), [(30, 8), (100, 8), (100, 1)])
def test_coverage_is_near_its_level(problems: int, samples: int) -> None:
    rng, runs, hits = np.random.default_rng(5), 500, 0
    for _ in range(runs):
        chance = rng.beta(1, 1, problems)
        better = chance + 0.1 * (1 - chance)
        gain = (rng.binomial(samples, better) - rng.binomial(samples, chance)) / samples
        low, high = quick(gain, draws=200).interval(0.05)
        hits += low <= 0.05 <= high
    assert 0.92 <= hits / runs <= 0.98
