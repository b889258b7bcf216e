"""The figures of an audit: what is measured on two cells, and the state each figure ends in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from selftrain.audit.cells import Cell
from selftrain.audit.passing import pass_curve
from selftrain.audit.settings import AuditSettings
from selftrain.audit.significance import holm, mcnemar_exact
from selftrain.audit.statistics import Estimate, estimate, problems_needed

Role = Literal["primary", "guard", "secondary"]
State = Literal["up", "down", "held", "unknown"]
Better = Literal["higher", "lower"]

_REACHED = 0.95
"""Share of problems that must have k judged responses, so that a few unjudged ones do not lower k for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured comparison.

    `up`: the interval lies above 0. `down`: it lies below `-margin` (and, for a guard, still does after
    Holm's correction over all guards). `held`: it lies above `-margin`. Otherwise `unknown`.
    """

    name: str
    role: Role
    before: float
    after: float
    better: Better
    """Which way is good; shares of unparsed and truncated responses are better lower."""
    difference: float
    """How much better after is than before: a negative number is a loss whichever way is good."""
    low: float
    high: float
    """The interval of the difference at level `1 - alpha`."""
    margin: float
    """0 for the primary and secondary figures, which are tested against no difference."""
    state: State
    problems: int
    """Problems the figure rests on."""
    p: float
    """Two-sided, of no difference; for a guard one-sided, of a loss within the margin, after Holm."""
    problems_needed: int
    """For 80 % power: to see `min_effect`, or for a guard to be held when nothing changed."""

    @property
    def holds(self) -> bool:
        """Whether a loss beyond the margin is ruled out."""
        return self.state in ("held", "up")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A comparison before it has a role: two values and the estimate of how much better the second is."""

    name: str
    before: float
    after: float
    estimate: Estimate
    better: Better = "higher"
    exact_p: float | None = None
    """p of an exact test that replaces the estimate's."""


def two_sided(difference: Difference, settings: AuditSettings, role: Literal["primary", "secondary"]) -> Figure:
    """A figure tested two-sided against no difference."""
    low, high = difference.estimate.interval(settings.alpha)
    p = difference.estimate.p_differs(0) if difference.exact_p is None else difference.exact_p
    sure = p <= settings.alpha
    state: State = "up" if sure and low > 0 else "down" if sure and high < 0 else "unknown"
    return _figure(difference, role, settings, margin=0.0, effect=settings.min_effect, state=state, p=p)


def guarded(differences: Sequence[Difference], settings: AuditSettings) -> list[Figure]:
    """Guards: down by Holm over all of them, one-sided at alpha / 2, the side of a two-sided interval.

    That every guard holds is an intersection-union test: each is tested at the full level, no correction is
    due.
    """
    margins = [settings.margin_of(difference.name) for difference in differences]
    ps = holm([d.estimate.p_below(-margin) for d, margin in zip(differences, margins, strict=True)])
    figures = []
    for difference, margin, p in zip(differences, margins, ps.tolist(), strict=True):
        low, _ = difference.estimate.interval(settings.alpha)
        fallen = p <= settings.alpha / 2
        state: State = "up" if low > 0 else "down" if fallen else "held" if low > -margin else "unknown"
        figures.append(_figure(difference, "guard", settings, margin=margin, effect=margin, state=state, p=p))
    return figures


def common_k(*cells: Cell) -> int:
    """The largest k that at least 95 % of the problems have judged responses for in every cell."""
    return int(np.sort(_smallest_n(*cells))[int((1 - _REACHED) * len(cells[0].problems))])


def with_k(k: int, *cells: Cell) -> list[Cell]:
    """The cells cut to the problems that have k judged responses in each of them."""
    keep = np.flatnonzero(_smallest_n(*cells) >= k)
    return [cell.take([cells[0].problems[i] for i in keep]) for cell in cells]


def solved(cell: Cell, k: int) -> NDArray[np.float64]:
    """pass@k of every problem, shape [problems]; at k = n it is 1 for a problem ever solved and else 0."""
    return pass_curve(cell.n, cell.right, k)[:, -1]


def pass_difference(name: str, before: Cell, after: Cell, k: int, settings: AuditSettings) -> Difference:
    """Mean pass@k of two cells over the same problems; at one response a problem the test is McNemar's."""
    b, a = solved(before, k), solved(after, k)
    single = int(before.n.max()) == int(after.n.max()) == 1
    p = mcnemar_exact(int(((b == 1) & (a == 0)).sum()), int(((b == 0) & (a == 1)).sum())) if single else None
    return _difference(name, b, a, settings, exact_p=p)


def retention_difference(before: Cell, after: Cell, null: Cell, k: int, settings: AuditSettings) -> Difference:
    """Share of the problems the parent solves at k that the candidate solves too, against the null's share.

    The parent loses some to chance alone, so its fresh samples (the null) set the mark. Source: arXiv
    2507.14843 (retention), arXiv 2608.20290 (the null).
    """
    b, a, again = solved(before, k), solved(after, k), solved(null, k)
    found = estimate(a - again, b, bounds=(-1, 1), draws=settings.draws, seed=settings.seed)
    total = b.sum() or np.nan
    return Difference(
        name="retention over null",
        before=float(b @ again / total),
        after=float(b @ a / total),
        estimate=found,
    )


def share_difference(
    name: Literal["unparsed", "truncated"], before: Cell, after: Cell, settings: AuditSettings
) -> Difference:
    """Mean share of unparsed (of judged) or truncated (of all) responses; better lower."""
    b, a = (
        cell.unparsed / cell.n if name == "unparsed" else cell.truncated / cell.responses for cell in (before, after)
    )
    return _difference(name, b, a, settings, better="lower")


def _difference(
    name: str,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    settings: AuditSettings,
    *,
    better: Better = "higher",
    exact_p: float | None = None,
) -> Difference:
    gain = after - before if better == "higher" else before - after
    found = estimate(gain, bounds=(-1, 1), draws=settings.draws, seed=settings.seed)
    return Difference(
        name=name,
        before=float(before.mean()),
        after=float(after.mean()),
        estimate=found,
        better=better,
        exact_p=exact_p,
    )


def _figure(
    difference: Difference,
    role: Role,
    settings: AuditSettings,
    *,
    margin: float,
    effect: float,
    state: State,
    p: float,
) -> Figure:
    low, high = difference.estimate.interval(settings.alpha)
    return Figure(
        name=difference.name,
        role=role,
        before=difference.before,
        after=difference.after,
        better=difference.better,
        difference=difference.estimate.value,
        low=low,
        high=high,
        margin=margin,
        state=state,
        problems=difference.estimate.problems,
        p=p,
        problems_needed=problems_needed(difference.estimate, effect, settings.alpha),
    )


def _smallest_n(*cells: Cell) -> NDArray[np.int64]:
    return np.asarray(np.min([cell.n for cell in cells], axis=0))
