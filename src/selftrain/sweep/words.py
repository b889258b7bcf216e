"""A sweep in words: what its numbers are read as, what the intervals mean, and which variant is best."""

import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from selftrain.audit import Figure
from selftrain.audit.words import visible, written
from selftrain.sweep.outcome import Outcome, adjusted, best
from selftrain.sweep.variants import Sweep

SURE = "*"
"""Marks a difference from the base that stays one after Holm's correction."""
COMMAND = "selftrain run "
"""What a note begins with that is a command."""


class Told(NamedTuple):
    """A variant's numbers as people read them; of a figure difference and interval, empty where there is none."""

    before: str
    after: str
    gain: tuple[str, str]
    from_first: tuple[str, str]
    support: tuple[str, str]
    diversity: tuple[str, str]
    verdict: str
    tokens: tuple[str, ...]
    rows: str


def told(outcomes: Sequence[Outcome]) -> list[Told]:
    """The numbers of every variant."""
    ps, one_k = adjusted(outcomes), len(ks(outcomes)) == 1
    found = []
    for one, p in zip(outcomes, ps, strict=True):
        difference, interval = _figure(one.gain)
        mark = SURE if p is not None and one.audit and p <= one.audit.settings.alpha else ""
        support, at = _figure(one.support), "" if one_k or not one.support else f"@{one.k} "
        found.append(
            Told(
                before=f"{one.gain.before if one.gain else one.base:.3f}",
                after=f"{one.gain.after:.3f}" if one.gain else "",
                gain=(f"{difference}{mark}", interval),
                from_first=_figure(one.from_first),
                support=(f"{at}{support[0]}", support[1]),
                diversity=_figure(one.diversity),
                verdict=_verdict(one),
                tokens=tuple(f"{short(count)} {kind}" for kind, count in one.tokens.items()),
                rows=f"{one.rows:,}",
            )
        )
    return found


def ks(outcomes: Sequence[Outcome]) -> set[int]:
    """The numbers of responses at which pass@k is told."""
    return {one.k for one in outcomes if one.support}


def support_name(outcomes: Sequence[Outcome]) -> str:
    """What pass@k is called in a heading."""
    found = ks(outcomes)
    return f"pass@{found.pop()}" if len(found) == 1 else "pass@k"


def short(count: int) -> str:
    """A count with three digits or less, such as 950, 12k or 3.4M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= 0.9995 * size:
            return f"{count / size:.{0 if count >= 9.95 * size else 1}f}{unit}"
    return str(count)


def notes(sweep: Sweep, outcomes: Sequence[Outcome]) -> list[str]:
    """What a reader of the table should know."""
    said = (_of(outcomes), intervals(outcomes), *_remarks(outcomes), *_end(sweep, outcomes))
    return [note for note in said if note]


def comparisons(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many comparisons of each kind the table holds."""
    first = outcomes[0].variant.name
    return {
        "pass@1 with the base": sum(one.gain is not None for one in outcomes),
        f"pass@1 with {first}": sum(one.from_first is not None for one in outcomes),
        f"{support_name(outcomes)} with the base": sum(one.support is not None for one in outcomes),
        "distinct-n with the base": sum(one.diversity is not None for one in outcomes),
    }


def intervals(outcomes: Sequence[Outcome]) -> str:
    """What the intervals cover, how many there are, and what the mark says."""
    counts = {kind: count for kind, count in comparisons(outcomes).items() if count}
    each = ", ".join(f"{count} of {kind}" for kind, count in counts.items())
    levels = sorted({1 - one.audit.settings.alpha for one in outcomes if one.audit})
    if not levels:
        return "No variant was measured, so there is nothing to compare."
    covered = " or ".join(f"{100 * level:g} %" for level in levels)
    return (
        f"Intervals are of one comparison each, at {covered}, paired over problems; {sum(counts.values())} comparisons "
        f"were made: {each}. {SURE} differs from the base after Holm's correction over the gains of pass@1, too."
    )


def _of(outcomes: Sequence[Outcome]) -> str:
    """What the figures rest on."""
    parts = {
        f"{one.gain.problems:,} problems of {one.split} with {one.variant.config.audit.samples} responses"
        for one in outcomes
        if one.gain
    }
    return f"Measured on {' or '.join(sorted(parts))} each." if parts else ""


def _remarks(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for one in outcomes:
        name = one.variant.name
        if one.state == "nothing to train on":
            yield f"{name}: nothing to train on, so the base stands there, at its pass@1 on select."
        elif one.state == "refused":
            yield f"{name}: the candidate was refused; its figures are those of the last one, on select."
        if one.why and one.state != "nothing to train on":
            yield f"{name}: no difference from {outcomes[0].variant.name}: {one.why}."
        if one.gain and one.from_first and one.from_first.problems < one.gain.problems:
            yield (
                f"{name}: the difference from {outcomes[0].variant.name} is over the {one.from_first.problems:,} "
                f"problems that both were measured on, of {one.gain.problems:,}."
            )


def _end(sweep: Sweep, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The best variant, and how to measure it on test."""
    left = len(sweep.variants) - len(outcomes)
    if left:
        yield f"{left} of {len(sweep.variants)} variants still to come."
        return
    found = best(outcomes)
    if found is None:
        yield "No candidate was promoted: there is no best variant."
        return
    said = f"Best by pass@1: {found.variant.name} ({_verdict(found)})"
    if found.split == "test":
        yield f"{said}; chosen among {len(outcomes)} on test, so its own figures there flatter it."
    else:
        words = (str(sweep.file(found.variant)), f"name={found.variant.config.name}-test", "audit.split=test")
        yield f"{said}. It was chosen on select, and the test split is unread; to measure it alone there:"
        yield f"{COMMAND}{shlex.join(words)}"


def _verdict(one: Outcome) -> str:
    if one.audit is None:
        return one.state
    return one.audit.verdict if one.state == "measured" else f"{one.state} ({one.audit.verdict})"


def _figure(figure: Figure | None) -> tuple[str, str]:
    if figure is None:
        return "", ""
    n = written(figure)
    return n.difference, f"{n.low} {n.high}"


def setting(one: Outcome) -> str:
    """What sets a variant apart, in one line."""
    return visible(" ".join(f"{key}={value}" for key, value in one.variant.setting.items()))
