"""The improvement and the loss set: is what was gained new, or was it within the parent's reach?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selftrain.audit.cells import Cell
from selftrain.audit.detail import Counts, Marks
from selftrain.audit.number import Number
from selftrain.audit.passing import pass_curve

_FEWER = 0.05
"""Share of problems that may have fewer responses than the largest N."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Problems on which two single responses disagree, and what the models reach on them with N responses.

    A parent's pass@N near 1 on the improvement set says that training changed which answer is chosen, not
    what can be answered. Source: arXiv 2407.05013, improvement set.
    """

    problems: int
    ns: list[int]
    """Powers of two."""
    before: list[Number]
    """pass@N of the parent on the set."""
    after: list[Number]
    """pass@N of the candidate on the set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """Problems that the candidate's single response gets right and the parent's wrong, and the other way round."""

    improvement: Chosen
    loss: Chosen


def chosen_sets(before: Cell, after: Cell, greedy: tuple[Cell, Cell] | None = None) -> Sets | None:
    """The two sets of two cells over the same problems; None with nothing to choose by.

    Chosen by the greedy responses, if they are given, else by each problem's first response, which then has
    no part in pass@N: what a problem was chosen by must not count again.
    """
    if greedy is not None:
        places = {problem: i for i, problem in enumerate(before.problems)}
        common = [p for p in greedy[0].problems if p in places and p in set(greedy[1].problems)]
        b, a = (_single(cell.take(common)) for cell in greedy)
        counts = [(cell.n, cell.right) for cell in (before.take(common), after.take(common))]
    elif before.detail and after.detail:
        b, a = before.detail.first, after.detail.first
        counts = [(cell.n - (first >= 0), cell.right - (first == 1)) for cell, first in ((before, b), (after, a))]
    else:
        return None
    enough = int(np.sort(np.minimum(counts[0][0], counts[1][0]))[int(_FEWER * len(b))])
    ns = [2**i for i in range(enough.bit_length())]
    return Sets(improvement=_chosen((b == 0) & (a == 1), counts, ns), loss=_chosen((b == 1) & (a == 0), counts, ns))


def _chosen(mask: NDArray[np.bool_], counts: Sequence[tuple[Counts, Counts]], ns: list[int]) -> Chosen:
    """The problems of a mask that have the largest N of responses left in both cells."""
    chosen = mask & np.all([n >= ns[-1] if ns else n < 0 for n, _ in counts], axis=0)
    places = [n - 1 for n in ns]
    b, a = (
        pass_curve(n[chosen], right[chosen], ns[-1])[:, places].mean(axis=0).tolist() if chosen.any() else []
        for n, right in counts
    )
    return Chosen(problems=int(mask.sum()), ns=ns if chosen.any() else [], before=b, after=a)


def _single(cell: Cell) -> Marks:
    return np.where(cell.n > 0, cell.right, -1).astype(np.int8)
