"""How chains of thought become labelled segments: cut into pieces, scored, labelled, merged."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Literal

import numpy as np
from pydantic import Field

from selftrain.models import Model
from selftrain.parts import Given, Parted
from selftrain.recipes import RecipeOptions
from selftrain.records import Group, Groups
from selftrain.round import Round
from selftrain.segments import label_pieces, merge_pieces, position_labels, similarity_scores, split_pieces
from selftrain.segments.chains import Chain


class SegmentOptions(RecipeOptions):
    """Which chains become segments, and how."""

    chains: Literal["responses", "rationales"] = "responses"
    """What is learned: the model's own responses that are judged right, or the training problems' rationales."""
    cut: Literal["clean", "official"] = "clean"
    """Where pieces end: `clean` loses no text; `official` is as published, which drops pieces of three words or fewer
    and cuts numbers with a thousands separator."""
    strategy: Literal["entropy", "loss", "location", "similarity"] = "entropy"
    """What a piece is scored with: the model's entropy in it, its loss on it, or how unlike the question it is;
    `location` labels the pieces in turn, and scores none."""
    given: Given = "prefix"
    """What a model reads before a piece that it scores: the question and all pieces before it, or, as published, the
    question alone."""
    reduce: Literal["sum", "mean"] = "sum"
    """Of the entropies or losses of a piece's tokens."""
    overlap: Literal["rouge", "bleu"] = "rouge"
    """What `similarity` tells likeness by."""
    beta: float = Field(1.4, gt=0, allow_inf_nan=False)
    """A piece is abstractive if its score is above so many times the mean of its chain's."""
    merge: bool = True
    """Make neighbouring pieces with one label one segment; the published code does not."""

    @property
    def asks_model(self) -> bool:
        """Whether a model scores the pieces."""
        return self.strategy in ("entropy", "loss")


@dataclass(frozen=True, slots=True)
class Segmented:
    """A chain in labelled segments."""

    segments: Parted
    labels: str
    """E or A, one a segment."""
    pieces: Chain
    """What the report tells of it."""


def segmented(round: Round, scorer: Model, chains: Groups, options: SegmentOptions) -> list[Segmented]:
    """Every response of the groups in segments; those that leave no piece, or no finite score, are dropped, counted."""
    cut = [_cut(round, group, place, options) for group in chains for place in range(len(group.responses))]
    whole = [one for one in cut if one.parts]
    round.drop("nothing left of the chain once it is cut", len(cut) - len(whole))
    scored = list(zip(whole, _scores(round, scorer, whole, options), strict=True))
    known = [(one, scores) for one, scores in scored if options.strategy == "location" or np.isfinite(scores).all()]
    round.drop("a piece without a finite score", len(scored) - len(known))
    return [_labelled(one, scores, options) for one, scores in known]


def verbatim(text: str, pieces: Sequence[str]) -> tuple[str, ...]:
    """The text cut where its pieces end, the white space before each included: joined they are the text again.

    Pieces that are not the text's own, as the published cutting changes it, are joined by a space each.
    """
    text, sizes = text.strip(), [len(_letters(piece)) for piece in pieces]
    if _letters(text) != _letters("".join(pieces)):
        return tuple(f" {piece}" if place else piece for place, piece in enumerate(pieces))
    places = [place for place, letter in enumerate(text) if not letter.isspace()]
    ends = [places[count - 1] + 1 for count in accumulate(sizes)]
    return tuple(text[start:end] for start, end in pairwise((0, *ends)))


def _letters(text: str) -> str:
    """The text without white space."""
    return "".join(text.split())


def _cut(round: Round, group: Group, place: int, options: SegmentOptions) -> Parted:
    response = group.responses[place]
    return Parted(group.problem, response, tuple(split_pieces(round.trained(response), options.cut)))


def _scores(
    round: Round, scorer: Model, chains: Sequence[Parted], options: SegmentOptions
) -> Iterator[tuple[float, ...]]:
    """The score of each piece of each chain; nan where there is none."""
    if options.strategy == "location":
        return (tuple(math.nan for _ in chain.parts) for chain in chains)
    if options.strategy == "similarity":
        return (tuple(similarity_scores(chain.question.whole, chain.parts, options.overlap)) for chain in chains)
    read = [replace(chain, parts=verbatim(round.trained(chain.response), chain.parts)) for chain in chains]
    values = round.values(scorer, read, of=options.strategy, given=options.given)
    reduced = np.sum if options.reduce == "sum" else np.mean
    return (tuple(float(reduced(part)) if part else math.nan for part in parts) for parts in values)


def _labelled(cut: Parted, scores: tuple[float, ...], options: SegmentOptions) -> Segmented:
    by_place = options.strategy == "location"
    labels = position_labels(len(scores)) if by_place else label_pieces(scores, options.beta)
    merged = merge_pieces(cut.parts, labels) if options.merge else [*zip(labels, ([p] for p in cut.parts), strict=True)]
    chain = Chain(
        problem=cut.question.id,
        response=cut.response.id,
        source="rationale" if options.chains == "rationales" else "response",
        pieces=cut.parts,
        scores=scores,
        labels=labels,
        segments=tuple(place for place, (_, pieces) in enumerate(merged) for _ in pieces),
        trained=True,
    )
    segments = tuple(" ".join(pieces) for _, pieces in merged)
    return Segmented(replace(cut, parts=segments), "".join(label for label, _ in merged), chain)
