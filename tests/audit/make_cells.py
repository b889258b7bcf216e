"""Cells made from chances or from counts, for the audit's tests."""

from typing import Any

import numpy as np

from selftrain.audit import Cell


def counted(right: Any, n: Any, *, unjudged: Any = 0, unparsed: Any = 0, truncated: Any = 0, **labels: Any) -> Cell:
    """A cell of problems p0, p1, ... with these counts; `n` judged responses each."""
    right = np.asarray(right, dtype=np.int64)
    full = [
        np.broadcast_to(np.asarray(x, dtype=np.int64), right.shape).copy() for x in (n, unjudged, unparsed, truncated)
    ]
    names = tuple(f"p{i}" for i in range(len(right)))
    return Cell(labels, names, right, full[0] - right, *full[1:])


def drawn(chance: Any, n: int, rng: np.random.Generator, *, unparsed: float = 0.0, truncated: float = 0.0) -> Cell:
    """A cell sampled from each problem's chance of a right response."""
    right = rng.binomial(n, np.asarray(chance))
    lost = rng.binomial(n - right, unparsed)
    return counted(right, n, unparsed=lost, truncated=rng.binomial(n, np.full(right.shape, truncated)))
