"""Exact tests a problem: Fisher against scipy, discoveries under control."""

import numpy as np
import pytest
from make_cells import counted, drawn
from scipy import stats

from selftrain.audit import AuditSettings, fisher_exact
from selftrain.audit.problem_tests import problem_tests

SETTINGS = AuditSettings()


def test_fisher_equals_scipy_on_a_thousand_tables() -> None:
    rng = np.random.default_rng(0)
    n, m = rng.integers(1, 65, 1000), rng.integers(1, 65, 1000)
    right, other = rng.integers(0, n + 1), rng.integers(0, m + 1)
    found = fisher_exact(right, n, other, m)
    tables = ([[r, a - r], [s, b - s]] for r, a, s, b in zip(right, n, other, m, strict=True))
    assert found == pytest.approx([stats.fisher_exact(table).pvalue for table in tables], abs=1e-12)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="right"):
        fisher_exact([3], [2], [0], [2])
    with pytest.raises(ValueError, match="right"):
        fisher_exact([0], [2], [-1], [2])


def test_sure_changes_are_named_on_their_side() -> None:
    before = counted([0, 16, 8, 8], 16)
    after = counted([16, 0, 8, 9], 16)
    found = problem_tests(before, after, None, SETTINGS)
    assert (found.tested, found.gained, found.lost, found.null) == (4, ["p0"], ["p1"], None)


def test_few_responses_can_prove_nothing() -> None:
    found = problem_tests(counted([0] * 50, 2), counted([2] * 50, 2), None, SETTINGS)
    assert (found.gained, found.lost) == ([], [])


def test_phantom_gains_of_a_frozen_model_are_rare() -> None:
    rng = np.random.default_rng(1)
    chance = rng.beta(0.5, 0.5, 400)
    named = []
    for _ in range(40):
        before, again = drawn(chance, 32, rng), drawn(chance, 32, rng)
        found = problem_tests(before, again, again, SETTINGS)
        named.append(len(found.gained) + len(found.lost))
        assert found.null == named[-1]
    assert np.mean([count > 0 for count in named]) <= 0.125
    naive = int(((before.right > 0) != (again.right > 0)).sum())
    assert naive > 5  # what a count of problems ever solved calls gained or lost


def test_a_real_change_is_found_with_few_false_ones() -> None:
    rng = np.random.default_rng(2)
    chance = np.full(400, 0.3)
    better = np.where(np.arange(400) < 100, 0.95, 0.3)
    found = problem_tests(drawn(chance, 32, rng), drawn(better, 32, rng), None, SETTINGS)
    true = {f"p{i}" for i in range(100)}
    assert len(true & set(found.gained)) > 90
    assert len(set(found.gained) - true) + len(found.lost) <= 10
