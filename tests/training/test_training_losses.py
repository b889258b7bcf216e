"""The weighted losses against worked cases, a second computation and their invariants."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selftrain.training import weighted_preference_loss, weighted_sequence_loss, weighted_token_loss

NLL = [[0.2, 0.4, 0.6], [1.0, 0, 0]]
MASK = [[1, 1, 1], [1, 0, 0]]
WEIGHTS = [1.6, 0.4]


def test_worked_cases():
    assert weighted_token_loss(NLL, MASK, WEIGHTS).item() == pytest.approx(0.58)
    assert weighted_sequence_loss(NLL, MASK, WEIGHTS).item() == pytest.approx(0.52)
    pairs = ([-40, -30], [-55, -28], [-42, -31], [-50, -30])
    assert weighted_preference_loss(*pairs, WEIGHTS, 0.1).item() == pytest.approx(0.4714281711)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 6), scale=st.floats(0.1, 5))
def test_against_numpy_and_equal_weights_scale(seed, rows, scale):
    rng = np.random.default_rng(seed)
    nll, weights = rng.exponential(size=(rows, 5)), rng.exponential(size=rows)
    mask = np.arange(5) < rng.integers(1, 6, size=rows)[:, None]
    sums, counts = np.where(mask, nll, 0).sum(1), mask.sum(1)
    arguments = [torch.tensor(nll), torch.tensor(mask), torch.tensor(weights)]
    assert weighted_token_loss(*arguments).item() == pytest.approx((weights * sums).sum() / counts.sum())
    assert weighted_sequence_loss(*arguments).item() == pytest.approx((weights * sums / counts).mean())
    for loss in (weighted_token_loss, weighted_sequence_loss):
        one, scaled = loss(nll, mask, np.ones(rows)), loss(nll, mask, np.full(rows, scale))
        assert scaled.item() == pytest.approx(scale * one.item())


def test_weights_inside_the_mean_do_not_cancel():
    """Averaging the micro-batch first and multiplying by the mean weight would give the unweighted loss."""
    unweighted = weighted_sequence_loss(NLL, MASK, [1, 1]).item()
    assert sum(WEIGHTS) / 2 == 1
    assert weighted_sequence_loss(NLL, MASK, WEIGHTS).item() != pytest.approx(unweighted, abs=0.1)


def test_gradients_follow_weights_and_mask():
    nll = torch.tensor(NLL, requires_grad=True)
    weighted_token_loss(nll, MASK, [0, 3]).backward()
    assert nll.grad.tolist() == [[0, 0, 0], [0.75, 0, 0]]


def test_values_outside_the_mask_are_ignored():
    assert weighted_token_loss([[1.0, float("nan")]], [[1, 0]], [1]).item() == 1


def test_undefined_values_are_nan():
    assert weighted_token_loss([[1.0]], [[0]], [1]).isnan()
    assert weighted_sequence_loss([[1.0], [1.0]], [[0], [1]], [1, 1]).isnan()


def test_dtype_of_tensors_is_kept_and_single_numbers_are_pairs():
    assert weighted_token_loss(torch.tensor(NLL), MASK, WEIGHTS).dtype == torch.float32
    assert weighted_preference_loss(-1.0, -2.0, -1.0, -2.0, 1.0, 0.1).item() == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (([1.0, 2.0], [1, 1], [1, 1]), "nll"),
        ((NLL, [[1, 1], [1, 0]], WEIGHTS), "mask"),
        ((NLL, [[1, 1, 1], [2, 0, 0]], WEIGHTS), "mask"),
        ((NLL, MASK, [1.0]), "weights"),
        ((NLL, MASK, [1.0, -0.1]), "weights"),
        ((NLL, MASK, [1.0, float("nan")]), "weights"),
        ((NLL, MASK, [1.0, float("inf")]), "weights"),
    ],
)
@pytest.mark.parametrize("loss", [weighted_token_loss, weighted_sequence_loss])
def test_impossible_arguments_are_named(loss, arguments, named):
    with pytest.raises(ValueError, match=named):
        loss(*arguments)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"beta": 0}, "beta"),
        ({"rejected": [1.0]}, "rejected"),
        ({"ref_chosen": [1.0, 2, 3]}, "ref_chosen"),
        ({"weights": [1, -1]}, "weights"),
        ({"weights": [1]}, "weights"),
    ],
)
def test_impossible_preference_arguments_are_named(change, named):
    pair = [-1.0, -2.0]
    names = ("chosen", "rejected", "ref_chosen", "ref_rejected", "weights")
    arguments = {**dict.fromkeys(names, pair), "weights": [1, 1], "beta": 0.1}
    with pytest.raises(ValueError, match=named):
        weighted_preference_loss(**{**arguments, **change})
