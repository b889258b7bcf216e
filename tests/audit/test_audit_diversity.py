"""Distinct n-grams and spread of embeddings: golden numbers, second computations, edges."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain.audit import distinct_n, expectation_adjusted_distinct, semantic_diversity
from selftrain.audit.detail import TEXTS
from selftrain.audit.diversity import distinct_prefixes, equation_prefixes, semantic_prefixes

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


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d e", " ", "a\nb"]), max_size=9).map(" ".join)


@given(st.lists(st.lists(WORDS, max_size=TEXTS + 2), max_size=4))
def test_distinct_prefixes_are_distinct_n_of_the_first_texts(sets: list[list[str]]) -> None:
    found = distinct_prefixes(sets)
    assert found.shape == (len(sets), TEXTS - 1)
    for row, texts in zip(found, sets, strict=True):
        for m, value in enumerate(row, start=2):
            mean = sum(distinct_n(texts[:m], n) for n in range(1, 6)) / 5
            assert value == pytest.approx(mean if m <= len(texts) else math.nan, abs=1e-12, nan_ok=True)


def test_distinct_prefixes_do_not_depend_on_the_other_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    sets = [[" ".join(rng.choice(list("abcdef"), 12)) for _ in range(count)] for count in (8, 1, 0, 5, 8, 3)]
    together = distinct_prefixes(sets)
    monkeypatch.setattr("selftrain.audit.diversity._WORDS", 100)
    np.testing.assert_array_equal(distinct_prefixes(sets), together)
    np.testing.assert_array_equal(np.concatenate([distinct_prefixes([texts]) for texts in sets]), together)


def test_distinct_prefixes_refuse_a_set_too_large_to_number() -> None:
    with pytest.raises(ValueError, match="a set of texts has 2100000 words"):
        distinct_prefixes([["a " * 2_100_000]])


def test_equation_prefixes_pool_the_equations_of_the_first_texts() -> None:
    texts = ["none", "1+1=2", "1 + 1 = 2 and 2*2=4", "none", "2 x 2 = 4"]
    found = equation_prefixes([texts, texts[:2], ["none"] * 3, []])
    np.testing.assert_allclose(found[0, :4], [1, 2 / 3, 2 / 3, 0.5])
    assert np.isnan(found[0, 4:]).all()
    assert found[1, 0] == 1
    assert np.isnan(found[1, 1:]).all()
    assert np.isnan(found[2:]).all()


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, TEXTS + 1), max_size=130))
def test_semantic_prefixes_are_semantic_diversity_of_the_first_texts(seed: int, counts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    rows = {f"{i} {j}": rng.normal(size=3) for i, count in enumerate(counts) for j in range(count)}
    asked = []

    def embed(texts: list[str]) -> list[np.ndarray]:
        asked.append(len(texts))
        return [rows[text] for text in texts]

    sets = [[f"{i} {j}" for j in range(count)] for i, count in enumerate(counts)]
    found = semantic_prefixes(sets, embed)
    assert max(asked, default=0) <= 64 * TEXTS
    for row, texts in zip(found, sets, strict=True):
        for m, value in enumerate(row, start=2):
            whole = semantic_diversity([rows[text] for text in texts[:m]]) if m <= len(texts) else math.nan
            assert value == pytest.approx(whole, abs=1e-9, nan_ok=True)


def test_semantic_prefixes_want_a_row_for_each_text() -> None:
    with pytest.raises(ValueError, match="one row for each of 2 texts"):
        semantic_prefixes([["a", "b"]], lambda texts: np.ones((1, 3)))
