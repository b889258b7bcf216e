"""LMSI: learn the responses that agree with the majority answer, no label needed (arXiv:2210.11610)."""

from selftrain.recipes import recipe
from selftrain.recipes._votes import VoteOptions, answered, voted
from selftrain.round import Round
from selftrain.training_set import TrainingSet


class LmsiOptions(VoteOptions):
    """Options of LMSI."""


@recipe("lmsi", paper="arXiv:2210.11610")
def lmsi(round: Round, options: LmsiOptions) -> TrainingSet:
    """Every response with its problem's majority answer, all alike."""
    return round.training_set(voted(round, answered(round, options), options))
