"""The improvement and the loss set: is what was gained new, or was it within the parent's reach?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from selftrain.audit.cells import Cell
from selftrain.audit.detail import Counts, Floats, Marks
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

    problems: float
    """How many were chosen; expected of two responses of one model, not whole."""
    measured: float
    """How many of them pass@N rests on: those with enough other responses."""
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
        known = set(before.problems) & set(greedy[1].problems)
        common = [problem for problem in greedy[0].problems if problem in known]
        b, a = (_single(cell.take(common)) for cell in greedy)
        counts = [(cell.n, cell.right) for cell in (before.take(common), after.take(common))]
    elif before.detail and after.detail:
        b, a = before.detail.first, after.detail.first
        counts = [(cell.n - (first >= 0), cell.right - (first == 1)) for cell, first in ((before, b), (after, a))]
    else:
        return None
    ns = _powers(np.minimum(counts[0][0], counts[1][0]))
    improved, lost = (b == 0) & (a == 1), (b == 1) & (a == 0)
    return Sets(improvement=_chosen(improved, counts, ns), loss=_chosen(lost, counts, ns))


def expected_sets(before: Cell) -> Sets | None:
    """The two sets that two responses of one frozen model make, on average over all pairs of its own.

    With c right ones of n, a problem is in either set with chance `c (n - c) / (n (n - 1))`, and pass@N rests on the
    other n - 2, of which c - 1 are right. Both sets and both models are alike. None without two responses of a problem.
    """
    several = before.n > 1
    if not several.any():
        return None
    n, c = before.n[several], before.right[several]
    # Of a problem that is all right or all wrong the chance is 0, whatever pass@N is made of.
    left, right = n - 2, np.clip(c - 1, 0, n - 2)
    found = _chosen(c * (n - c) / (n * (n - 1)), [(left, right)] * 2, _powers(left))
    return Sets(improvement=found, loss=found)


def _powers(left: Counts) -> list[int]:
    """Powers of two up to what all but a few problems have left."""
    enough = int(np.sort(left)[int(_FEWER * len(left))]) if len(left) else 0
    return [2**i for i in range(enough.bit_length())]


def _chosen(chances: ArrayLike, counts: Sequence[tuple[Counts, Counts]], ns: list[int]) -> Chosen:
    """Problems by the chance that they are chosen, with pass@N of those that have the largest N left in both cells."""
    weights = np.asarray(chances, dtype=np.float64)
    enough = np.all([n >= ns[-1] if ns else n < 0 for n, _ in counts], axis=0)
    use = enough & (weights > 0)
    b, a = (_pass(n[use], right[use], weights[use], ns) if use.any() else [] for n, right in counts)
    return Chosen(
        problems=float(weights.sum()),
        measured=float(weights[use].sum()),
        ns=ns if use.any() else [],
        before=b,
        after=a,
    )


def _pass(n: Counts, right: Counts, weights: Floats, ns: list[int]) -> list[float]:
    """Weighted mean of pass@N, at each N."""
    curve = pass_curve(n, right, ns[-1])[:, [each - 1 for each in ns]]
    return list((weights @ curve / weights.sum()).tolist())


def _single(cell: Cell) -> Marks:
    return np.where(cell.n > 0, cell.right, -1).astype(np.int8)
