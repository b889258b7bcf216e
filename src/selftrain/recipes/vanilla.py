"""Vanilla self-training: learn one's own right responses, all alike (rejection-sampling fine-tuning)."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from selftrain.recipes import RecipeOptions, recipe
from selftrain.records import Groups
from selftrain.round import Round
from selftrain.training_set import TrainingSet

if TYPE_CHECKING:
    from selftrain.labels import Label


class VanillaOptions(RecipeOptions):
    """Options of the vanilla recipe."""

    samples: int = Field(8, ge=1, le=10_000)
    """Responses drawn for each training problem (K)."""
    per_problem: int | None = Field(1, ge=1)
    """Right responses of different text kept for each problem, at most; None keeps all."""
    start: Literal["parent", "base"] = "parent"
    """What a round trains from: the model that was sampled, or the base afresh (STaR, ReST-EM, RFT)."""
    solutions: bool = False
    """Also train the task's own rationales (gold answers where there is none), one row a problem (RFT)."""

    @property
    def reads(self) -> "frozenset[Label]":
        """See `RecipeOptions.reads`."""
        return frozenset({"gold", "rationales"} if self.solutions else {"gold"})


@recipe("vanilla", paper="arXiv:2308.01825")
def vanilla(round: Round, options: VanillaOptions) -> TrainingSet:
    """Right responses, de-duplicated, at most `per_problem` of each problem, drawn with the round's generator."""
    groups = round.judge(round.sample(round.parent, round.problems, n=options.samples))
    kept = round.keep(groups.where_any_right(), of=groups, reason="no right response")
    drawn = kept.draw_right(options.per_problem, round.rng)
    if options.start == "base":
        round.start = round.base
    return round.training_set(Groups([*drawn, *round.solutions()]))
