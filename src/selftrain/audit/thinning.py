"""Cells of unlike numbers of responses made alike, for figures that depend on the number."""

from dataclasses import replace

import numpy as np

from selftrain.audit.cells import Cell
from selftrain.audit.detail import Counts, Detail, Votes


def alike(*cells: Cell, seed: int) -> list[Cell]:
    """Cells over the same problems in which each problem has as many judged responses in all of them.

    Where one has more, as many as the others have are drawn of its responses without replacement. A model with
    more responses would else have values of another grain: equal models would seem to differ. What cannot be drawn
    again (the likeliest response) is then not known.
    """
    fewest = np.min([cell.n for cell in cells], axis=0)
    rng = np.random.default_rng(seed)
    return [cell if (cell.n == fewest).all() else _thinned(cell, fewest, rng) for cell in cells]


def _thinned(cell: Cell, sizes: Counts, rng: np.random.Generator) -> Cell:
    right = rng.hypergeometric(cell.right, cell.wrong, sizes)
    fewer = cell.n > sizes
    detail, unparsed = cell.detail, cell.unparsed
    if detail and detail.votes and unparsed is not None:
        votes, unparsed = _drawn(detail.votes, unparsed, sizes, rng)
        detail = replace(detail, votes=votes)
    elif unparsed is not None:
        unparsed = rng.hypergeometric(unparsed, cell.n - unparsed, sizes)
    if detail:
        detail = _without_likeliest(detail, fewer)
    nothing = np.zeros_like(sizes)
    return replace(
        cell, right=right, wrong=sizes - right, unjudged=nothing, unparsed=unparsed, truncated=None, detail=detail
    )


def _without_likeliest(detail: Detail, fewer: np.ndarray) -> Detail:
    return replace(detail, likeliest=np.where(fewer, -1, detail.likeliest).astype(np.int8))


def _drawn(votes: Votes, silent: Counts, sizes: Counts, rng: np.random.Generator) -> tuple[Votes, Counts]:
    """So many responses of each problem, by answer, and how many of them have none."""
    counts, quiet = votes.counts.copy(), silent.copy()
    start = 0
    for problem, end in enumerate(votes.ends.tolist()):
        colours = np.append(counts[start:end], quiet[problem])
        if colours.sum() > sizes[problem]:
            drawn = rng.multivariate_hypergeometric(colours, int(sizes[problem]))
            counts[start:end], quiet[problem] = drawn[:-1], drawn[-1]
        start = end
    return Votes(counts, votes.right, votes.ends), quiet
