"""Vanilla self-training: learn one's own right responses, all alike (rejection-sampling fine-tuning)."""

from pydantic import Field

from selftrain.recipes import recipe
from selftrain.round import Round
from selftrain.training_set import TrainingSet
from selftrain.validation import Options


class VanillaOptions(Options):
    """Options of the vanilla recipe."""

    samples: int = Field(8, ge=1)
    """Responses drawn for each training problem (K)."""
    per_problem: int = Field(1, ge=1)
    """Right responses of different text kept for each problem, at most."""


@recipe("vanilla", paper="arXiv:2308.01825")
def vanilla(round: Round, options: VanillaOptions) -> TrainingSet:
    """Right responses, de-duplicated, at most `per_problem` of each problem, drawn with the round's generator."""
    groups = round.judge(round.sample(round.parent, round.problems, n=options.samples))
    kept = round.keep(groups.where_any_right(), of=groups, reason="no right response")
    return round.training_set(kept.draw_right(options.per_problem, round.rng))
