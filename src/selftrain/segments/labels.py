"""Which pieces of a chain are abstractive, and the rows made of them: earlier segments in, the next one out."""

import math
from collections.abc import Sequence
from itertools import groupby

_SAME = 1e-12
"""A score this near to the threshold, of its size, ties with it: rounding decides nothing."""


def label_pieces(scores: Sequence[float], beta: float) -> str:
    """A letter a piece: `A`, abstractive, where its score is above `beta` times the chain's mean; else `E`, extractive.

    `scores` are of one chain, shape [pieces]; a tie is extractive; without pieces there are no labels.
    Raises ValueError for a score that is not finite and for a `beta` that is not above 0 and finite.
    Source: AS-ES, arXiv 2403.01969.
    """
    if not (math.isfinite(beta) and beta > 0):
        raise ValueError(f"beta must be above 0 and finite, got {beta}")
    for score in scores:
        if not math.isfinite(score):
            raise ValueError(f"scores must be finite, got {score}")
    threshold = beta * math.fsum(score / len(scores) for score in scores)
    return "".join(
        "A" if score > threshold and not math.isclose(score, threshold, rel_tol=_SAME) else "E" for score in scores
    )


def position_labels(count: int) -> str:
    """The labels of the location strategy: `E` and `A` in turn, `E` first. Raises ValueError for a negative `count`."""
    if count < 0:
        raise ValueError(f"count must be 0 or more, got {count}")
    return ("EA" * count)[:count]


def merge_pieces(pieces: Sequence[str], labels: str) -> list[tuple[str, list[str]]]:
    """Runs of neighbouring pieces with one label, in order: the label and its pieces, so labels alternate.

    Raises ValueError for labels that are not one letter, E or A, a piece.
    """
    _check(pieces, labels)
    runs = groupby(zip(labels, pieces, strict=True), key=lambda labelled: labelled[0])
    return [(label, [piece for _, piece in run]) for label, run in runs]


def segment_rows(question: str, pieces: Sequence[str], labels: str, merge: bool = True) -> list[tuple[str, str, str]]:
    """A row a segment: its label, the question with all earlier segments, and the segment, joined by one space each.

    A segment is a run of pieces with one label, or a piece if they are not to `merge` (as the published code has it).
    Raises ValueError as `merge_pieces` does.
    """
    merged = merge_pieces(pieces, labels)
    segments = [(label, " ".join(run)) for label, run in merged] if merge else zip(labels, pieces, strict=True)
    rows, context = [], question
    for label, segment in segments:
        rows.append((label, context, segment))
        context = f"{context} {segment}"
    return rows


def _check(pieces: Sequence[str], labels: str) -> None:
    if len(pieces) != len(labels):
        raise ValueError(f"labels must be one letter a piece, got {len(labels)} for {len(pieces)} pieces")
    if wrong := set(labels) - set("EA"):
        raise ValueError(f"labels must be E and A, got {min(wrong)!r}")
