"""Cells made from chances or from counts, for the audit's tests."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from selftrain.audit import Cell, tally


def counted(right: Any, n: Any, *, unjudged: Any = 0, unparsed: Any = 0, truncated: Any = 0, **labels: Any) -> Cell:
    """A cell of problems p0, p1, ... with these counts; `n` judged responses each."""
    right = np.asarray(right, dtype=np.int64)
    full = [
        None if x is None else np.broadcast_to(np.asarray(x, dtype=np.int64), right.shape).copy()
        for x in (n, unjudged, unparsed, truncated)
    ]
    names = tuple(f"p{i}" for i in range(len(right)))
    return Cell(labels, names, right, full[0] - right, *full[1:])


def drawn(chance: Any, n: int, rng: np.random.Generator, *, unparsed: float = 0.0, truncated: float = 0.0) -> Cell:
    """A cell sampled from each problem's chance of a right response."""
    right = rng.binomial(n, np.asarray(chance))
    lost = rng.binomial(n - right, unparsed)
    return counted(right, n, unparsed=lost, truncated=rng.binomial(n, np.full(right.shape, truncated)))


def logged(
    texts: Mapping[str, Sequence[str | None]], right: str | None = None, nll: Mapping[str, float] | None = None
) -> Cell:
    """A cell of these texts by problem, each its own answer; right if it is `right`, or all if that is None."""
    rows = [
        {
            "problem": problem,
            "response": text or "",
            "answer": text,
            "judgement": "right" if right in (None, text) else "wrong",
            **({"nll": nll[text or ""]} if nll else {}),
        }
        for problem, responses in texts.items()
        for text in responses
    ]
    return tally(rows, {})
