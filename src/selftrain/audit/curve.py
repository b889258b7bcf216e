"""pass@k of two models for every k, with bands, and where the parent overtakes."""

from dataclasses import dataclass

import numpy as np

from selftrain.audit.cells import Cell
from selftrain.audit.passing import crossover_k, pass_curve
from selftrain.audit.settings import AuditSettings
from selftrain.audit.statistics import Estimate, bootstrap_errors

Band = list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """pass@k at k = 1, 2, ... with pointwise intervals at level `1 - alpha`; lists hold one number a k."""

    ks: list[int]
    before: Band
    before_low: Band
    before_high: Band
    after: Band
    after_low: Band
    after_high: Band
    crossover: int | None
    """Smallest k at which the parent's pass@k exceeds the candidate's."""


def curve(before: Cell, after: Cell, k: int, settings: AuditSettings) -> Curve:
    """The curve up to k of two cells over the same problems, each with k judged responses or more."""
    values = np.hstack([pass_curve(cell.n, cell.right, k) for cell in (before, after)])
    weights = np.ones(len(values))
    errors = bootstrap_errors(values, weights, settings.draws, settings.seed)
    points = [
        Estimate.of(column, weights, float(error), (0, 1)) for column, error in zip(values.T, errors, strict=True)
    ]
    means, bands = [point.value for point in points], [point.interval(settings.alpha) for point in points]
    lows, highs = [low for low, _ in bands], [high for _, high in bands]
    ks = list(range(1, k + 1))
    return Curve(
        ks=ks,
        before=means[:k],
        before_low=lows[:k],
        before_high=highs[:k],
        after=means[k:],
        after_low=lows[k:],
        after_high=highs[k:],
        crossover=crossover_k(ks, means[:k], means[k:]),
    )
