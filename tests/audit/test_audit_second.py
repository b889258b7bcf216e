"""Every public function of the audit that is pure arithmetic, computed a second way on a thousand random cases."""

import itertools
import math
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist

from selftrain import audit
from selftrain.audit.statistics import bootstrap_errors

Arguments = tuple[Any, ...]
Random = np.random.Generator
CASES = 1_000


class Twice(NamedTuple):
    """A function, what draws its arguments, and a second computation of its result."""

    function: Callable[..., Any]
    draw: Callable[[Random], Arguments]
    second: Callable[..., Any]


def counted(rng: Random) -> Arguments:
    """n, c and k; one case in ten with nothing or everything right."""
    n = int(rng.integers(1, 65))
    c = int(rng.choice([0, n])) if rng.random() < 0.1 else int(rng.integers(0, n + 1))
    return n, c, int(rng.integers(1, n + 1))


def pass_exactly(n: int, c: int, k: int) -> Fraction:
    """One draw after the other, each of them wrong."""
    return 1 - math.prod((Fraction(max(n - c - j, 0), n - j) for j in range(k)), start=Fraction(1))


def all_exactly(n: int, c: int, k: int) -> Fraction:
    return math.prod((Fraction(max(c - j, 0), n - j) for j in range(k)), start=Fraction(1))


def answered(rng: Random) -> Arguments:
    answers = [None if place == 3 else "ABC"[place] for place in rng.integers(0, 4, rng.integers(1, 9))]
    return answers, "A", int(rng.integers(1, len(answers) + 1))


def won(answers: list[str | None], gold: str, k: int) -> Fraction:
    """The vote of every subset."""
    total = subsets = 0
    for subset in itertools.combinations(answers, k):
        votes = Counter(answer for answer in subset if answer is not None)
        winners = [answer for answer, count in votes.items() if count == max(votes.values())]
        total += Fraction(int(gold in winners), len(winners) or 1)
        subsets += 1
    return Fraction(total) / subsets


def wilson(successes: int, trials: int) -> tuple[float, float]:
    found = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return found.low, found.high


def trials(rng: Random) -> Arguments:
    count = int(rng.integers(1, 2000))
    return int(rng.choice([0, count, rng.integers(0, count + 1)])), count


def turned(rng: Random) -> Arguments:
    return tuple(int(x) for x in rng.integers(0, rng.choice([4, 40, 400]), 2))


def mcnemar(b: int, c: int) -> Fraction:
    """Whole numbers: of 2^(b+c) equally likely ways to turn, those as uneven."""
    ways = sum(math.comb(b + c, i) for i in range(min(b, c) + 1))
    return min(Fraction(1), Fraction(2 * ways, 2 ** (b + c)))


def pvalues(rng: Random) -> Arguments:
    p = rng.random(rng.integers(1, 30)) ** rng.integers(1, 6)
    return (np.where(rng.random(p.size) < 0.2, rng.choice(p), p).tolist(),)


def holm(p: list[float]) -> list[float]:
    """By the definition of an adjusted p: the smallest level at which the step-down procedure rejects."""
    count, order = len(p), sorted(range(len(p)), key=p.__getitem__)
    adjusted = {}
    for place, index in enumerate(order):
        adjusted[index] = min(1.0, max((count - i) * p[order[i]] for i in range(place + 1)))
    return [adjusted[index] for index in range(count)]


def tables(rng: Random) -> Arguments:
    n, m = (int(x) for x in rng.integers(1, 40, 2))
    return [int(rng.integers(0, n + 1))], [n], [int(rng.integers(0, m + 1))], [m]


def fisher(right: list[int], n: list[int], other: list[int], m: list[int]) -> list[float]:
    """In whole numbers: the ways to have a table that are no more than those of the one seen."""
    (r,), (a,), (s,), (b,) = right, n, other, m
    ways = [math.comb(a, x) * math.comb(b, r + s - x) for x in range(r + s + 1)]
    return [sum(way for way in ways if way <= ways[r]) / math.comb(a + b, r + s)]


def worded(rng: Random) -> Arguments:
    texts = [" ".join(rng.choice(list("abc"), rng.integers(0, 9))) for _ in range(rng.integers(0, 6))]
    return texts, int(rng.integers(1, 6))


def distinct(texts: list[str], n: int) -> Fraction:
    seen, total = set(), 0
    for text in texts:
        words = text.split(" ") if text else []
        for start in range(len(words)):
            if start + n <= len(words):
                seen.add("|".join(words[start : start + n]))
                total += 1
    return Fraction(len(seen), total or 1)


def vocabulary(rng: Random) -> Arguments:
    size, total = int(rng.integers(1, 60)), int(rng.integers(1, 80))
    return int(rng.integers(0, min(size, total) + 1)), total, size


def adjusted(unique: int, total: int, size: int) -> Fraction:
    return unique / (size * (1 - Fraction(size - 1, size) ** total))


def embedded(rng: Random) -> Arguments:
    return (rng.normal(size=(rng.integers(2, 12), rng.integers(1, 20))),)


def spread(rows: np.ndarray) -> float:
    return float(pdist(rows, "cosine").mean())


def solved_by_two(rng: Random) -> Arguments:
    count = int(rng.integers(1, 30))
    return tuple((rng.random(count) < rng.random()).tolist() for _ in range(2))


def support(base: list[bool], new: list[bool]) -> dict[str, float]:
    """By sets."""
    b, a = ({i for i, yes in enumerate(flags) if yes} for flags in (base, new))
    ratio = lambda x, y: x / y if y else math.nan  # noqa: E731
    retention, discovery = ratio(len(b & a), len(b)), ratio(len(a - b), len(a))
    harmonic = 0.0 if retention == discovery == 0 else ratio(2 * retention * discovery, retention + discovery)
    return {
        "kept": len(b & a),
        "gained": len(a - b),
        "lost": len(b - a),
        "neither": len(base) - len(b | a),
        "retention": retention,
        "discovery": discovery,
        "harmonic": harmonic,
        "net": ratio(len(a) - len(b), len(a | b)),
    }


def accuracies(rng: Random) -> Arguments:
    return (0.0 if rng.random() < 0.1 else float(rng.random()), float(rng.random()))


def disparity(easy: float, hard: float) -> float:
    return 1 - hard / easy if easy else math.nan


def stated(rng: Random) -> Arguments:
    """Confidences in hundredths, so that many lie on the edge of a bin."""
    count = int(rng.integers(1, 40))
    return (
        rng.integers(0, 101, count) / 100,
        rng.integers(0, 2, count).astype(float),
        int(rng.choice([1, 4, 5, 10, 20])),
    )


def calibration(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
    """Item by item, in whole hundredths: bin i holds (i / bins, (i + 1) / bins]."""
    members: dict[int, list[tuple[float, float]]] = {}
    for p, y in zip(confidence.tolist(), correct.tolist(), strict=True):
        members.setdefault(max(0, math.ceil(Fraction(round(100 * p) * bins, 100)) - 1), []).append((p, y))
    gaps = ((len(m), abs(sum(p for p, _ in m) / len(m) - sum(y for _, y in m) / len(m))) for m in members.values())
    return sum(size * gap for size, gap in gaps) / len(confidence)


def brier(confidence: np.ndarray, correct: np.ndarray) -> float:
    return float(np.mean((confidence - correct) ** 2))


def over_rounds(rng: Random) -> Arguments:
    return rng.random(rng.integers(1, 12)).round(1).tolist(), float(rng.choice([0.1, 0.2, 0.3]))


def collapse(curve: list[float], gap: float) -> dict[str, Any]:
    """In whole tenths."""
    tenths = [round(10 * value) for value in curve]
    peak = max(range(len(tenths)), key=lambda i: (tenths[i], -i))
    fall = tenths[peak] - tenths[-1]
    return {"peak": peak, "gap": fall / 10, "collapsed": fall > round(10 * gap)}


def two_curves(rng: Random) -> Arguments:
    ks = rng.permutation(12)[: rng.integers(0, 9)] + 1
    return ks.tolist(), *(rng.random(ks.size).round(1).tolist() for _ in range(2))


def crossover(ks: list[int], base: list[float], new: list[float]) -> list[int]:
    return [k for k, b, a in sorted(zip(ks, base, new, strict=True)) if b > a][:1]


TABLE = {
    "pass_at_k": Twice(audit.pass_at_k, counted, pass_exactly),
    "pass_hat_k": Twice(audit.pass_hat_k, counted, all_exactly),
    "majority_at_k": Twice(audit.majority_at_k, answered, won),
    "wilson_interval": Twice(audit.wilson_interval, trials, wilson),
    "mcnemar_exact": Twice(audit.mcnemar_exact, turned, mcnemar),
    "benjamini_hochberg": Twice(audit.benjamini_hochberg, pvalues, stats.false_discovery_control),
    "holm": Twice(audit.holm, pvalues, holm),
    "fisher_exact": Twice(audit.fisher_exact, tables, fisher),
    "distinct_n": Twice(audit.distinct_n, worded, distinct),
    "expectation_adjusted_distinct": Twice(audit.expectation_adjusted_distinct, vocabulary, adjusted),
    "semantic_diversity": Twice(audit.semantic_diversity, embedded, spread),
    "support_change": Twice(audit.support_change, solved_by_two, support),
    "group_disparity": Twice(audit.group_disparity, accuracies, disparity),
    "expected_calibration_error": Twice(audit.expected_calibration_error, stated, calibration),
    "brier_score": Twice(audit.brier_score, lambda rng: stated(rng)[:2], brier),
    "rise_and_collapse": Twice(audit.rise_and_collapse, over_rounds, collapse),
    "crossover_k": Twice(lambda *curves: [k for k in [audit.crossover_k(*curves)] if k], two_curves, crossover),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_second_computation_agrees(name: str) -> None:
    function, draw, second = TABLE[name]
    rng = np.random.default_rng(17)
    for _ in range(CASES):
        arguments = draw(rng)
        expected = second(*arguments)
        if isinstance(expected, Fraction):
            expected = float(expected)
        assert function(*arguments) == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True), arguments


@pytest.mark.parametrize("weighted", [False, True])
def test_the_bootstrap_agrees_with_scipy(weighted: bool) -> None:
    rng = np.random.default_rng(17)
    values, weights = rng.gamma(1, 1, 60), rng.random(60) if weighted else np.ones(60)
    ratio = lambda v, w, axis: (v * w).sum(axis) / w.sum(axis)  # noqa: E731
    expected = stats.bootstrap((values, weights), ratio, paired=True, n_resamples=20_000, random_state=3).standard_error
    found = bootstrap_errors(values[:, None], weights, 20_000, seed=1)[0]
    assert found == pytest.approx(expected * math.sqrt(60 / 59), rel=0.03)
