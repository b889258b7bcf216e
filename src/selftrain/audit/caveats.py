"""What a reader must know before believing the figures: what is absent, unjudged, unlike or left out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from selftrain.audit.cells import Cell
from selftrain.audit.compared import Compared, has_texts, right_words
from selftrain.audit.figures import Figure
from selftrain.audit.settings import AuditSettings

Bounds = dict[str, list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """Problems that only one of the two logs has: the first few names of each side."""

    before: list[str]
    after: list[str]


_LISTED, _NAMED = 10, 3
"""Problems that are named, in the audit and in a warning."""
_BY_DESIGN = frozenset({"model", "suite", "prompt", "purpose", "step", "samples"})
"""Labels in which the cells of one audit differ by design, or that the responses themselves tell."""
_OF_THE_PARENT = frozenset({"model", "prompt"})
"""Labels in which the null must be as the parent."""
_LONGER = 1.25
"""Ratio of lengths from which distinct-n is not to be compared without a word."""


def alone(cut: Compared) -> Alone:
    """The problems that only one log has."""
    before, after = cut.pairs[""].alone
    return Alone(before=list(before[:_LISTED]), after=list(after[:_LISTED]))


def caveats(cut: Compared, figures: Sequence[Figure], settings: AuditSettings, *, apart: bool) -> Iterator[str]:
    """The warnings of an audit; `apart`: there are rounds, and they share no problem."""
    for name, why in cut.withheld.items():
        yield f"the guard {name} cannot be told, since {why}: without it nothing is progress"
    yield from _about_k(cut, figures)
    yield from _not_told(cut)
    yield from _about_scores(cut)
    yield from _about_reasoning(cut, settings)
    yield from _alone(cut)
    if apart:
        yield "no problem has a judged response in every round: rise and collapse is absent"
    given = cut.given
    yield from _unjudged(given, settings.max_unjudged)
    yield from _unlike(given)
    if strangers := settings.margins.keys() - {figure.name for figure in figures}:
        yield f"margins name no figure of this audit: {', '.join(sorted(strangers))}"


def unjudged_bounds(before: Cell, after: Cell, limit: float) -> Bounds | None:
    """Range of pass@1 of each cell, and of their difference, were the unjudged all wrong or all right.

    None unless more than `limit` of the responses of one of them are unjudged.
    """
    if max(_unjudged_share(before), _unjudged_share(after)) <= limit:
        return None
    ends = {
        name: [float((cell.right / cell.responses).mean()), float((1 - cell.wrong / cell.responses).mean())]
        for name, cell in (("before", before), ("after", after))
    }
    (b_low, b_high), (a_low, a_high) = ends["before"], ends["after"]
    return {**ends, "difference": [a_low - b_high, a_high - b_low]}


def _about_k(cut: Compared, figures: Sequence[Figure]) -> Iterator[str]:
    rest, of = len(cut.at_k[0].problems), len(cut.before.problems)
    if cut.k == 1 and cut.null is None:
        yield "one response a problem is common: pass@k and retention guards are absent, and there is no null of halves"
    elif not any(figure.name == "retention over null" for figure in figures):
        yield "the parent solved no problem: the retention guard is absent"
    if rest < of:
        yield f"figures at k = {cut.k} rest on {rest} of {of} problems: the others have fewer judged responses"


def _not_told(cut: Compared) -> Iterator[str]:
    """A line for each thing that a log does not tell, and for what is absent for it."""
    lacks: dict[str, Callable[[Cell], bool]] = {
        "no answers: majority@k, calibration, answer entropy and the unparsed guard are absent": (
            lambda cell: cell.unparsed is None
        ),
        "nothing about how responses finished: the truncated guard is absent": lambda cell: cell.truncated is None,
        "no texts of responses: figures of length, repetition and diversity are absent": (
            lambda cell: not has_texts(cell)
        ),
    }
    for what, lacking in lacks.items():
        if sides := [side for side, cell in (("before", cut.before), ("after", cut.after)) if lacking(cell)]:
            yield f"{' and '.join(sides)} {'have' if len(sides) > 1 else 'has'} {what}"


def _about_scores(cut: Compared) -> Iterator[str]:
    """A line for each score that one log alone has."""
    b, a = (set(cell.detail.scores) if cell.detail else set() for cell in (cut.before, cut.after))
    for name in sorted(b ^ a):
        yield f"{'after' if name in b else 'before'} has no score {name}: its figure is absent"


def _about_reasoning(cut: Compared, settings: AuditSettings) -> Iterator[str]:
    b, a = right_words(cut.before), right_words(cut.after)
    if cut.reason and max(b, a) > _LONGER * min(b, a):
        yield f"right responses have {b:.0f} words before and {a:.0f} after: distinct-n falls with length by itself"
    elif not cut.reason and has_texts(cut.before) and has_texts(cut.after) and max(b, a) >= settings.reasoning_words:
        yield (
            f"right responses of only one model carry reasoning (median {b:.0f} and {a:.0f} words): "
            "the diversity guard is absent"
        )


def _alone(cut: Compared) -> Iterator[str]:
    for name, pair in cut.pairs.items():
        sides = ("before", "null") if name == "null" else ("before", "after")
        on = f" on {name}" if name not in ("", "null") else ""
        for side, problems in zip(sides, pair.alone, strict=True):
            if problems:
                shown = ", ".join(map(_short, problems[:_NAMED])) + (", ..." if len(problems) > _NAMED else "")
                many = "1 problem is" if len(problems) == 1 else f"{len(problems)} problems are"
                beside = " and not in the null" if name == "null" and side == "before" else ""
                yield f"{many} in {side}{on} only{beside}, left out: {shown}"


def _unjudged(cells: Mapping[str, Cell], limit: float) -> Iterator[str]:
    for name, cell in cells.items():
        if _unjudged_share(cell) > limit:
            yield f"{_unjudged_share(cell):.1%} of the responses of {name} are unjudged"


def _unjudged_share(cell: Cell) -> float:
    """Share of a cell's responses that no judge could mark."""
    return float(cell.unjudged.sum() / max(1, cell.responses.sum()))


def _unlike(cells: Mapping[str, Cell]) -> Iterator[str]:
    """A line for every sampling setting, and for n, in which a cell differs from the one it is compared with."""
    for name, cell in cells.items():
        kind, _, suite = name.partition(" on ")
        if kind in ("before", "greedy before"):
            continue
        mark = "greedy before" if kind == "greedy after" else f"before on {suite}" if suite else "before"
        reference = cells[mark]
        free = _BY_DESIGN - _OF_THE_PARENT if kind == "null" else _BY_DESIGN
        yield from (
            f"{key} differs: {mark} {reference.labels[key]}, {name} {cell.labels[key]}"
            for key in sorted((reference.labels.keys() & cell.labels.keys()) - free)
            if reference.labels[key] != cell.labels[key]
        )
        if _n(reference) != _n(cell):
            yield f"responses a problem differ: {mark} {_n(reference)}, {name} {_n(cell)}"


def _n(cell: Cell) -> int:
    return int(cell.responses.max(initial=0))


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:37]}..."
