"""What a reader must know before believing the figures: what is absent, unjudged, unlike or left out."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from selftrain.audit.cells import Cell, Pair
from selftrain.audit.figures import Figure
from selftrain.audit.roles import both_reason, right_words
from selftrain.audit.settings import AuditSettings

_NOT_SETTINGS = frozenset({"model", "suite", "prompt", "purpose", "step", "samples"})
"""Labels in which the cells of one audit differ by design, or that the responses themselves tell."""

Bounds = dict[str, list[float]]


def caveats(
    pair: Pair,
    before: Cell,
    after: Cell,
    k: int,
    cells: Mapping[str, Cell],
    figures: Sequence[Figure],
    settings: AuditSettings,
) -> Iterator[str]:
    """The warnings of an audit; `before` and `after` are cut to the common, judged problems."""
    if k == 1:
        yield "one response a problem is common: pass@k and retention guards are absent, and there is no null of halves"
    elif not any(figure.name == "retention over null" for figure in figures):
        yield "the parent solved no problem: the retention guard is absent"
    yield from _not_told(before, after)
    if both_reason(before, after, settings):
        pass
    elif any(words >= settings.reasoning_words for words in right_words(before, after)):
        b, a = right_words(before, after)
        yield (
            f"right responses of only one model carry reasoning (median {b:.0f} and {a:.0f} words): "
            "the diversity guard is absent"
        )
    for side, names in zip(("before", "after"), pair.alone, strict=True):
        if names:
            shown = ", ".join(map(_short, names[:_NAMED])) + (", ..." if len(names) > _NAMED else "")
            many = "1 problem is" if len(names) == 1 else f"{len(names)} problems are"
            yield f"{many} in {side} only, left out: {shown}"
    yield from _unjudged(cells, settings.max_unjudged)
    yield from _unlike(cells)
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


_NAMED = 3
"""Problems named in a warning."""


def _not_told(before: Cell, after: Cell) -> Iterator[str]:
    """A line for each thing that a log does not tell, and for what is absent for it."""
    lacks = {
        "no answers: majority@k, calibration, answer entropy and the unparsed guard are absent": _no_answers,
        "nothing about how responses finished: the truncated guard is absent": _no_finish,
        "no texts of responses: figures of length, repetition and diversity are absent": _no_texts,
    }
    for what, lacking in lacks.items():
        if sides := [side for side, cell in (("before", before), ("after", after)) if lacking(cell)]:
            yield f"{' and '.join(sides)} {'have' if len(sides) > 1 else 'has'} {what}"


def _no_answers(cell: Cell) -> bool:
    return cell.unparsed is None


def _no_finish(cell: Cell) -> bool:
    return cell.truncated is None


def _no_texts(cell: Cell) -> bool:
    return cell.detail is None or not np.isfinite(cell.detail.means["words"]).any()


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
        yield from (
            f"{key} differs: {mark} {reference.labels[key]}, {name} {cell.labels[key]}"
            for key in sorted((reference.labels.keys() & cell.labels.keys()) - _NOT_SETTINGS)
            if reference.labels[key] != cell.labels[key]
        )
        if _n(reference) != _n(cell):
            yield f"responses a problem differ: {mark} {_n(reference)}, {name} {_n(cell)}"


def _n(cell: Cell) -> int:
    return int(cell.responses.max(initial=0))


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:37]}..."
