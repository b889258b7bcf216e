"""Which figures an audit has: the primary, the guards that a verdict needs, and what stands beside."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from selftrain.audit.cells import Cell, judged
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
    with_k,
)
from selftrain.audit.null import retention_over_null
from selftrain.audit.settings import AuditSettings
from selftrain.errors import DataError

Suites = Mapping[str, tuple[Cell, Cell]]

GUARDING = ("distinct-n, right", "semantic, right")
"""Measures of diversity that are guards where responses carry reasoning."""


def guards(
    before: Cell, after: Cell, k: int, null: Cell | None, suites: Suites, settings: AuditSettings
) -> Iterator[Measured]:
    """What may not be lost: support at k, the suites, retention, readable and whole responses, diversity."""
    if k > 1:
        kb, ka = with_k(k, before, after)
        yield _guard(passing(f"pass@{k}", kb, ka, k))
    for suite, two in suites.items():
        yield _guard(passing(f"pass@1 on {suite}", *judged(*two), 1))
    kept = retention_over_null(before, after, null, k)
    if kept is not None:
        yield _guard(kept)
    yield from map(_guard, lost_shares(before, after))
    if both_reason(before, after, settings):
        yield from (_guard(one) for one in diversity(before, after) if one.name in GUARDING)


def beside(
    before: Cell,
    after: Cell,
    k: int,
    same_prompt: Cell | None,
    greedy: tuple[Cell, Cell] | None,
    settings: AuditSettings,
) -> Iterator[Measured]:
    """The figures that make no verdict."""
    if same_prompt is not None:
        parent, candidate = judged(same_prompt, after)
        for at in sorted({1, min(k, common_k(parent, candidate))}):
            kp, kc = with_k(at, parent, candidate)
            yield passing(f"pass@{at}, same prompt", kp, kc, at)
    if greedy is not None:
        if max(int(cell.responses.max(initial=0)) for cell in greedy) > 1:
            raise DataError("greedy logs hold several responses a problem: give one response a problem")
        yield passing("greedy pass@1", *judged(*greedy), 1)
    if k > 1:
        kb, ka = with_k(k, before, after)
        yield all_passing(kb, ka, k)
        yield from of_answers(kb, ka, k)
    yield from of_likelihoods(before, after)
    guarding = GUARDING if both_reason(before, after, settings) else ()
    yield from (one for one in diversity(before, after) if one.name not in guarding)
    yield from means(before, after)


def both_reason(before: Cell, after: Cell, settings: AuditSettings) -> bool:
    """Whether right responses of both models are long enough, at the median problem, to hold reasoning.

    An answer alone has nothing to vary: models that only answer lose diversity by getting better.
    """
    return all(words >= settings.reasoning_words for words in right_words(before, after))


def right_words(before: Cell, after: Cell) -> list[float]:
    """Length of right responses in words at the median problem of each cell; nan where not known."""
    return [_median(cell.detail.means["right words"]) if cell.detail else np.nan for cell in (before, after)]


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else np.nan


def _guard(measured: Measured) -> Measured:
    return replace(measured, role="guard")
