"""What a reader must know before believing the figures: unjudged responses and unlike settings."""

from collections.abc import Mapping

from selftrain.audit.cells import Cell

_NOT_SETTINGS = frozenset({"model", "suite", "prompt", "purpose", "step"})
"""Labels in which the cells of one audit differ by design."""

Bounds = dict[str, list[float]]


def unjudged_warnings(cells: Mapping[str, Cell], limit: float) -> list[str]:
    """A line for every named cell with more than `limit` of its responses unjudged."""
    shares = {name: unjudged_share(cell) for name, cell in cells.items()}
    return [f"{share:.1%} of the responses of {name} are unjudged" for name, share in shares.items() if share > limit]


def unjudged_share(cell: Cell) -> float:
    """Share of a cell's responses that no judge could mark."""
    return float(cell.unjudged.sum() / max(1, cell.responses.sum()))


def unjudged_bounds(before: Cell, after: Cell) -> Bounds:
    """Range of pass@1 of each cell, and of their difference, were the unjudged all wrong or all right."""
    ends = {
        name: [float((cell.right / cell.responses).mean()), float((1 - cell.wrong / cell.responses).mean())]
        for name, cell in (("before", before), ("after", after))
    }
    (b_low, b_high), (a_low, a_high) = ends["before"], ends["after"]
    return {**ends, "difference": [a_low - b_high, a_high - b_low]}


def settings_warnings(reference: Cell, cells: Mapping[str, Cell]) -> list[str]:
    """A line for every sampling setting, and for n, in which a named cell differs from the reference."""
    lines = []
    for name, cell in cells.items():
        lines += [
            f"{key} differs: before {reference.labels[key]}, {name} {cell.labels[key]}"
            for key in sorted((reference.labels.keys() & cell.labels.keys()) - _NOT_SETTINGS)
            if reference.labels[key] != cell.labels[key]
        ]
        if _n(reference) != _n(cell):
            lines.append(f"responses a problem differ: before {_n(reference)}, {name} {_n(cell)}")
    return lines


def _n(cell: Cell) -> int:
    return int(cell.responses.max(initial=0))
