"""Which rows to keep, and which are near: selection by score, by confidence and by cosine."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_COSINE_DECIMALS = 12
"""Cosines equal to this many decimals are ties: parallel rows differ by rounding alone."""


def keep_lowest(scores: ArrayLike, fraction: float) -> NDArray[np.bool_]:
    """Mask of the `round(fraction * n)` lowest of n scores, shape [n].

    Half rounds to even and ties go to the lower index. nan counts in n but is never kept, so fewer may
    remain. Source: IWSI, arXiv 2408.09849 (keep k %).
    Raises ValueError for a fraction outside [0, 1].
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError("scores must be a flat list")
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must be between 0 and 1, got {fraction}")
    order = np.argsort(values, kind="stable")[: round(fraction * values.size)]
    mask = np.zeros(values.size, dtype=np.bool_)
    mask[order] = True
    return mask & ~np.isnan(values)


def keep_confident(nll: Sequence[float | None], percentile: float) -> tuple[float, NDArray[np.bool_]]:
    """Threshold and mask (shape [n]) of the rows whose mean negative log-likelihood is at most a percentile.

    The percentile (0 to 100, linear interpolation) is taken over the finite values; None, nan and infinite
    rows are never kept. Without finite values the threshold is nan. Source: SemiEvol, arXiv 2410.14745.
    Raises ValueError for a percentile outside [0, 100].
    """
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile must be between 0 and 100, got {percentile}")
    values = np.array([math.nan if value is None else value for value in nll], dtype=np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return math.nan, finite
    threshold = float(np.percentile(values[finite], percentile))
    return threshold, finite & (values <= threshold)


def nearest_neighbours(embeddings: ArrayLike, query: ArrayLike, k: int) -> NDArray[np.int64]:
    """Indices of the k rows nearest to the query by cosine, nearest first, shape [min(k, rows)].

    `embeddings` has shape [rows, dimensions], `query` [dimensions]. Ties go to the lower index; rows of zero
    length have no direction and come last. Source: SemiEvol, arXiv 2410.14745, in-context propagation.
    Raises ValueError for shapes that do not fit, non-finite numbers, a query of zero length and a negative k.
    """
    rows, target = np.asarray(embeddings, dtype=np.float64), np.asarray(query, dtype=np.float64)
    if k < 0:
        raise ValueError(f"k must be 0 or more, got {k}")
    if target.ndim != 1 or not np.isfinite(target).all() or not target.any():
        raise ValueError("query must be a flat list of finite numbers, not all zero")
    if rows.size == 0:
        return np.zeros(0, dtype=np.int64)
    if rows.ndim != 2 or rows.shape[1] != target.size or not np.isfinite(rows).all():
        raise ValueError(f"embeddings must be finite, of shape [rows, {target.size}], got shape {rows.shape}")
    cosines = np.round(_unit(rows) @ _unit(target[None])[0], _COSINE_DECIMALS)
    return np.argsort(-cosines, kind="stable")[:k].astype(np.int64)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows scaled to length 1 (nan for zero rows), safe against overflow of the squares."""
    with np.errstate(invalid="ignore"):
        scaled = rows / np.abs(rows).max(axis=1, keepdims=True)
        return np.asarray(scaled / np.linalg.norm(scaled, axis=1, keepdims=True))
