"""Correct-answer coverage: how much of what a model samples is right, which says how to train it next."""

from dataclasses import dataclass
from typing import Literal

from selftrain.audit.cells import Cell
from selftrain.audit.measures import solved

_HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Mean share of right responses: a model's probability mass on right answers, as far as it was sampled.

    Source: arXiv 2407.05013, correct-answer coverage.
    """

    before: float
    after: float
    advice: Literal["dpo or sft-dpo", "sft"]
    """What the paper found best for a model of the coverage after: preferences above one half, else SFT."""


def coverage(before: Cell, after: Cell, k: int) -> Coverage | None:
    """The coverage of two cells over the same problems; None with one response a problem, which is no sample."""
    if k == 1:
        return None
    b, a = (float(solved(cell, 1).mean()) for cell in (before, after))
    return Coverage(before=b, after=a, advice="dpo or sft-dpo" if a > _HALF else "sft")
