"""Answer entropy, EAST weights and the majority: golden numbers, properties, second computations."""

import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain.signals import answer_entropy, east_weights, majority_answer, normalized_answer_entropy

COUNTS = st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any)
ENTROPIES = st.lists(st.floats(0.01, 7), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([8], 0.0), ([4, 4], 1.0), ([3, 2, 3], 1.5612781245), ([7, 1], 0.5435644432), ([1] * 8, 3.0)],
)
def test_entropy_golden(counts: list[int], expected: float) -> None:
    assert answer_entropy(counts) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([3, 1, 1], 0.5904362833),
        ([2, 2, 1], 0.6554587535),
        ([10, 3, 2], 0.3178860533),
        ([1] * 5, 1.0),
        ([1], 0.0),
    ],
)
def test_normalized_entropy_golden(counts: list[int], expected: float) -> None:
    assert normalized_answer_entropy(counts) == pytest.approx(expected, abs=1e-9)


@given(COUNTS, st.sampled_from([2, math.e, 10]))
def test_entropy_equals_the_mean_surprise_of_the_responses(counts: list[int], base: float) -> None:
    total = sum(counts)
    surprises = [math.log(total / c, base) for c in counts for _ in range(c)]
    assert answer_entropy(counts, base) == pytest.approx(math.fsum(surprises) / total, abs=1e-9)


@given(COUNTS)
def test_entropy_is_bounded_and_blind_to_order_and_empty_clusters(counts: list[int]) -> None:
    h = answer_entropy(counts)
    assert 0 <= h <= math.log2(sum(c > 0 for c in counts)) + 1e-9
    assert answer_entropy([*sorted(counts), 0]) == pytest.approx(h, abs=1e-12)
    assert 0 <= normalized_answer_entropy(counts) <= 1


def test_entropy_edges() -> None:
    assert math.isnan(answer_entropy([]))
    assert math.isnan(answer_entropy([0, 0]))
    assert math.isnan(normalized_answer_entropy([]))
    assert math.copysign(1, answer_entropy([5])) == 1


@pytest.mark.parametrize("counts", [[-1, 2], [math.nan], [math.inf], [[1, 2]]])
def test_impossible_counts_are_named(counts: list[float]) -> None:
    with pytest.raises(ValueError, match="counts"):
        answer_entropy(counts)
    with pytest.raises(ValueError, match="counts"):
        normalized_answer_entropy(counts)


@pytest.mark.parametrize("base", [1, 0, -2, math.nan, math.inf])
def test_impossible_bases_are_named(base: float) -> None:
    with pytest.raises(ValueError, match="base"):
        answer_entropy([1, 1], base)


@pytest.mark.parametrize(
    ("exponent", "expected"),
    [
        (0, [1.0, 1.0, 1.0, 1.0]),
        (0.5, [0.738796125, 1.0448154999, 1.4775922501, 0.738796125]),
        (1, [0.5, 1.0, 2.0, 0.5]),
        (2, [0.1818181818, 0.7272727273, 2.9090909091, 0.1818181818]),
        (3, [0.0540540541, 0.4324324324, 3.4594594595, 0.0540540541]),
        (-1, [1.4545454545, 0.7272727273, 0.3636363636, 1.4545454545]),
    ],
)
def test_east_golden(exponent: float, expected: list[float]) -> None:
    np.testing.assert_allclose(east_weights([0.5, 1, 2, 0.5], exponent), expected, atol=1e-9)


@given(ENTROPIES, st.floats(-3, 3))
def test_east_weights_have_mean_one_and_follow_the_powers(h: list[float], exponent: float) -> None:
    w = east_weights(h, exponent)
    assert w.mean() == pytest.approx(1)
    powers = [x**exponent for x in h]
    np.testing.assert_allclose(w, [p * len(h) / sum(powers) for p in powers], rtol=1e-9)


@given(ENTROPIES, st.floats(-3, 3), st.floats(0.1, 10))
def test_east_weights_do_not_depend_on_the_log_base(h: list[float], exponent: float, scale: float) -> None:
    np.testing.assert_allclose(east_weights(np.array(h) * scale, exponent), east_weights(h, exponent), rtol=1e-9)


def test_east_zero_entropies() -> None:
    np.testing.assert_array_equal(east_weights([0, 0, 1], 0), [1, 1, 1])
    np.testing.assert_array_equal(east_weights([0, 0], 0), [1, 1])
    np.testing.assert_allclose(east_weights([0, 1, 1], 2), [0, 1.5, 1.5])
    with pytest.raises(ValueError, match=r"entropies hold 2 zeros.*negative"):
        east_weights([0, 0, 1], -1)
    with pytest.raises(ValueError, match="entropies are all zero"):
        east_weights([0, 0], 1)


def test_east_survives_extreme_exponents() -> None:
    np.testing.assert_allclose(east_weights([1, 2, 6], 1000), [0, 0, 3], atol=1e-12)
    np.testing.assert_allclose(east_weights([0.001, 2, 6], -1000), [3, 0, 0], atol=1e-12)
    assert east_weights([], 2).shape == (0,)


@pytest.mark.parametrize("entropies", [[-0.1, 1], [math.nan], [math.inf, 1], [[1, 2]]])
def test_east_impossible_entropies_are_named(entropies: list[float]) -> None:
    with pytest.raises(ValueError, match="entropies"):
        east_weights(entropies, 1)


@pytest.mark.parametrize("exponent", [math.nan, math.inf])
def test_east_impossible_exponents_are_named(exponent: float) -> None:
    with pytest.raises(ValueError, match="exponent"):
        east_weights([1, 2], exponent)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["5", "5", "5", "7", "8"], "5"),
        (["7", "7", "5", "5", "8"], "7"),
        ([None, None, None, "3", "4"], "3"),
        ([None, None], None),
        ([], None),
    ],
)
def test_majority_golden(answers: list[str | None], expected: str | None) -> None:
    assert majority_answer(answers) == expected


@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=12))
def test_majority_has_the_most_votes_and_is_seen_first(answers: list[str | None]) -> None:
    votes = Counter(a for a in answers if a is not None)
    winners = {a for a, n in votes.items() if n == max(votes.values())}
    assert majority_answer(answers) == next((a for a in answers if a in winners), None)


def test_importing_signals_loads_nothing_heavy() -> None:
    code = (
        "import sys, selftrain.signals; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'scipy', 'transformers', 'pandas'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
