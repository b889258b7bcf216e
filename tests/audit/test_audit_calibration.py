"""Calibration error and Brier score: golden numbers, a second computation, bin edges."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain.audit import brier_score, expected_calibration_error

GOLDEN = [
    ([0.95, 0.95, 0.95, 0.95], [1, 1, 1, 0], 0.2, 0.2275),
    ([0.55, 0.65, 0.85, 0.95], [0, 1, 1, 1], 0.275, 0.1125),
    ([1, 1, 0, 0], [1, 1, 0, 0], 0.0, 0.0),
]


@pytest.mark.parametrize(("confidence", "correct", "ece", "brier"), GOLDEN)
def test_calibration_golden(confidence: list[float], correct: list[int], ece: float, brier: float) -> None:
    assert expected_calibration_error(confidence, correct) == pytest.approx(ece)
    assert brier_score(confidence, correct) == pytest.approx(brier)


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=30))
def test_calibration_second_computation(items: list[tuple[int, bool]]) -> None:
    # Fortieths, so that the right-closed bin of i/40 is exactly (i - 1) // 4.
    total = 0.0
    for place in range(10):
        inside = [(i / 40, c) for i, c in items if max(0, i - 1) // 4 == place]
        if inside:
            total += abs(sum(p for p, _ in inside) - sum(c for _, c in inside))
    confidence, correct = [i / 40 for i, _ in items], [c for _, c in items]
    assert expected_calibration_error(confidence, correct) == pytest.approx(total / len(items), abs=1e-12)
    assert brier_score(confidence, correct) == pytest.approx(np.mean([(i / 40 - c) ** 2 for i, c in items]))


@pytest.mark.parametrize("tenth", range(1, 10))
def test_bins_are_right_closed(tenth: int) -> None:
    # One bin: the two errors cancel. Two bins: they add up.
    edge = tenth / 10
    below, above = edge - 0.05, edge + 0.05
    assert expected_calibration_error([edge, below], [1, 0]) == pytest.approx(abs(1 - edge - below) / 2)
    assert expected_calibration_error([edge, above], [1, 0]) == pytest.approx((1 - edge + above) / 2)


def test_calibration_edges() -> None:
    assert math.isnan(expected_calibration_error([], []))
    assert math.isnan(brier_score([], []))
    assert expected_calibration_error([0.2, 0.8], [0, 1], bins=1) == pytest.approx(0)
    for function in (expected_calibration_error, brier_score):
        with pytest.raises(ValueError, match="confidence"):
            function([1.2], [1])
        with pytest.raises(ValueError, match="correct"):
            function([0.5], [1, 0])
        with pytest.raises(ValueError, match="correct"):
            function([0.5], [1.5])
    with pytest.raises(ValueError, match="bins"):
        expected_calibration_error([0.5], [1], bins=0)


def test_a_chance_of_being_right_gives_the_expected_score() -> None:
    assert expected_calibration_error([0.5, 0.5], [0.5, 0.5]) == 0
    assert brier_score([0.8], [0.25]) == pytest.approx(0.25 * brier_score([0.8], [1]) + 0.75 * brier_score([0.8], [0]))
