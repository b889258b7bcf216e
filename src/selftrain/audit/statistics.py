"""Intervals and tests for means and ratios over problems, by resampling problems."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_CHUNK = 2_000_000
"""Problem weights held at once while resampling: 16 MB."""
_SPARSE = 6
"""Below six differing problems no exact sign test reaches .05, and a bootstrap knows too little."""


def bootstrap_errors(values: Floats, weights: Floats, draws: int, seed: int) -> Floats:
    """Standard errors of `sum(w v) / sum(w)` over resampled problems, shape [figures].

    `values` has shape [problems, figures] and `weights` [problems]; all figures see the same resamples.
    Scaled by `sqrt(P / (P - 1))`, P problems with weight, so that it is unbiased for a mean; nan for P < 2.
    Memory is bounded. Source: Efron, 1979; the scale: Hesterberg, arXiv 1411.5279, section 3.2.
    """
    count, informed = len(weights), int((weights > 0).sum())
    if informed < 2:
        return np.full(values.shape[1], math.nan)
    centre = weights @ values / weights.sum()
    # Centred values make the error the root of a mean square, without cancellation.
    columns = np.column_stack([weights[:, None] * (values - centre), weights])
    rng = np.random.default_rng(seed)
    squares, used = np.zeros(values.shape[1]), 0
    for start in range(0, draws, max(1, _CHUNK // count)):
        size = min(max(1, _CHUNK // count), draws - start)
        picks = rng.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(picks.ravel(), minlength=size * count).reshape(size, count)
        sums = times @ columns
        sums = sums[sums[:, -1] > 0]
        squares += np.square(sums[:, :-1] / sums[:, -1:]).sum(axis=0)
        used += len(sums)
    return np.asarray(np.sqrt(squares / used * informed / (informed - 1)))


@dataclass(frozen=True, slots=True)
class Sparse:
    """Few problems differ from the most common value: what the exact binomial rule needs about one side."""

    count: int
    """Problems beyond the most common value on this side."""
    size: float
    """How far they lie from it on average, one more at the largest possible distance counted in."""
    reach: float
    """Most common value plus what the other side adds, minus the estimate, seen from this side."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean or ratio over problems with what its interval and its tests need.

    The interval is `value +- t(P - 1) * error`, with the bootstrap's standard error: plain percentiles
    cover too little at 30 problems. Where fewer than six problems differ from the most common value the
    bootstrap's error is (near) zero and means nothing; the interval is then widened to what an exact
    binomial (Clopper-Pearson) bound on the share of differing problems allows: with none of P seen, up to
    `1 - (alpha/2)^(1/P)` of problems could differ, by the most that is possible. Where a few are seen, one
    more at that distance is averaged in: what one or two lie off by tells little of the others. Both parts
    are inverted for the p-values, so test and interval agree.
    """

    value: float
    error: float
    problems: int
    bounds: tuple[float, float]
    sparse: tuple[Sparse, Sparse] | None
    """The rule for the lower and the upper side, where it applies."""

    @classmethod
    def of(cls, values: Floats, weights: Floats, error: float, bounds: tuple[float, float]) -> "Estimate":
        """From values and weights, shape [problems], and the bootstrap's error; nan without weight."""
        seen = weights > 0
        count = int(seen.sum())
        if count == 0:
            return cls(math.nan, math.nan, 0, bounds, None)
        value = float(weights @ values / weights.sum())
        return cls(value, error, count, bounds, _sparse(values[seen], value, bounds))

    def interval(self, alpha: float) -> tuple[float, float]:
        """Two-sided interval at level `1 - alpha`, within the bounds; (nan, nan) without problems."""
        if self.problems == 0:
            return math.nan, math.nan
        low = self.value - self._reach(alpha / 2, side=0)
        high = self.value + self._reach(alpha / 2, side=1)
        return max(low, self.bounds[0]), min(high, self.bounds[1])

    def p_below(self, limit: float) -> float:
        """One-sided p for "the value is `limit` or more": small when it lies below; nan without problems."""
        return self._p(limit - self.value, side=1)

    def p_above(self, limit: float) -> float:
        """One-sided p for "the value is `limit` or less": small when it lies above; nan without problems."""
        return self._p(self.value - limit, side=0)

    def p_differs(self, limit: float) -> float:
        """Two-sided p for "the true value is `limit`"."""
        return min(1.0, 2 * min(self.p_below(limit), self.p_above(limit)))

    def _reach(self, tail: float, side: int) -> float:
        """How far the interval goes on one side of the value."""
        from scipy.special import betaincinv, stdtrit

        reaches = [-stdtrit(self.problems - 1, tail) * self.error] if self.problems > 1 else []
        if self.sparse:
            rule = self.sparse[side]
            share = betaincinv(rule.count + 1, self.problems - rule.count, 1 - tail)
            reaches.append(rule.reach + share * rule.size)
        return float(max(reaches))

    def _p(self, distance: float, side: int) -> float:
        """The smallest tail at which the interval's side stays within `distance` of the value."""
        if self.problems == 0:
            return math.nan
        from scipy.special import bdtr, stdtr

        ps = []
        if self.problems > 1 and self.error > 0:
            ps.append(stdtr(self.problems - 1, -distance / self.error))
        if self.sparse:
            rule = self.sparse[side]
            beyond = distance - rule.reach
            share = min(max(beyond / rule.size, 0.0), 1.0) if rule.size else float(beyond > 0)
            ps.append(bdtr(rule.count, self.problems, share))
        return float(max(ps))


def estimate(
    values: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    bounds: tuple[float, float],
    draws: int,
    seed: int,
) -> Estimate:
    """Mean, or ratio `sum(w v) / sum(w)`, of values within `bounds`; both of shape [problems]."""
    v = np.asarray(values, dtype=np.float64)
    w = np.ones_like(v) if weights is None else np.asarray(weights, dtype=np.float64)
    return Estimate.of(v, w, float(bootstrap_errors(v[:, None], w, draws, seed)[0]), bounds)


def problems_needed(found: Estimate, effect: float, alpha: float, power: float = 0.8, *, counted: bool = False) -> int:
    """Problems that give `power` to see `effect` two-sided at `alpha`, by the normal approximation.

    `((z_(1-alpha/2) + z_power) * s / effect)^2` with s the standard deviation of the observed paired
    values. Where those hardly differ, at least as many as the exact rule needs before its interval is no
    wider than `effect`. `counted`: the test is McNemar's on counts, which loses about one problem, so that n
    become N with `sqrt(n) = sqrt(N) - 1 / (effect sqrt(N))`. Source: the continuity correction, Fleiss, 1980.
    """
    z = NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(power)
    variance = found.problems * found.error**2 if found.problems > 1 else 0.0
    reach = max(map(abs, found.bounds))
    exact = math.log(alpha / 2) / math.log1p(-effect / reach) if found.sparse and effect < reach else 0.0
    count = variance * (z / effect) ** 2
    if counted and count > 0:
        count = count / 4 * (1 + math.sqrt(1 + 4 / (count * effect))) ** 2
    return math.ceil(max(count, exact, 1.0))


def _sparse(values: Floats, value: float, bounds: tuple[float, float]) -> tuple[Sparse, Sparse] | None:
    # Rounded, since equal shares may differ in their last bit.
    kinds, times = np.unique(values.round(12), return_counts=True)
    if values.size - times.max() >= _SPARSE:
        return None
    # Rounded, it could lie beyond the bound that it is at, and a negative distance would turn every p around.
    usual = min(max(float(kinds[times.argmax()]), bounds[0]), bounds[1])
    fall, rise = (usual - values).clip(min=0), (values - usual).clip(min=0)
    fall, rise = fall[fall > 1e-9], rise[rise > 1e-9]
    below = Sparse(
        len(fall),
        (float(fall.sum()) + usual - bounds[0]) / (len(fall) + 1),
        value - usual - float(rise.sum()) / values.size,
    )
    above = Sparse(
        len(rise),
        (float(rise.sum()) + bounds[1] - usual) / (len(rise) + 1),
        usual - value - float(fall.sum()) / values.size,
    )
    return below, above
