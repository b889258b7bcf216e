"""pass@k, pass^k, majority@k and crossover: golden numbers, brute force, large n."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain.audit import crossover_k, majority_at_k, pass_at_k, pass_hat_k
from selftrain.audit.passing import pass_curve

COUNTED = st.integers(1, 30).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)),
)


@pytest.mark.parametrize(
    ("n", "c", "k", "once", "always"),
    [
        (10, 3, 1, 0.3, 0.3),
        (10, 3, 5, 0.9166666667, 0.0),
        (5, 2, 2, 0.7, 0.1),
        (200, 5, 100, 0.9703083948, 0.0),
        (64, 0, 64, 0.0, 0.0),
        (10, 8, 3, 1.0, 0.4666666667),
    ],
)
def test_pass_golden(n: int, c: int, k: int, once: float, always: float) -> None:
    assert pass_at_k(n, c, k) == pytest.approx(once, abs=1e-9)
    assert pass_hat_k(n, c, k) == pytest.approx(always, abs=1e-9)


@given(COUNTED)
def test_pass_equals_the_ratio_of_binomials(case: tuple[int, int, int]) -> None:
    n, c, k = case
    assert pass_at_k(n, c, k) == pytest.approx(1 - math.comb(n - c, k) / math.comb(n, k), abs=1e-12)
    assert pass_hat_k(n, c, k) == pytest.approx(math.comb(c, k) / math.comb(n, k), abs=1e-12)


@given(COUNTED)
def test_pass_is_monotone_in_k_and_above_pass_hat(case: tuple[int, int, int]) -> None:
    n, c, k = case
    curve = pass_curve([n], [c], n)[0]
    assert (np.diff(curve) >= -1e-12).all()
    assert curve[k - 1] == pass_at_k(n, c, k)
    assert pass_hat_k(n, c, k) <= c / n + 1e-12 <= pass_at_k(n, c, k) + 2e-12


def test_pass_is_stable_for_large_n() -> None:
    assert pass_at_k(1_000_000, 10, 100_000) == pytest.approx(1 - 0.9**10, abs=1e-5)
    assert pass_at_k(100_000, 100_000, 50_000) == 1.0
    assert pass_hat_k(100_000, 100_000, 50_000) == 1.0


@pytest.mark.parametrize(
    ("n", "c", "k", "name"), [(5, 2, 6, "k"), (5, 2, 0, "k"), (5, 6, 1, "c"), (5, -1, 1, "c"), (0, 0, 1, "k")]
)
def test_pass_impossible_arguments_are_named(n: int, c: int, k: int, name: str) -> None:
    for function in (pass_at_k, pass_hat_k):
        with pytest.raises(ValueError, match=f"^{name} must"):
            function(n, c, k)


@pytest.mark.parametrize(
    ("answers", "k", "expected"),
    [
        (["A", "A", "A", "B", "B"], 1, 0.6),
        (["A", "A", "A", "B", "B"], 3, 0.7),
        (["A", "A", "B", "B", "C"], 3, 0.4333333333),
        (["A", "B", "B", "B", "C"], 3, 0.1),
        (["A", None, None, "B"], 3, 0.5),
        ([None, None], 2, 0.0),
        (["B", "B"], 1, 0.0),
    ],
)
def test_majority_golden(answers: list[str | None], k: int, expected: float) -> None:
    assert majority_at_k(answers, "A", k) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.sampled_from(["A", "B", "C", None]), min_size=1, max_size=8), st.data())
def test_majority_equals_the_mean_over_all_subsets(answers: list[str | None], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(answers)))
    shares = []
    for subset in itertools.combinations(answers, k):
        votes = Counter(a for a in subset if a is not None)
        winners = [a for a, v in votes.items() if v == max(votes.values())]
        shares.append(("A" in winners) / max(1, len(winners)))
    assert majority_at_k(answers, "A", k) == pytest.approx(math.fsum(shares) / len(shares), abs=1e-12)


def test_majority_of_many_is_quick_and_exact() -> None:
    answers = ["A"] * 60 + ["B"] * 40 + [str(i) for i in range(28)]
    assert majority_at_k(answers, "A", 1) == pytest.approx(60 / 128)
    assert majority_at_k(answers, "A", 128) == pytest.approx(1, abs=1e-12)
    assert 0.9 < majority_at_k(answers, "A", 64) < 1


def test_majority_impossible_k_is_named() -> None:
    for k in (0, 3):
        with pytest.raises(ValueError, match="k must"):
            majority_at_k(["A", "B"], "A", k)


def test_crossover_golden() -> None:
    ks = [1, 2, 4, 8, 16]
    assert crossover_k(ks, [0.3, 0.42, 0.55, 0.68, 0.79], [0.45, 0.53, 0.6, 0.66, 0.7]) == 8
    assert crossover_k(ks, [0.1] * 5, [0.1] * 5) is None
    assert crossover_k([4, 2, 1], [0.9, 0.8, 0.1], [0.5, 0.5, 0.5]) == 2
    assert crossover_k([], [], []) is None
    with pytest.raises(ValueError, match="base"):
        crossover_k([1], [0.1, 0.2], [0.1])
