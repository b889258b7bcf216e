"""Distinct n-grams and spread of embeddings: golden numbers, second computations, edges."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain.audit import distinct_n, expectation_adjusted_distinct, semantic_diversity

REPEATED = ["i am going", "i am going", "lets go i i"]


@pytest.mark.parametrize(
    ("texts", "n", "expected"),
    [
        (["a b c d", "a b c d"], 2, 0.5),
        (["a b c d", "e f g h"], 1, 1.0),
        (["a a a a"], 1, 0.25),
        (REPEATED, 1, 0.5),
        (REPEATED, 5, 0.0),
        ([], 1, 0.0),
        (["a  b\tc\n"], 3, 1.0),
        (["a b", "b a"], 2, 1.0),
    ],
)
def test_distinct_golden(texts: list[str], n: int, expected: float) -> None:
    assert distinct_n(texts, n) == pytest.approx(expected)


def test_distinct_impossible_n_is_named() -> None:
    with pytest.raises(ValueError, match="n must"):
        distinct_n(["a"], 0)


@pytest.mark.parametrize(
    ("unique", "total", "vocabulary", "expected"),
    [(6, 10, 50257, 0.6000537258), (3, 6, 10, 0.640260885), (8, 8, 10, 1.404660125), (1, 5, 1, 1.0)],
)
def test_expectation_adjusted_golden(unique: int, total: int, vocabulary: int, expected: float) -> None:
    assert expectation_adjusted_distinct(unique, total, vocabulary) == pytest.approx(expected, abs=1e-9)


def test_expectation_adjusted_keeps_its_digits_for_a_huge_vocabulary() -> None:
    assert expectation_adjusted_distinct(10, 10, 10**15) == pytest.approx(1, abs=1e-9)


def test_expectation_adjusted_edges() -> None:
    assert math.isnan(expectation_adjusted_distinct(0, 0, 10))
    for arguments, name in (((1, 1, 0), "vocabulary"), ((5, 4, 10), "unique"), ((5, 9, 4), "unique")):
        with pytest.raises(ValueError, match=name):
            expectation_adjusted_distinct(*arguments)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[1, 0], [1, 0]], 0.0),
        ([[1, 0], [0, 1]], 1.0),
        ([[1, 0], [0, 1], [1, 1]], 0.5285954792),
        ([[3, 4], [4, 3], [3, 4]], 0.0266666667),
        ([[1, 0], [-1, 0]], 2.0),
    ],
)
def test_semantic_golden(rows: list[list[float]], expected: float) -> None:
    assert semantic_diversity(rows) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("rows", [[], [[1, 0]], [[1, 0], [0, 0]], [[1, 0], [math.nan, 0]]])
def test_semantic_undefined_is_nan(rows: list[list[float]]) -> None:
    assert math.isnan(semantic_diversity(rows))


@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_semantic_second_computation(seed: int, count: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(count, 3))
    cosines = [a @ b / math.sqrt((a @ a) * (b @ b)) for a, b in itertools.combinations(rows, 2)]
    assert semantic_diversity(rows) == pytest.approx(1 - float(np.mean(cosines)), abs=1e-9)


def test_semantic_wrong_shape_is_named() -> None:
    with pytest.raises(ValueError, match="embeddings"):
        semantic_diversity([1.0, 2.0])
