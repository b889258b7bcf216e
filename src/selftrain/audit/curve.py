"""pass@k, pass^k and majority@k of two models, with bands, and where the parent overtakes."""

from dataclasses import dataclass

import numpy as np

from selftrain.audit.cells import Cell, votes_of
from selftrain.audit.detail import Floats
from selftrain.audit.number import Number
from selftrain.audit.passing import crossover_k, pass_curve
from selftrain.audit.settings import AuditSettings
from selftrain.audit.statistics import Estimate, bootstrap_errors
from selftrain.audit.votes import majority_curve

Band = list[Number]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A figure at several k with pointwise intervals at level `1 - alpha`; lists hold one number a k."""

    ks: list[int]
    before: Band
    before_low: Band
    before_high: Band
    after: Band
    after_low: Band
    after_high: Band
    crossover: int | None
    """Smallest k at which the parent's value exceeds the candidate's."""
    overtaken: int | None
    """Smallest k at which it does so for sure: the interval of the paired difference lies below 0."""


def curves(before: Cell, after: Cell, k: int, settings: AuditSettings) -> dict[str, Curve]:
    """`pass@k` and `pass^k` at every k up to `k`, `majority@k` at powers of two where both logs have answers.

    The cells are over the same problems, each with `k` judged responses or more.
    """
    ks = list(range(1, k + 1))
    wrong = [1 - pass_curve(cell.n, cell.wrong, k) for cell in (before, after)]
    found = {
        "pass@k": _curve(ks, [pass_curve(cell.n, cell.right, k) for cell in (before, after)], settings),
        "pass^k": _curve(ks, wrong, settings),
    }
    powers = [2**i for i in range(k.bit_length())]
    majorities = [majority_curve(*vote, powers) for vote in votes_of(before, after)]
    return found | ({"majority@k": _curve(powers, majorities, settings)} if majorities else {})


def _curve(ks: list[int], sides: list[Floats], settings: AuditSettings) -> Curve:
    """From the values of each side, shape [problems, ks]."""
    values = np.hstack([*sides, sides[1] - sides[0]])
    weights = np.ones(len(values))
    errors = bootstrap_errors(values, weights, settings.draws, settings.seed)
    k = len(ks)
    points = [
        Estimate.of(column, weights, float(error), (0, 1) if place < 2 * k else (-1, 1))
        for place, (column, error) in enumerate(zip(values.T, errors, strict=True))
    ]
    means, bands = [point.value for point in points], [point.interval(settings.alpha) for point in points]
    lows, highs = [low for low, _ in bands], [high for _, high in bands]
    return Curve(
        ks=ks,
        before=means[:k],
        before_low=lows[:k],
        before_high=highs[:k],
        after=means[k : 2 * k],
        after_low=lows[k : 2 * k],
        after_high=highs[k : 2 * k],
        crossover=crossover_k(ks, means[:k], means[k : 2 * k]),
        overtaken=next((at for at, high in zip(ks, highs[2 * k :], strict=True) if high < 0), None),
    )
