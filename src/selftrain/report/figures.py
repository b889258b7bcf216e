"""The figures of an audit as rows of a table, each with its interval drawn to a common scale."""

import math
from dataclasses import dataclass

from selftrain.audit import Audit, Figure
from selftrain.report.words import state_words

WIDTH, EDGE = 150, 6
"""Of a drawn interval, in pixels."""


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure; positions are pixels from the left, None where the figure is undefined."""

    figure: Figure
    words: str
    decides: bool
    """Whether the verdict is told from it."""
    zero: float
    margin: float | None
    low: float | None
    high: float | None
    point: float | None

    def number(self, name: str) -> str:
        """One of the figure's numbers, as people read it."""
        value = getattr(self.figure, name)
        if not math.isfinite(value):
            return "-"
        return f"{value:+.3f}" if name in ("difference", "low", "high") else f"{value:.3f}"


def rows(audit: Audit) -> list[FigureRow]:
    """A row a figure, in the audit's order."""
    ends = [end for f in audit.figures for end in (f.low, f.high, -f.margin) if math.isfinite(end)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    span = (high - low) or 1.0

    def place(value: float) -> float | None:
        return round(EDGE + (WIDTH - 2 * EDGE) * (value - low) / span, 1) if math.isfinite(value) else None

    return [
        FigureRow(
            figure=f,
            words=state_words(f),
            decides=f.role != "secondary",
            zero=place(0.0) or 0.0,
            margin=place(-f.margin) if f.role == "guard" else None,
            low=place(f.low),
            high=place(f.high),
            point=place(f.difference),
        )
        for f in audit.figures
    ]
