"""Supervised fine-tuning of the base on the labelled problems alone: what a recipe for few labels must beat."""

from selftrain.recipes import recipe
from selftrain.recipes._targets import TargetOptions, learned
from selftrain.round import Round
from selftrain.training_set import TrainingSet


class SupervisedOptions(TargetOptions):
    """Options of supervised fine-tuning."""


@recipe("supervised", paper="arXiv:2410.14745")
def supervised(round: Round, options: SupervisedOptions) -> TrainingSet:
    """Every labelled problem once; nothing is drawn. Each round trains the base afresh."""
    round.start = round.base
    return round.training_set(learned(round, options))
