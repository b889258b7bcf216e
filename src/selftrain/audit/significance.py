"""Closed-form statistics: one share's interval, the exact paired test, and corrections for many tests."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % score interval of a share, within [0, 1]; (nan, nan) without trials.

    Source: Wilson, 1927, "Probable inference, the law of succession, and statistical inference".
    Raises ValueError for successes outside [0, trials].
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must be between 0 and trials={trials}, got {successes}")
    if trials == 0:
        return math.nan, math.nan
    z2 = NormalDist().inv_cdf(0.975) ** 2
    centre = successes + z2 / 2
    spread = math.sqrt(z2 * (successes * (trials - successes) / trials + z2 / 4))
    # The ends are exactly 0 and 1 at the edges, where rounding would leave a residue.
    low = (centre - spread) / (trials + z2) if successes else 0.0
    return low, (centre + spread) / (trials + z2) if successes < trials else 1.0


def mcnemar_exact(b: int, c: int) -> float:
    """Exact two-sided p of McNemar's test: b problems turned one way and c the other.

    Twice the smaller tail of Binomial(b + c, 1/2), at most 1; 1 when nothing turned.
    Source: McNemar, 1947. Raises ValueError for negative counts.
    """
    if b < 0 or c < 0:
        raise ValueError(f"b and c must be 0 or more, got {b} and {c}")
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5))) if b + c else 1.0


def benjamini_hochberg(pvalues: ArrayLike) -> NDArray[np.float64]:
    """p-values adjusted to control the false-discovery rate, in the given order, shape [tests].

    Source: Benjamini and Hochberg, 1995. Raises ValueError for values outside [0, 1].
    """
    p = _pvalues(pvalues)
    order = np.argsort(-p, kind="stable")
    ranks = np.arange(p.size, 0, -1)
    return _in_order(np.minimum.accumulate(p[order] * p.size / ranks), order)


def holm(pvalues: ArrayLike) -> NDArray[np.float64]:
    """p-values adjusted to control the family-wise error by Holm's step-down rule, in the given order.

    Source: Holm, 1979. Raises ValueError for values outside [0, 1].
    """
    p = _pvalues(pvalues)
    order = np.argsort(p, kind="stable")
    ranks = np.arange(p.size, 0, -1)
    return _in_order(np.minimum(np.maximum.accumulate(p[order] * ranks), 1.0), order)


def _pvalues(pvalues: ArrayLike) -> NDArray[np.float64]:
    p = np.asarray(pvalues, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("pvalues must be a flat list of numbers between 0 and 1")
    return p


def _in_order(adjusted: NDArray[np.float64], order: NDArray[np.intp]) -> NDArray[np.float64]:
    result = np.empty_like(adjusted)
    result[order] = adjusted
    return result
