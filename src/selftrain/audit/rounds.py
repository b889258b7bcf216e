"""Rise and collapse: what a figure does over the models of successive rounds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selftrain.audit.cells import Cell
from selftrain.audit.change import rise_and_collapse


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """pass@1 of the models from the first to the last, on the same problems.

    Source: arXiv 2606.21090, rise and collapse.
    """

    problems: int
    """Problems that every model has judged responses for."""
    pass_1: list[float]
    peak: int
    """Place of the (first) highest value, from 0."""
    gap: float
    """Highest value minus the last."""
    collapsed: bool
    """Whether the gap exceeds .2."""


def over_rounds(cells: Sequence[Cell]) -> Rounds | None:
    """The curve over the problems that every cell has judged responses for; None for fewer than three cells."""
    if len(cells) < 3:
        return None
    common = set.intersection(*({p for p, n in zip(c.problems, c.n, strict=True) if n} for c in cells))
    if not common:
        return None
    order = [problem for problem in cells[0].problems if problem in common]
    cut = [cell.take(order) for cell in cells]
    curve = [float(np.mean(cell.right / cell.n)) for cell in cut]
    found = rise_and_collapse(curve)
    return Rounds(
        problems=len(order),
        pass_1=curve,
        peak=int(found["peak"]),
        gap=float(found["gap"]),
        collapsed=bool(found["collapsed"]),
    )
