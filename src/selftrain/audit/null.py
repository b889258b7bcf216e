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
from selftrain.audit.sets import Sets, chosen_sets
from selftrain.audit.settings import AuditSettings

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
    """Improvement and loss set of the fresh samples."""


def fresh_null(before: Cell, after: Cell, null: Cell, settings: AuditSettings) -> Null:
    """The null of a parent that was sampled again."""
    b, fresh = judged(before, null)
    a = after.take(b.problems)
    found = differences([passing("null pass@1", b, fresh, 1)], settings)
    k = common_k(b, a, fresh)
    one, new, again = (solved(cell, k) for cell in with_k(k, b, a, fresh))
    return Null(
        kind="fresh",
        k=k,
        support=support_change(one, again),
        change=support_change(one, new),
        pass_1=two_sided(found[0], settings, "secondary"),
        sets=chosen_sets(b, fresh),
    )


def split_null(before: Cell, after: Cell, k: int) -> Null | None:
    """The null of two bare logs, from halves of the parent's responses; None with one response a problem."""
    half = k // 2
    if half == 0:
        return None
    b, a = with_k(2 * half, before, after)
    one, both, new = solved(b, half), solved_twice(b, half), solved(a, half)
    return Null(
        kind="split",
        k=half,
        support=support_of(kept=both.sum(), base=one.sum(), new=one.sum(), problems=len(one)),
        change=support_change(one, new),
        pass_1=None,
        sets=None,
    )


def retention_over_null(before: Cell, after: Cell, null: Cell | None, k: int) -> Measured | None:
    """Retention of the candidate against the null's; None with one response a problem."""
    if k < 2:
        return None
    if null is None:
        b, a = with_k(k // 2 * 2, before, after)
        return split_retention(b, a, k // 2)
    b, fresh = judged(before, null)
    a = after.take(b.problems)
    at = common_k(b, a, fresh)
    b, a, fresh = with_k(at, b, a, fresh)
    return retention(b, a, fresh, at)
