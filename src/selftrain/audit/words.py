"""An audit in words: numbers, what verdicts and states mean, and what was found besides the figures."""

import math
import unicodedata
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from selftrain.audit.figures import Figure
from selftrain.audit.levels import Levels
from selftrain.audit.null import Null, Support
from selftrain.audit.rounds import Rounds
from selftrain.audit.sets import Chosen, Sets
from selftrain.audit.verdict import Audit, Verdict

MEANINGS: Mapping[Verdict, str] = {
    "progress": "The model got better, and nothing that was watched got worse.",
    "reversal": "The model gained on the main figure and lost on another: not a clean win.",
    "regress": "The model got worse.",
    "inconclusive": "These problems do not settle whether the model got better.",
}
"""What a verdict says, in one sentence."""

_SEVERAL_LEVELS = 5
"""Levels that are all told; of more than that, the first and the last."""


class Written(NamedTuple):
    """The numbers of a figure as people read them; `-` where undefined."""

    before: str
    after: str
    difference: str
    low: str
    high: str


def written(figure: Figure) -> Written:
    """Three decimals, or one where a model has ten or more (of words, tokens)."""
    digits = 1 if max(abs(figure.before), abs(figure.after)) >= 10 else 3
    signed = [_number(value, digits, "+") for value in (figure.difference, figure.low, figure.high)]
    return Written(_number(figure.before, digits), _number(figure.after, digits), *signed)


def visible(text: str) -> str:
    """Text of any origin as one line in which nothing is hidden and nothing controls a terminal or an editor."""
    return "".join(_seen(character) for character in " ".join(text.split()))


def level(audit: Audit) -> str:
    """The level of an audit's intervals, such as `95 %`."""
    return f"{100 * (1 - audit.settings.alpha):g} %"


def state_word(figure: Figure) -> str:
    """The state of a figure in one word; where neither way is better, which way it went."""
    if figure.better == "neither":
        return {"up": "rose", "down": "fell"}.get(figure.state, "unclear")
    return figure.state


def state_reason(figure: Figure) -> str:
    """Why a figure is in its state."""
    guard, margin = figure.role == "guard", f"a loss beyond the margin of {figure.margin:g}"
    if figure.state == "up":
        return "the whole interval lies above zero"
    if figure.state == "down":
        return margin if guard else "the whole interval lies below zero"
    if figure.state == "held":
        return f"no loss beyond the margin of {figure.margin:g}"
    if guard:
        return f"{margin} is not ruled out"
    if figure.low > 0 or figure.high < 0:
        return "the exact test leaves it open"
    return "the interval holds zero"


def sentences(audit: Audit) -> Iterator[str]:
    """One sentence for each thing found besides the figures, with the problems it rests on."""
    yield from _curve(audit)
    k = audit.counts["largest common k"]
    yield f"Support with {_responses(k)} a problem: {_support(audit.support)}."
    if audit.null:
        yield from _null(audit.null)
    if audit.sets:
        yield from _sets("one response each", audit.sets, audit.null)
    if audit.greedy_sets:
        yield from _sets("greedy responses", audit.greedy_sets, None)
    yield _tests(audit)
    if audit.levels:
        yield _levels(audit.levels)
    if audit.coverage:
        b, a = audit.coverage.before, audit.coverage.after
        on = f"{audit.counts['problems']:,} problems"
        yield f"Correct-answer coverage, the share of right responses, {on}: {b:.3f} before, {a:.3f} after."
        b, a = audit.coverage.before_ever, audit.coverage.after_ever
        yield f"Coverage, the share of {on} with a right one among all judged responses: {b:.3f} before, {a:.3f} after."
    if audit.calibration:
        b, a = audit.calibration.before, audit.calibration.after
        on = f"{audit.counts['problems']:,} problems"
        yield f"Calibration error of the majority's share, {on}: {_number(b)} before, {_number(a)} after."
    if audit.rounds:
        yield _rounds(audit.rounds)
    if audit.bounds:
        low, high = audit.bounds["difference"]
        yield f"Were the unjudged responses all wrong or all right, pass@1 would change by {low:+.3f} to {high:+.3f}."


def _curve(audit: Audit) -> Iterator[str]:
    curve = audit.curves["pass@k"]
    on = f"{sum(audit.support[kind] for kind in ('kept', 'gained', 'lost', 'neither')):,.0f} problems"
    if curve.crossover:
        below = ", at no smaller k" if curve.crossover > 1 else ""
        yield f"pass@k, k up to {curve.ks[-1]}, {on}: the model before is ahead at k = {curve.crossover}{below}."
    elif len(curve.ks) > 1:
        yield f"pass@k, k up to {curve.ks[-1]}, {on}: the model before is never ahead."


def _support(support: Support) -> str:
    kinds = {"kept": "solved by both", "gained": "gained", "lost": "lost", "neither": "solved by neither"}
    counts = ", ".join(f"{_count(support[kind])} {words}" for kind, words in kinds.items())
    return f"{counts}; retention {_number(support['retention'])}, discovery {_number(support['discovery'])}"


def _null(null: Null) -> Iterator[str]:
    if null.kind == "fresh":
        yield f"Null, the model before sampled again, {_responses(null.k)}: {_support(null.support)}."
    else:
        yield f"Null, expected of two halves of {_responses(null.k)} of the model before: {_support(null.support)}."
        yield f"Before to after with {_responses(null.k)}, beside that null: {_support(null.change)}."
    if null.pass_1:
        f = null.pass_1
        yield (
            f"Null of pass@1, {f.problems:,} problems: the model before differs from itself by "
            f"{f.difference:+.3f} ({f.low:+.3f} to {f.high:+.3f})."
        )


def _sets(by: str, sets: Sets, null: Null | None) -> Iterator[str]:
    again = null.sets if null else None
    expected = null is not None and null.kind == "split"
    source = "expected of two responses of the model before" if expected else "for the model before sampled again"
    for name, found, chance in (
        (f"Improvement set ({by}: wrong before, right after)", sets.improvement, again and again.improvement),
        (f"Loss set ({by}: right before, wrong after)", sets.loss, again and again.loss),
    ):
        # Told at one N: the null may have fewer responses left.
        several = min(len(one.ns) for one in (found, chance) if one and one.ns) if found.ns else 0
        beside = f"; {source}: {_chosen(chance, several, one_model=expected)}" if chance else ""
        yield f"{name}: {_chosen(found, several)}{beside}."


def _chosen(found: Chosen, several: int, *, one_model: bool = False) -> str:
    """A set, with pass@N at the last of the first `several` N."""
    many = f"{_count(found.problems)} problems"
    if not found.ns:
        return f"{many}, none with other responses to measure pass@N by" if found.problems else many
    n, b, a = (values[several - 1] for values in (found.ns, found.before, found.after))
    measured = _count(found.measured)
    # Compared as written: sums of chances are not exact.
    on = (
        "them"
        if measured == _count(found.problems)
        else f"the {measured} with {n} other response{'s' if n > 1 else ''}"
    )
    return f"{many}, pass@{n} on {on} {f'{b:.3f}' if one_model else f'{b:.3f} before, {a:.3f} after'}"


def _tests(audit: Audit) -> str:
    found = audit.tests
    null = "" if found.null is None else f"; for the model before sampled again {found.null}"
    return (
        f"Single problems that changed (Fisher's exact test, false-discovery rate {audit.settings.alpha:g}): "
        f"{len(found.gained)} gained and {len(found.lost)} lost of {found.tested:,}{null}."
    )


def _levels(found: Levels) -> str:
    if not found.names:
        return f"pass@1 by level: none of {found.left_out:,} problems has a level that is named in levels."
    left_out = f"; {found.left_out:,} problems have none of these levels" if found.left_out else ""
    last = len(found.names) - 1
    told = range(last + 1) if last < _SEVERAL_LEVELS else (0, last)
    spread = ", ".join(
        f"{found.names[i]} {_number(found.before[i])} to {_number(found.after[i])} ({found.problems[i]:,} problems)"
        for i in told
    )
    by = "" if found.ordered else " by name"
    of = "" if last < _SEVERAL_LEVELS else f", first and last{by} of {last + 1}"
    lost = f"{_number(found.disparity_before)} to {_number(found.disparity_after)}"
    disparity = f"group disparity (share of the first lost on the last) {lost}"
    unknown = "no order of the levels is known, so group disparity is not (set levels=[easiest, ..., hardest])"
    return f"pass@1 by level{of}: {spread}{left_out}; {disparity if found.ordered else unknown}."


def _rounds(found: Rounds) -> str:
    curve = ", ".join(f"{value:.3f}" for value in found.pass_1)
    end = "" if found.gap <= 0 else f", {found.gap:.3f} above the last"
    fallen = "collapsed" if found.collapsed else "no collapse"
    return (
        f"pass@1 of the {len(found.pass_1)} models in order, {found.problems:,} problems: {curve}; "
        f"the highest is number {found.peak + 1}{end}: {fallen}."
    )


def _responses(k: int) -> str:
    return f"{k} response{'' if k == 1 else 's'}"


def _number(value: float, digits: int = 3, sign: str = "") -> str:
    # 0 is added since -0.0 + 0 is 0.
    return f"{value + 0:{sign},.{digits}f}" if math.isfinite(value) else "-"


def _count(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


def _seen(character: str) -> str:
    """Controls, marks that turn the direction of text and the like as escapes such as `\\x1b`."""
    hidden = unicodedata.category(character)[0] == "C"
    return character.encode("unicode_escape").decode() if hidden else character
