"""What is kept and what is near: golden numbers, ties, edges, second computations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain.signals import keep_confident, keep_lowest, nearest_neighbours

SCORES = [1.0, 2.0, 2.0, 4.0, 5.0, 1.25, 1.25, 10.0]


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [(0.5, [1, 1, 0, 0, 0, 1, 1, 0]), (0.8, [1, 1, 1, 1, 0, 1, 1, 0]), (1, [1] * 8), (0, [0] * 8)],
)
def test_keep_lowest_golden(fraction: float, expected: list[int]) -> None:
    np.testing.assert_array_equal(keep_lowest(SCORES, fraction), np.array(expected, bool))


def test_keep_lowest_rounds_half_to_even_and_breaks_ties_by_index() -> None:
    np.testing.assert_array_equal(keep_lowest([3, 3, 3, 3, 3], 0.5), [True, True, False, False, False])
    np.testing.assert_array_equal(keep_lowest([3, 3, 3], 0.5), [True, True, False])


def test_keep_lowest_never_keeps_nan() -> None:
    np.testing.assert_array_equal(keep_lowest([math.nan, 2, 1], 1), [False, True, True])
    np.testing.assert_array_equal(keep_lowest([math.nan, 5, 4, 1], 0.5), [False, False, True, True])
    np.testing.assert_array_equal(keep_lowest([math.inf, math.nan], 0.5), [True, False])
    assert keep_lowest([], 0.5).shape == (0,)


@given(st.lists(st.integers(0, 5)), st.floats(0, 1))
def test_keep_lowest_second_computation(scores: list[int], fraction: float) -> None:
    ranked = sorted(range(len(scores)), key=lambda i: (scores[i], i))
    kept = set(ranked[: round(fraction * len(scores))])
    assert set(np.flatnonzero(keep_lowest(scores, fraction))) == kept


@pytest.mark.parametrize("fraction", [-0.1, 1.1, math.nan, 80])
def test_keep_lowest_impossible_fractions_are_named(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction"):
        keep_lowest([1, 2], fraction)


@pytest.mark.parametrize(
    ("nll", "percentile", "threshold", "mask"),
    [
        ([0.1, 0.2, 0.3, 0.4], 50, 0.25, [1, 1, 0, 0]),
        ([0.9, 0.1, 0.4, 0.2, 0.7, 0.3], 30, 0.25, [0, 1, 0, 1, 0, 0]),
        ([0.5, 0.5, 0.5], 50, 0.5, [1, 1, 1]),
        ([0.02, 0.3, 0.15, 1.0, 0.05, None], 50, 0.15, [1, 0, 1, 0, 1, 0]),
        ([0.02, math.nan, math.inf, None], 100, 0.02, [1, 0, 0, 0]),
        ([0.0, 0.0, 0.0, 1.0], 50, 0.0, [1, 1, 1, 0]),
    ],
)
def test_keep_confident_golden(nll: list[float | None], percentile: float, threshold: float, mask: list[int]) -> None:
    found, kept = keep_confident(nll, percentile)
    assert found == pytest.approx(threshold)
    np.testing.assert_array_equal(kept, np.array(mask, bool))


@pytest.mark.parametrize("nll", [[], [None, math.nan]])
def test_keep_confident_without_finite_values_keeps_nothing(nll: list[float | None]) -> None:
    threshold, kept = keep_confident(nll, 50)
    assert math.isnan(threshold)
    assert kept.shape == (len(nll),)
    assert not kept.any()


@given(st.lists(st.floats(0, 10), min_size=1), st.floats(0, 100))
def test_keep_confident_keeps_at_least_its_share(nll: list[float], percentile: float) -> None:
    threshold, kept = keep_confident(list(nll), percentile)
    assert kept.sum() >= math.floor((len(nll) - 1) * percentile / 100)
    assert all((x <= threshold) == k for x, k in zip(nll, kept, strict=True))


def test_keep_confident_impossible_percentiles_are_named() -> None:
    for percentile in (-1, 101, math.nan):
        with pytest.raises(ValueError, match="percentile"):
            keep_confident([0.1], percentile)


@pytest.mark.parametrize(
    ("rows", "query", "k", "expected"),
    [
        ([[1, 0], [0, 1], [0.6, 0.8], [0.8, 0.6]], [1, 0], 3, [0, 3, 2]),
        ([[1, 0], [0, 1], [0.6, 0.8], [0.8, 0.6]], [1, 1], 2, [2, 3]),
        ([[10, 0], [0.6, 0.8]], [1, 0], 2, [0, 1]),
        ([[1, 0], [0, 1]], [1, 0], 9, [0, 1]),
        ([[1, 0], [0, 1]], [1, 0], 0, []),
        ([], [1, 0], 3, []),
        ([[0, 0], [-1, 0], [1, 0]], [1, 0], 3, [2, 1, 0]),
    ],
)
def test_nearest_golden(rows: list[list[float]], query: list[float], k: int, expected: list[int]) -> None:
    assert nearest_neighbours(rows, query, k).tolist() == expected


@given(
    st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=20),
    st.lists(st.floats(-9, 9), min_size=3, max_size=3),
)
def test_nearest_parallel_rows_are_ties(scales: list[float], direction: list[float]) -> None:
    if np.linalg.norm(direction) > 1e-3:
        rows = np.outer(scales, direction)
        assert nearest_neighbours(rows, [0.3, 0.5, -0.2], len(scales)).tolist() == list(range(len(scales)))


@given(st.integers(0, 2**32 - 1))
def test_nearest_second_computation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, query = rng.normal(size=(12, 4)), rng.normal(size=4)
    cosine = [float(r @ query) / math.sqrt(float(r @ r) * float(query @ query)) for r in rows]
    assert nearest_neighbours(rows, query, 5).tolist() == sorted(range(12), key=lambda i: -cosine[i])[:5]


def test_nearest_survives_huge_numbers() -> None:
    assert nearest_neighbours([[1e200, 0], [1e200, 1e200]], [1e-200, 1e-200], 1).tolist() == [1]


def test_nearest_impossible_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="k must"):
        nearest_neighbours([[1.0]], [1.0], -1)
    for query in ([0.0, 0.0], [math.nan, 1], [[1.0, 0.0]]):
        with pytest.raises(ValueError, match="query"):
            nearest_neighbours([[1.0, 0.0]], query, 1)
    for rows in ([[1.0]], [1.0, 2.0], [[math.inf, 0.0]]):
        with pytest.raises(ValueError, match="embeddings"):
            nearest_neighbours(rows, [1.0, 0.0], 1)
