"""Supervised fine-tuning of the base on what the task gives alone: what other recipes must beat."""

from typing import TYPE_CHECKING, Literal

from selftrain.recipes import recipe
from selftrain.recipes._targets import TargetOptions, learned
from selftrain.round import Round
from selftrain.training_set import TrainingSet

if TYPE_CHECKING:
    from selftrain.labels import Label


class SupervisedOptions(TargetOptions):
    """Options of supervised fine-tuning."""

    labels: Literal["labelled", "rationales"] = "labelled"
    """Of which problems: the labelled ones, or all training problems, from what the task gives of them."""

    @property
    def reads(self) -> "frozenset[Label]":
        """See `RecipeOptions.reads`."""
        return frozenset({self.labels})


@recipe("supervised", paper="arXiv:2410.14745")
def supervised(round: Round, options: SupervisedOptions) -> TrainingSet:
    """Every problem with a label once; nothing is drawn. Each round trains the base afresh."""
    round.start = round.base
    return round.training_set(learned(round, options))
