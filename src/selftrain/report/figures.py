"""The figures of an audit as tables, each figure with its interval drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from selftrain.audit import Audit, Figure
from selftrain.audit.table import sections
from selftrain.audit.words import Written, state_reason, state_word, written

WIDTH, EDGE = 130, 6
"""Of a drawn interval, in pixels."""


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure; positions are pixels from the left, None where the figure is undefined."""

    figure: Figure
    numbers: Written
    word: str
    reason: str
    tone: str
    """The state, as far as it is good or bad."""
    zero: float
    margin: float | None
    low: float | None
    high: float | None
    point: float | None


@dataclass(frozen=True, slots=True)
class FigureTable:
    """Figures that belong together."""

    gain: str
    """What their difference is called."""
    rows: list[FigureRow]


def tables(audit: Audit) -> list[FigureTable]:
    """The figures that decide, drawn to one scale; then those beside, each to its own with zero in the middle."""
    deciding, *beside = sections(audit)
    ends = [end for f in deciding for end in (f.low, f.high, -f.margin) if math.isfinite(end)]
    found = [_table(deciding, [(min(0.0, *ends), max(0.0, *ends))] * len(deciding))]
    return found + [_table(part, [_around_zero(f) for f in part]) for part in beside]


def _table(figures: Sequence[Figure], scales: Sequence[tuple[float, float]]) -> FigureTable:
    gain = "change" if figures[0].better == "neither" else "better by"
    return FigureTable(gain, [_row(f, *scale) for f, scale in zip(figures, scales, strict=True)])


def _around_zero(figure: Figure) -> tuple[float, float]:
    reach = max((abs(end) for end in (figure.low, figure.high) if math.isfinite(end)), default=0.0) or 1.0
    return -reach, reach


def _row(figure: Figure, low: float, high: float) -> FigureRow:
    span = (high - low) or 1.0

    def place(value: float) -> float | None:
        return round(EDGE + (WIDTH - 2 * EDGE) * (value - low) / span, 1) if math.isfinite(value) else None

    return FigureRow(
        figure=figure,
        numbers=written(figure),
        word=state_word(figure),
        reason=state_reason(figure),
        tone="unknown" if figure.better == "neither" else figure.state,
        zero=place(0.0) or 0.0,
        margin=place(-figure.margin) if figure.role == "guard" else None,
        low=place(figure.low),
        high=place(figure.high),
        point=place(figure.difference),
    )
