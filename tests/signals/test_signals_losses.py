"""Mean loss and distribution-shift weights: golden numbers, properties, edges."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain.signals import clipped_ratio, ds_weight, mean_nll

LOSSES = [2, 1, 4, 0.5, 10, 2.5, 1.6, 20]
POSITIVE = st.floats(1e-3, 1e3)


def test_mean_nll_golden() -> None:
    assert mean_nll([-0.1, -0.2, -0.3]) == pytest.approx(0.2)
    assert mean_nll([0, 0, -2.5807867]) == pytest.approx(0.8602622333)
    assert math.isnan(mean_nll([]))


def test_mean_nll_of_certainty_is_a_positive_zero() -> None:
    assert math.copysign(1, mean_nll([0.0, 0.0])) == 1


@pytest.mark.parametrize("none", [-math.inf, math.nan, -9999.0, -1e30, -1000.0])
def test_mean_nll_with_a_log_probability_that_is_none_is_nan(none: float) -> None:
    """One that an engine did not give is written as a very low one; a mean over it would be of something else."""
    for logprobs in ([none], [none, -1], [-1, none, 0], [0.0] * 1_000 + [none]):
        assert math.isnan(mean_nll(logprobs))


def test_mean_nll_of_the_least_likely_token_that_counts() -> None:
    assert mean_nll([-999.0, -1]) == 500


def test_mean_nll_wants_a_flat_list() -> None:
    with pytest.raises(ValueError, match="logprobs"):
        mean_nll([[-1.0]])


@given(st.lists(st.floats(-50, 0), min_size=1))
def test_mean_nll_second_computation(logprobs: list[float]) -> None:
    assert mean_nll(logprobs) == pytest.approx(math.fsum(-x for x in logprobs) / len(logprobs))


def test_ds_weight_golden() -> None:
    np.testing.assert_allclose(ds_weight(LOSSES, 2.0), [1.0, 2.0, 2.0, 4.0, 5.0, 1.25, 1.25, 10.0])


def test_clipped_ratio_golden() -> None:
    np.testing.assert_allclose(clipped_ratio(LOSSES, 2.0, 2.0), [1.0, 2.0, 0.5, 2.0, 0.2, 0.8, 1.25, 0.1])


@given(st.lists(POSITIVE, min_size=1), POSITIVE)
def test_ds_weight_is_the_exponential_of_the_log_distance(losses: list[float], valid: float) -> None:
    expected = [math.exp(abs(math.log(valid / loss))) for loss in losses]
    np.testing.assert_allclose(ds_weight(losses, valid), expected, rtol=1e-9)
    assert (ds_weight(losses, valid) >= 1).all()


@given(st.lists(POSITIVE, min_size=1), POSITIVE, POSITIVE)
def test_clipped_ratio_never_passes_its_cap(losses: list[float], valid: float, cap: float) -> None:
    expected = [min(valid / loss, cap) for loss in losses]
    np.testing.assert_allclose(clipped_ratio(losses, valid, cap), expected)


def test_losses_without_a_ratio_are_nan() -> None:
    np.testing.assert_array_equal(ds_weight([0, math.nan, 2], 2), [math.nan, math.nan, 1])
    np.testing.assert_array_equal(clipped_ratio([0, math.nan, 2], 2, 3), [math.nan, math.nan, 1])
    np.testing.assert_array_equal(ds_weight([math.inf], 2), [math.inf])
    assert ds_weight([], 2).shape == (0,)


@pytest.mark.parametrize("valid", [0, -1, math.nan, math.inf])
def test_impossible_valid_losses_are_named(valid: float) -> None:
    with pytest.raises(ValueError, match="valid_loss"):
        ds_weight([1], valid)


def test_other_impossible_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="losses"):
        ds_weight([-1], 1)
    with pytest.raises(ValueError, match="cap"):
        clipped_ratio([1], 1, 0)
    with pytest.raises(ValueError, match="cap"):
        clipped_ratio([1], 1, math.nan)
