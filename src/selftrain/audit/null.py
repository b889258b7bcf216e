"""The null: the parent against itself, or what chance alone does to the figures."""

from dataclasses import dataclass
from typing import Literal

from selftrain.audit.cells import Cell, judged
from selftrain.audit.change import support_change, support_of
from selftrain.audit.figures import Figure, differences, two_sided
from selftrain.audit.measures import (
    Measured,
    common_k,
    passing,
    retention,
    solved,
    solved_twice,
    split_retention,
    with_k,
)
from selftrain.audit.number import Number
from selftrain.audit.sets import Sets, chosen_sets, expected_sets
from selftrain.audit.settings import AuditSettings
from selftrain.audit.thinning import alike

Support = dict[str, Number]


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    """What two samples of one frozen model differ by; set it beside the figures of the two models."""

    kind: Literal["fresh", "split"]
    """`fresh`: the parent sampled again, as often. `split`: one half of its responses against the other."""
    k: int
    """Responses a problem that support is measured at: all, or half of them."""
    support: Support
    """Support change between the two samples of the parent."""
    change: Support
    """Support change from parent to candidate at the same k."""
    pass_1: Figure | None
    """Fresh samples of the parent against its audit samples."""
    sets: Sets | None
    """Improvement and loss set of the fresh samples; of a split null, the expected sets of two responses."""


def null_of(before: Cell, after: Cell, null: Cell | None, k: int, settings: AuditSettings) -> Null | None:
    """The null of a parent that was sampled again, or of halves of its responses; None with one response of it."""
    return _fresh(before, after, null, settings) if null else _split(before, after, k, settings)


def retention_over_null(
    before: Cell, after: Cell, null: Cell | None, k: int, settings: AuditSettings
) -> Measured | None:
    """Retention of the candidate against the null's; None with one response a problem and no fresh ones."""
    if null is not None:
        b, a, fresh, at = _three(before, after, null, settings)
        return retention(b, a, fresh, at)
    if k < 2:
        return None
    b, a = alike(*with_k(k // 2 * 2, before, after), seed=settings.seed)
    return split_retention(b, a, k // 2)


def _fresh(before: Cell, after: Cell, null: Cell, settings: AuditSettings) -> Null:
    b, fresh = judged(before, null)
    found = differences([passing("null pass@1", b, fresh, 1)], settings)
    kb, ka, kf, k = _three(before, after, null, settings)
    one, new, again = (solved(cell, k) for cell in (kb, ka, kf))
    return Null(
        kind="fresh",
        k=k,
        support=support_change(one, again),
        change=support_change(one, new),
        pass_1=two_sided(found[0], settings, "secondary"),
        sets=chosen_sets(b, fresh),
    )


def _split(before: Cell, after: Cell, k: int, settings: AuditSettings) -> Null | None:
    half = k // 2
    if half == 0:
        return None
    b, a = alike(*with_k(2 * half, before, after), seed=settings.seed)
    one, both, new = solved(b, half), solved_twice(b, half), solved(a, half)
    return Null(
        kind="split",
        k=half,
        support=support_of(kept=both.sum(), base=one.sum(), new=one.sum(), problems=len(one)),
        change=support_change(one, new),
        pass_1=None,
        sets=expected_sets(before),
    )


def _three(before: Cell, after: Cell, null: Cell, settings: AuditSettings) -> tuple[Cell, Cell, Cell, int]:
    """Before, after and the null over the problems that all three have k responses to, and k."""
    b, fresh = judged(before, null)
    a = after.take(b.problems)
    k = common_k(b, a, fresh)
    one, two, three = alike(*with_k(k, b, a, fresh), seed=settings.seed)
    return one, two, three, k
