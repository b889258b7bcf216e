"""Whether a stated confidence is deserved: expected calibration error and Brier score."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selftrain.audit.cells import Cell, votes_of
from selftrain.audit.number import Number
from selftrain.audit.votes import majority_share


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Expected calibration error of the majority's share as confidence in the majority's answer."""

    before: Number
    after: Number


def vote_calibration(before: Cell, after: Cell, k: int) -> Calibration | None:
    """The calibration of two cells; None unless both have answers, and with one response, which is no vote.

    Where answers tie for the majority, it counts as right with the chance that the right one is drawn.
    """
    shares = [majority_share(*vote) for vote in votes_of(before, after)]
    if k == 1 or not shares:
        return None
    b, a = (expected_calibration_error(confidence, correct) for confidence, correct in shares)
    return Calibration(before=b, after=a)


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> float:
    """Mean distance between confidence and accuracy over equal bins, weighted by how many fall in each.

    `confidence` and `correct` (0 or 1, or the chance of 1) lie in [0, 1], both of shape [items]. Bins are
    right-closed, `(a, b]`, and 0 falls in the first. nan for no items. Source: Guo et al., arXiv 1706.04599, Eq. 3.
    Raises ValueError for other values, lengths that differ and bins below 1.
    """
    stated, true = _pair(confidence, correct)
    if bins < 1:
        raise ValueError(f"bins must be 1 or more, got {bins}")
    # Edges as i / bins are the doubles that .1, .2, ... denote, so a confidence on an edge falls below it.
    place = np.searchsorted(np.arange(1, bins) / bins, stated, side="left")
    gaps = np.bincount(place, weights=stated - true, minlength=bins)
    return float(np.abs(gaps).sum() / stated.size) if stated.size else math.nan


def brier_score(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean squared distance between confidence and correctness, both in [0, 1] and of shape [items].

    A correctness between 0 and 1 is the chance of 1, and the mean is the expected one.

    nan for no items. Source: Brier, 1950. Raises ValueError as `expected_calibration_error`.
    """
    stated, true = _pair(confidence, correct)
    return float(squared_distance(stated, true).mean()) if stated.size else math.nan


def squared_distance(confidence: NDArray[np.float64], chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected squared distance to a correctness that is 1 with a given chance; all of one shape."""
    return np.asarray(chance * (1 - confidence) ** 2 + (1 - chance) * confidence**2)


def _pair(confidence: ArrayLike, correct: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    stated, true = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if stated.ndim != 1 or not ((stated >= 0) & (stated <= 1)).all():
        raise ValueError("confidence must be a flat list of numbers between 0 and 1")
    if true.shape != stated.shape or not ((true >= 0) & (true <= 1)).all():
        raise ValueError(f"correct must be {stated.size} numbers between 0 and 1, one for each confidence")
    return stated, true
