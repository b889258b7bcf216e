"""Wilson, McNemar, Benjamini-Hochberg and Holm: golden numbers and second computations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from selftrain.audit import benjamini_hochberg, holm, mcnemar_exact, wilson_interval

PVALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("successes", "trials", "expected"),
    [
        (0, 10, (0, 0.2775327999)),
        (5, 10, (0.2365930905, 0.7634069095)),
        (10, 10, (0.7224672001, 1.0)),
        (53, 100, (0.4328885697, 0.6248918204)),
        (711, 1319, (0.5120692537, 0.5657934406)),
    ],
)
def test_wilson_golden(successes: int, trials: int, expected: tuple[float, float]) -> None:
    assert wilson_interval(successes, trials) == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_second_computation(case: tuple[int, int]) -> None:
    expected = stats.binomtest(*case).proportion_ci(0.95, method="wilson")
    assert wilson_interval(*case) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_edges() -> None:
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(10, 10)[1] == 1.0
    assert all(math.isnan(end) for end in wilson_interval(0, 0))
    for successes, trials in ((-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="successes"):
            wilson_interval(successes, trials)


@pytest.mark.parametrize(
    ("b", "c", "expected"),
    [(2, 2, 1.0), (1, 9, 0.021484375), (0, 6, 0.03125), (8, 25, 0.0045513841), (0, 0, 1.0), (5, 4, 1.0)],
)
def test_mcnemar_golden(b: int, c: int, expected: float) -> None:
    assert mcnemar_exact(b, c) == pytest.approx(expected, abs=1e-9)
    assert mcnemar_exact(c, b) == mcnemar_exact(b, c)


@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_second_computation(b: int, c: int) -> None:
    expected = stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(expected, abs=1e-9)


def test_mcnemar_negative_counts_are_named() -> None:
    with pytest.raises(ValueError, match="b and c"):
        mcnemar_exact(-1, 2)


@pytest.mark.parametrize(
    ("pvalues", "expected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.02, 0.04, 0.04, 0.02]),
        ([0.001, 0.5, 0.5, 0.5], [0.004, 0.5, 0.5, 0.5]),
        ([0.2, 0.02, 0.02], [0.2, 0.03, 0.03]),
        ([], []),
    ],
)
def test_benjamini_hochberg_golden(pvalues: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(benjamini_hochberg(pvalues), expected)


@given(PVALUES)
def test_benjamini_hochberg_second_computation(pvalues: list[float]) -> None:
    np.testing.assert_allclose(benjamini_hochberg(pvalues), stats.false_discovery_control(pvalues), atol=1e-12)


def test_holm_golden() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.9]), [1.0, 1.0])


@given(PVALUES, st.floats(0.001, 0.5))
def test_holm_rejects_what_the_step_down_procedure_rejects(pvalues: list[float], alpha: float) -> None:
    rejected = set()
    for step, index in enumerate(sorted(range(len(pvalues)), key=pvalues.__getitem__)):
        if pvalues[index] * (len(pvalues) - step) > alpha:
            break
        rejected.add(index)
    assert set(np.flatnonzero(holm(pvalues) <= alpha)) == rejected


@pytest.mark.parametrize("pvalues", [[-0.1], [1.1], [math.nan], [[0.1]]])
def test_impossible_pvalues_are_named(pvalues: list[float]) -> None:
    for function in (benjamini_hochberg, holm):
        with pytest.raises(ValueError, match="pvalues"):
            function(pvalues)
