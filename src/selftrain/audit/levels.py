"""Accuracy by level of difficulty, and how much of the easy accuracy is lost on the hard level."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selftrain.audit.cells import Cell
from selftrain.audit.change import group_disparity
from selftrain.audit.measures import solved
from selftrain.audit.number import Number

_MOST = 60
"""More names than that are no levels."""
_NUMBERED = re.compile(r"(\D*)(\d{1,18})(?!\d)")
"""A name with a whole number in it; longer runs of digits are text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """pass@1 at each level, the first (easiest) to the last; lists hold one value a level.

    Disparity is `(first - last) / first`. Source: arXiv 2407.05013, group disparity.
    """

    names: list[str]
    ordered: bool
    """Whether it is known which level is easier; if not, names are sorted and disparity is undefined."""
    problems: list[int]
    left_out: int
    """Problems without a level, or with one that the settings do not name."""
    before: list[Number]
    after: list[Number]
    disparity_before: Number
    disparity_after: Number


def by_level(before: Cell, after: Cell, order: Sequence[str] = ()) -> Levels | None:
    """The levels of two cells over the same problems, in this order if one is given.

    Without an order, None unless there are 2 to 50 levels; names that are numbers then go by value, and names that
    begin alike and go on with a whole number (`Level 2`, `Level 10`) by that number.
    """
    levels = _levels(before, after)
    found = {level for level in levels if level is not None}
    names = [name for name in dict.fromkeys(order) if name in found] if order else _by_number(found)
    ordered = names is not None
    names = sorted(found) if names is None else names
    if len(names) > _MOST or (len(names) < 2 and not order):
        return None
    place = {name: i for i, name in enumerate(names)}
    at = np.array([place.get(level, -1) if level is not None else -1 for level in levels], dtype=np.intp)
    problems = np.bincount(at[at >= 0], minlength=len(names))
    b, a = (
        (np.bincount(at[at >= 0], solved(cell, 1)[at >= 0], len(names)) / problems).tolist() for cell in (before, after)
    )
    disparities = [group_disparity(one[0], one[-1]) if ordered and len(names) > 1 else math.nan for one in (b, a)]
    return Levels(
        names=names,
        ordered=ordered,
        problems=problems.tolist(),
        left_out=int((at < 0).sum()),
        before=b,
        after=a,
        disparity_before=disparities[0],
        disparity_after=disparities[1],
    )


def _levels(before: Cell, after: Cell) -> list[str | None]:
    """Of each problem, from whichever log has it."""
    sides = [cell.detail.levels for cell in (before, after) if cell.detail] or [(None,) * len(before.problems)]
    return [next((level for level in each if level is not None), None) for each in zip(*sides, strict=True)]


def _by_number(names: set[str]) -> list[str] | None:
    """The names in the order of the numbers they have; None if those do not tell one."""
    values = {name: _value(name) for name in names}
    if not all(map(math.isfinite, values.values())):
        found = {name: _NUMBERED.match(name) for name in names}
        if len({match[1] if match else None for match in found.values()}) > 1:
            return None
        values = {name: float(match[2]) if match else math.nan for name, match in found.items()}
    told = all(map(math.isfinite, values.values())) and len(set(values.values())) == len(names)
    return sorted(names, key=values.__getitem__) if told else None


def _value(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return math.nan
