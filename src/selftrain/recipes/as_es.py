"""AS-ES: chains of thought learned segment by segment, what they extract and what they infer (arXiv:2403.01969)."""

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from selftrain.errors import ConfigError
from selftrain.models import is_encoder_decoder
from selftrain.recipes import recipe
from selftrain.recipes._segments import SegmentOptions, segmented
from selftrain.records import Groups
from selftrain.round import Round
from selftrain.segments import label_pieces, merge_pieces, segment_rows, similarity_scores, split_pieces
from selftrain.training_set import TrainingSet

if TYPE_CHECKING:
    from selftrain.labels import Label, Labels
    from selftrain.models import Model
    from selftrain.prompts import PromptConfig

__all__ = ["AsEsOptions", "as_es", "label_pieces", "merge_pieces", "segment_rows", "split_pieces"]


class AsEsOptions(SegmentOptions):
    """Options of AS-ES."""

    samples: int = Field(8, ge=1, le=10_000)
    """Responses drawn for each training problem; of no effect with rationales."""
    per_problem: int | None = Field(1, ge=1)
    """Right responses of different text kept for each problem, at most; None keeps all."""
    start: Literal["parent", "base"] = "parent"
    """What a round trains from: the model that was sampled, or the base afresh."""
    tuned: bool = True
    """Score with a model that was first trained on the whole chains; without it, with the one that training starts
    from."""
    path: Literal["uni", "dual"] = "uni"
    """One model for all segments, or one for the extractive and one for the abstractive, which then write in turn."""

    @property
    def reads(self) -> "frozenset[Label]":
        """See `RecipeOptions.reads`."""
        return frozenset({"gold"} if self.chains == "responses" else {"rationales"})

    def check(self, labels: "Labels", prompt: "PromptConfig", base: "Model") -> None:
        """See `RecipeOptions.check`. Raises MissingExtraError without the library that tells similarity."""
        if self.strategy == "similarity":
            similarity_scores("any", ["any"], self.overlap)
        if prompt.alternate is not None:
            return
        if self.path == "dual":
            raise ConfigError(
                "recipe.options.path is dual, whose two models write in turn, and the prompt is answered in one pass: "
                "set prompt.alternate={} or path=uni"
            )
        if is_encoder_decoder(base):
            raise ConfigError(
                f"{base.name} is an encoder-decoder model, which ends after each segment, and the prompt is answered "
                "in one pass: set prompt.alternate={}"
            )


@recipe("as_es", paper="arXiv:2403.01969")
def as_es(round: Round, options: AsEsOptions) -> TrainingSet:
    """The segments of right responses or rationales, each a row after the question and the segments before it."""
    if options.start == "base":
        round.start = round.base
    chains = learned(round, options)
    scorer = round.start or round.parent
    if options.tuned and options.asks_model and chains:
        scorer = round.train(round.training_set(chains), name=f"round-{round.number:02d}-scorer")
    made = [(one, round.segment_rows(one.segments)) for one in segmented(round, scorer, chains, options)]
    round.chains = tuple(replace(one.pieces, trained=bool(rows)) for one, rows in made)
    labelled = [pair for one, rows in made for pair in zip(in_turn(one.labels), rows, strict=False)]
    extractive, abstractive = ([row for label, row in labelled if label == kind] for kind in "EA")
    if options.path == "uni":
        return round.row_set([row for _, row in labelled])
    if not (extractive and abstractive):
        return round.nothing(chains, reason="no segment for one of the two models: set another beta")
    start = round.start or round.parent.extractive or round.parent
    round.extractive = round.train(round.row_set(extractive), start=start, name=f"round-{round.number:02d}-extractive")
    return round.row_set(abstractive)


def in_turn(labels: str) -> str:
    """The labels of a chain's segments, and that of the turn after them: it is the other model's."""
    return labels + ("A" if labels.endswith("E") else "E")


def learned(round: Round, options: AsEsOptions) -> Groups:
    """The chains that can be trained: rationales, or at most `per_problem` right responses of each problem."""
    if options.chains == "rationales":
        return round.trainable(round.solutions())
    groups = round.judge(round.sample(round.parent, round.problems, n=options.samples))
    kept = round.keep(groups.where_any_right(), of=groups, reason="no right response")
    return round.trainable(kept.draw_right(options.per_problem, round.rng))
