"""What training changed: which problems are solved, easy against hard, and rise and collapse over rounds."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def support_change(base: ArrayLike, new: ArrayLike) -> dict[str, float]:
    """Problems solved by both models, by one alone, by neither, and what follows from the four.

    `base` and `new` say whether each problem was ever solved (True or 1), or with which chance (pass@k, in
    [0, 1], the four counts are then expectations), both of shape [problems]. kept P, gained E, lost S,
    neither; retention `P/(P+S)`, discovery `E/(P+E)`, harmonic (mean of the two), net `(E-S)/(P+E+S)`; nan
    where undefined. Source: arXiv 2507.14843. Raises ValueError for values outside [0, 1] and shapes that
    differ.
    """
    b, a = np.asarray(base, dtype=np.float64), np.asarray(new, dtype=np.float64)
    for name, values in (("base", b), ("new", a)):
        if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"{name} must be a flat list of flags or shares between 0 and 1")
    if b.shape != a.shape:
        raise ValueError(f"new must be as long as base, got {a.size} and {b.size}")
    return support_of(kept=float(b @ a), base=float(b.sum()), new=float(a.sum()), problems=b.size)


def support_of(*, kept: float, base: float, new: float, problems: int) -> dict[str, float]:
    """What `support_change` tells, from how many (expected) problems both, the base and the new model solve."""
    # Rounding could leave a residue below 0.
    gained, lost = max(new - kept, 0.0), max(base - kept, 0.0)
    retention, discovery = _ratio(kept, kept + lost), _ratio(gained, kept + gained)
    return {
        "kept": kept,
        "gained": gained,
        "lost": lost,
        "neither": max(problems - kept - gained - lost, 0.0),
        "retention": retention,
        "discovery": discovery,
        "harmonic": 0.0 if retention == discovery == 0 else _ratio(2 * retention * discovery, retention + discovery),
        "net": _ratio(gained - lost, kept + gained + lost),
    }


def group_disparity(easy: float, hard: float) -> float:
    """Share of the easy accuracy that is lost on the hard level, `(easy - hard) / easy`; nan at easy = 0.

    Source: arXiv 2407.05013, group disparity. Raises ValueError for negative accuracies.
    """
    for name, value in (("easy", easy), ("hard", hard)):
        if value < 0:
            raise ValueError(f"{name} must be 0 or more, got {value}")
    return _ratio(easy - hard, easy)


def rise_and_collapse(curve: Sequence[float], gap: float = 0.2) -> dict[str, int | float | bool]:
    """Where a curve over rounds peaks and how far its end lies below.

    peak: index of the (first) highest value; gap: highest minus last; collapsed: whether that exceeds `gap`.
    Source: arXiv 2606.21090. Raises ValueError for an empty curve and for values that are not finite.
    """
    values = np.asarray(curve, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError("curve must be a flat list of at least one finite number")
    fall = float(values.max() - values[-1])
    # .9 - .7 is .2 for a reader, and a little more in binary.
    return {"peak": int(values.argmax()), "gap": fall, "collapsed": fall > gap + 1e-12}


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan
