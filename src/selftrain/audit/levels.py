"""Accuracy by level of difficulty, and how much of the easy accuracy is lost on the hard level."""

import re
from dataclasses import dataclass

import numpy as np

from selftrain.audit.cells import Cell
from selftrain.audit.change import group_disparity
from selftrain.audit.measures import solved
from selftrain.audit.number import Number

_DIGITS = 19
"""Longer runs of digits are text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """pass@1 at each level, the first (easiest) to the last in natural order; lists hold one value a level.

    Disparity is `(first - last) / first`. Source: arXiv 2407.05013, group disparity.
    """

    names: list[str]
    problems: list[int]
    before: list[Number]
    after: list[Number]
    disparity_before: Number
    disparity_after: Number


def by_level(before: Cell, after: Cell) -> Levels | None:
    """The levels of two cells over the same problems; None unless there are two levels or more."""
    levels = _levels(before, after)
    names = sorted({level for level in levels if level is not None}, key=_natural)
    if len(names) < 2:
        return None
    masks = [np.array([level == name for level in levels]) for name in names]
    b, a = ([float(solved(cell, 1)[mask].mean()) for mask in masks] for cell in (before, after))
    return Levels(
        names=names,
        problems=[int(mask.sum()) for mask in masks],
        before=b,
        after=a,
        disparity_before=group_disparity(b[0], b[-1]),
        disparity_after=group_disparity(a[0], a[-1]),
    )


def _levels(before: Cell, after: Cell) -> list[str | None]:
    """Of each problem, from whichever log has it."""
    sides = [cell.detail.levels for cell in (before, after) if cell.detail]
    return [next((level for level in each if level is not None), None) for each in zip(*sides, strict=True)]


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Level 2 comes before level 10."""
    parts = [part for part in re.split(r"(\d+)", name) if part]
    return [(0, int(part), "") if part.isdecimal() and len(part) < _DIGITS else (1, 0, part) for part in parts]
