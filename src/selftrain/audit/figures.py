"""The figures of an audit: what was measured, with its interval and the state it ends in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from selftrain.audit.measures import Better, Measured, Role
from selftrain.audit.number import Number
from selftrain.audit.settings import AuditSettings
from selftrain.audit.significance import benjamini_hochberg, holm
from selftrain.audit.statistics import Estimate, bootstrap_errors, problems_needed

State = Literal["up", "down", "held", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured comparison.

    `up`: the interval lies above 0. `down`: it lies below `-margin` (and, for a guard, still does after
    Holm's correction over all guards). `held`: it lies above `-margin`. Otherwise `unknown`.
    """

    name: str
    role: Role
    before: Number
    after: Number
    better: Better
    """Which way is good; shares of unparsed and truncated responses are better lower, lengths neither."""
    difference: Number
    """How much better after is than before: a negative number is a loss whichever way is good. After minus
    before where neither way is."""
    low: Number
    high: Number
    """The interval of the difference at level `1 - alpha`."""
    margin: float
    """0 for the primary and secondary figures, which are tested against no difference."""
    state: State
    problems: int
    """Problems the figure rests on; pieces of text for NLL."""
    p: Number
    """Two-sided, of no difference; for a guard one-sided, of a loss within the margin, after Holm."""
    problems_needed: int
    """For 80 % power: to see `min_effect`, or for a guard to be held when nothing changed. Where so many are there
    and the state is unknown all the same: to settle a difference as small as the one seen."""

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
    role: Role = "secondary"
    better: Better = "higher"
    exact_p: float | None = None
    """p of an exact test that replaces the estimate's."""


def differences(measured: Sequence[Measured], settings: AuditSettings) -> list[Difference]:
    """The estimates, in order; means over equally many problems see the same resamples.

    What is known for no problem is left out.
    """
    columns = [_column(one) for one in measured]
    alike: dict[tuple[int, int], list[int]] = {}
    for place, (values, _, _, _) in enumerate(columns):
        weighted = measured[place].weights is not None
        alike.setdefault((len(values), place if weighted else -1), []).append(place)
    found: dict[int, Difference] = {}
    for (count, _), places in alike.items():
        if count:
            weights = columns[places[0]][3]
            gains = np.column_stack([columns[place][0] for place in places])
            errors = bootstrap_errors(gains, weights, settings.draws, settings.seed)
            for place, error in zip(places, errors.tolist(), strict=True):
                found[place] = _difference(measured[place], columns[place], error)
    return [found[place] for place in sorted(found)]


def two_sided(difference: Difference, settings: AuditSettings, role: Literal["primary", "secondary"]) -> Figure:
    """A figure tested two-sided against no difference."""
    low, high = difference.estimate.interval(settings.alpha)
    p = difference.estimate.p_differs(0) if difference.exact_p is None else difference.exact_p
    sure = p <= settings.alpha
    state: State = "up" if sure and low > 0 else "down" if sure and high < 0 else "unknown"
    return _figure(difference, role, settings, margin=0.0, effect=settings.min_effect, state=state, p=p)


def guarded(differences: Sequence[Difference], settings: AuditSettings) -> list[Figure]:
    """Guards: down by `settings.family` over all of them, one-sided at alpha / 2, the side of a two-sided interval.

    That every guard holds is an intersection-union test: each is tested at the full level, no correction is
    due.
    """
    margins = [settings.margin_of(difference.name) for difference in differences]
    alone = np.array([d.estimate.p_below(-margin) for d, margin in zip(differences, margins, strict=True)])
    ps = _CORRECTIONS[settings.family](alone)
    figures = []
    for difference, margin, p in zip(differences, margins, ps.tolist(), strict=True):
        low, _ = difference.estimate.interval(settings.alpha)
        fallen = p <= settings.alpha / 2
        state: State = "up" if low > 0 else "down" if fallen else "held" if low > -margin else "unknown"
        figures.append(_figure(difference, "guard", settings, margin=margin, effect=margin, state=state, p=p))
    return figures


_SMALLEST = 1e-4
"""Difference below which none is settled, however many problems there are."""
_CORRECTIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "holm": holm,
    "benjamini_hochberg": benjamini_hochberg,
    "none": np.asarray,
}
_Column = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _column(measured: Measured) -> _Column:
    """Gain, before, after and weight of the problems that are known for both."""
    before, after = measured.before, measured.after
    known = np.isfinite(before) & np.isfinite(after)
    weights = np.ones(len(before)) if measured.weights is None else measured.weights
    if measured.weights is not None and not (weights[known] > 0).any():
        known = np.zeros_like(known)
    b, a = before[known], after[known]
    return (b - a if measured.better == "lower" else a - b), b, a, weights[known]


def _difference(measured: Measured, column: _Column, error: float) -> Difference:
    gain, before, after, weights = column
    seen = float(max(after.max() - before.min(), before.max() - after.min(), 0.0))
    reach = seen if measured.span is None else measured.span
    total = weights.sum()
    return Difference(
        name=measured.name,
        before=float(weights @ before / total),
        after=float(weights @ after / total),
        estimate=Estimate.of(gain, weights, error, (-reach, reach)),
        role=measured.role,
        better=measured.better,
        exact_p=measured.exact_p,
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
    counted = difference.exact_p is not None
    needed = problems_needed(difference.estimate, effect, settings.alpha, counted=counted)
    if state == "unknown" and needed <= difference.estimate.problems:
        # What is there would have shown the effect; what is left open is as small as what was seen.
        seen = max(abs(difference.estimate.value + margin), _SMALLEST)
        more = problems_needed(difference.estimate, seen, settings.alpha, counted=counted)
        needed = max(more, difference.estimate.problems + 1)
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
        problems_needed=needed,
    )
