"""Which figures an audit has: the primary, the guards that a verdict needs, and what stands beside."""

from collections.abc import Iterator
from dataclasses import replace

from selftrain.audit.cells import judged
from selftrain.audit.compared import Compared
from selftrain.audit.measures import (
    Measured,
    all_passing,
    common_k,
    diversity,
    lost_shares,
    means,
    of_answers,
    of_likelihoods,
    passing,
    scores,
    with_k,
)
from selftrain.audit.null import retention_over_null
from selftrain.audit.settings import AuditSettings
from selftrain.audit.thinning import alike

GUARDING = ("distinct-n right", "semantic right")
"""Measures of diversity that are guards where responses carry reasoning."""


def measured(found: Compared, settings: AuditSettings) -> list[Measured]:
    """All that is measured: the primary first, then the guards, then what makes no verdict."""
    primary = replace(passing("pass@1", found.before, found.after, 1), role="primary")
    return [primary, *(replace(one, role="guard") for one in _guards(found, settings)), *_beside(found, settings)]


def _guards(found: Compared, settings: AuditSettings) -> Iterator[Measured]:
    """What may not be lost: support at k, the suites, retention, readable and whole responses, diversity."""
    if found.k > 1:
        yield passing(f"pass@{found.k}", *found.at_k, found.k)
    for suite, two in found.suites.items():
        yield passing(f"pass@1 on {suite}", *two, 1)
    kept = retention_over_null(found.before, found.after, found.null, found.k, settings)
    if kept is not None:
        yield kept
    yield from lost_shares(found.before, found.after)
    if found.reason:
        yield from (one for one in diversity(found.before, found.after) if one.name in GUARDING)


def _beside(found: Compared, settings: AuditSettings) -> Iterator[Measured]:
    """The figures that make no verdict."""
    if found.same_prompt is not None:
        parent, candidate = judged(found.same_prompt, found.after)
        for at in sorted({1, min(found.k, common_k(parent, candidate))}):
            kp, kc = alike(*with_k(at, parent, candidate), seed=settings.seed) if at > 1 else (parent, candidate)
            yield passing(f"pass@{at}, same prompt", kp, kc, at)
    if found.greedy is not None:
        yield passing("greedy pass@1", *judged(*found.greedy), 1)
    yield from scores(found.before, found.after)
    if found.k > 1:
        yield all_passing(*found.at_k, found.k)
        yield from of_answers(*found.at_k, found.k)
        yield from of_likelihoods(*found.at_k)
    guarding = GUARDING if found.reason else ()
    yield from (one for one in diversity(found.before, found.after) if one.name not in guarding)
    yield from means(found.before, found.after)
