"""Whether a stated confidence is deserved: expected calibration error and Brier score."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> float:
    """Mean distance between confidence and accuracy over equal bins, weighted by how many fall in each.

    `confidence` in [0, 1] and `correct` (0 or 1), both of shape [items]. Bins are right-closed, `(a, b]`,
    and 0 falls in the first. nan for no items. Source: Guo et al., arXiv 1706.04599, Eq. 3. Raises
    ValueError for other values, lengths that differ and bins below 1.
    """
    stated, true = _pair(confidence, correct)
    if bins < 1:
        raise ValueError(f"bins must be 1 or more, got {bins}")
    # Edges as i / bins are the doubles that .1, .2, ... denote, so a confidence on an edge falls below it.
    place = np.searchsorted(np.arange(1, bins) / bins, stated, side="left")
    gaps = np.bincount(place, weights=stated - true, minlength=bins)
    return float(np.abs(gaps).sum() / stated.size) if stated.size else math.nan


def brier_score(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean squared distance between confidence in [0, 1] and correctness (0 or 1), both of shape [items].

    nan for no items. Source: Brier, 1950. Raises ValueError as `expected_calibration_error`.
    """
    stated, true = _pair(confidence, correct)
    return float(np.square(stated - true).mean()) if stated.size else math.nan


def _pair(confidence: ArrayLike, correct: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    stated, true = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if stated.ndim != 1 or not ((stated >= 0) & (stated <= 1)).all():
        raise ValueError("confidence must be a flat list of numbers between 0 and 1")
    if true.shape != stated.shape or not np.isin(true, (0, 1)).all():
        raise ValueError(f"correct must be {stated.size} flags, 0 or 1, one for each confidence")
    return stated, true
