"""Coverage: how much of what a model samples is right, and how many problems it ever gets right."""

from dataclasses import dataclass

from selftrain.audit.cells import Cell
from selftrain.audit.measures import solved


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Two shares that are both called coverage, of the same problems for both models."""

    before: float
    """Mean share of right responses: the model's probability mass on right answers, as far as it was sampled, the
    correct-answer coverage of arXiv 2407.05013."""
    after: float
    before_ever: float
    """Share of problems with a right one among all their judged responses, the coverage of arXiv 2407.21787; it rises
    with the number of responses."""
    after_ever: float


def coverage(before: Cell, after: Cell, k: int) -> Coverage | None:
    """The coverage of two cells over the same problems; None with one response a problem, which is no sample."""
    if k == 1:
        return None
    b, a = (float(solved(cell, 1).mean()) for cell in (before, after))
    before_ever, after_ever = (float((cell.right > 0).mean()) for cell in (before, after))
    return Coverage(before=b, after=a, before_ever=before_ever, after_ever=after_ever)
