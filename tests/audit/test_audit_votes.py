"""Majorities and entropies over subsets: exact integers as a second computation, all subsets, many responses."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_votes import voted

from selftrain.audit.detail import Votes
from selftrain.audit.votes import expected_answer_entropy, majority_curve, majority_share

ANSWERS = st.lists(st.sampled_from(["A", "B", "C", "D", None]), max_size=8)


def exact_majority(answers: Sequence[str | None], k: int) -> float:
    """The chance as a fraction of exact integers: ways[t][m] to draw m others with t rivals tied."""
    votes = Counter(answers)
    silent, right = votes.pop(None, 0), votes.pop("A", 0)
    won = Fraction(0)
    for size in range(1, min(right, k) + 1):
        ways = {(0, m): math.comb(silent, m) for m in range(k - size + 1)}
        for rival in votes.values():
            grown: Counter[tuple[int, int]] = Counter()
            for (ties, drawn), count in ways.items():
                for more in range(min(rival, size, k - size - drawn) + 1):
                    grown[ties + (more == size), drawn + more] += count * math.comb(rival, more)
            ways = grown
        share = sum(Fraction(count, 1 + ties) for (ties, drawn), count in ways.items() if drawn == k - size)
        won += math.comb(right, size) * share
    return float(won / math.comb(len(answers), k))


def drawn_answers(rng: np.random.Generator) -> list[str | None]:
    kinds = np.array(["A", "B", "C", "D", "E", "F", "G", None], dtype=object)[: rng.integers(1, 9)]
    return [str(a) if a else None for a in rng.choice(kinds, rng.integers(1, 40), p=rng.dirichlet(np.ones(len(kinds))))]


def entropy(answers: Sequence[str | None]) -> float:
    counts = Counter(answers).values()
    return -sum(count / len(answers) * math.log2(count / len(answers)) for count in counts)


def test_majority_equals_exact_integers_on_a_thousand_problems() -> None:
    rng = np.random.default_rng(1)
    problems = [drawn_answers(rng) for _ in range(1000)]
    ks = [1, 2, 3, 5, 8, 16, 33]
    curve = majority_curve(*voted(problems), ks)
    assert np.nanmax(curve) == 1
    for answers, row in zip(problems, curve, strict=True):
        for k, chance in zip(ks, row, strict=True):
            expected = exact_majority(answers, k) if k <= len(answers) else math.nan
            assert chance == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_majority_is_exact_for_many_responses_of_two_answers() -> None:
    ks = [1, 8, 64, 512, 1024]
    curve = majority_curve(*voted([["A"] * 520 + ["B"] * 504]), ks)[0]
    for k, chance in zip(ks, curve, strict=True):
        ways = [math.comb(520, s) * math.comb(504, k - s) for s in range(k + 1)]
        tied = ways[k // 2] if k % 2 == 0 else 0
        exact = Fraction(2 * sum(ways[k // 2 + 1 :]) + tied, 2 * math.comb(1024, k))
        assert chance == pytest.approx(float(exact), abs=1e-11)


def test_majority_is_exact_for_many_responses_of_many_answers() -> None:
    alone = ["A"] * 3 + [f"w{i}" for i in range(997)]
    spread = ["A"] * 12 + [None] * 300 + [f"w{i % 60}" for i in range(688)]
    curve = majority_curve(*voted([alone, spread]), [1, 8, 512, 1000])
    assert curve[:, 0] == pytest.approx([3 / 1000, 12 / 1000], abs=1e-12)
    assert curve[:, 1] == pytest.approx([exact_majority(alone, 8), exact_majority(spread, 8)], abs=1e-12)
    # Drawn once of 512 it shares a tie of 512; drawn more often it wins.
    none, once = (math.comb(3, s) * math.comb(997, 512 - s) / math.comb(1000, 512) for s in (0, 1))
    assert curve[0, 2] == pytest.approx(1 - none - once + once / 512, abs=1e-12)
    # 28 of the 60 rivals have 12 votes as well, 32 have 11.
    assert curve[:, 3] == pytest.approx([1, 1 / 29], abs=1e-12)


@given(st.lists(ANSWERS, max_size=4))
def test_majority_share_is_the_curve_at_all_responses(problems: list[list[str | None]]) -> None:
    votes, silent = voted(problems)
    confidence, correct = majority_share(votes, silent)
    for i, answers in enumerate(problems):
        counts = Counter(answer for answer in answers if answer is not None)
        most = max(counts.values(), default=0)
        assert confidence[i] == pytest.approx(most / len(answers) if answers else math.nan, nan_ok=True)
        whole = majority_curve(votes, silent, [len(answers)])[i, 0] if answers else math.nan
        assert correct[i] == pytest.approx(whole, nan_ok=True)


def test_majority_share_golden() -> None:
    votes, silent = voted([["A", "A", "B", None], ["A", "B"], ["B", "C", None], [None], []])
    confidence, correct = majority_share(votes, silent)
    np.testing.assert_allclose(confidence, [0.5, 0.5, 1 / 3, 0, np.nan])
    np.testing.assert_allclose(correct, [1, 0.5, 0, 0, np.nan])


@given(st.lists(ANSWERS, max_size=4), st.integers(1, 6))
def test_entropy_equals_the_mean_over_all_subsets(problems: list[list[str | None]], m: int) -> None:
    votes, _ = voted(problems)
    found = expected_answer_entropy(votes, m)
    assert found.shape == (len(problems),)
    for value, answers in zip(found, problems, strict=True):
        subsets = list(itertools.combinations([answer for answer in answers if answer is not None], m))
        expected = sum(map(entropy, subsets)) / len(subsets) if subsets else math.nan
        assert value == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_entropy_at_its_own_number_of_votes_is_the_plain_one() -> None:
    problems = [["A"] * 500 + ["B"] * 300 + ["C"] * 224, ["A", "B"], ["A", None]]
    found = expected_answer_entropy(voted(problems)[0], np.array([1024, 2, 1]))
    np.testing.assert_allclose(found, [entropy(problems[0]), 1, 0], atol=1e-9)


def test_no_problems_and_no_votes() -> None:
    empty, silent = voted([])
    assert majority_curve(empty, silent, [1, 2]).shape == (0, 2)
    assert expected_answer_entropy(empty, 3).shape == (0,)
    mute, silent = voted([[None, None]])
    assert majority_curve(mute, silent, [1, 2]).tolist() == [[0, 0]]
    assert majority_curve(mute, silent, []).shape == (1, 0)


def test_impossible_arguments_are_named() -> None:
    votes, silent = voted([["A"]])
    with pytest.raises(ValueError, match="k must be 1 or more, got 0"):
        majority_curve(votes, silent, [2, 0])
    with pytest.raises(ValueError, match="m must be 1 or more, got 0"):
        expected_answer_entropy(votes, 0)
    for function in (lambda: majority_curve(votes, [1, 2], [1]), lambda: majority_share(votes, [1, 2])):
        with pytest.raises(ValueError, match="silent must have shape"):
            function()


def test_taking_problems_takes_their_answers() -> None:
    problems = [["A", "B"], [None], ["C"], ["A", "D", "D"]]
    votes = voted(problems)[0].take(np.array([3, 1, 0, 3]))
    again = voted([problems[i] for i in (3, 1, 0, 3)])[0]
    for name in Votes.__slots__:
        assert getattr(votes, name).tolist() == getattr(again, name).tolist()
