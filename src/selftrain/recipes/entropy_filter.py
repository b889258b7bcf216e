"""The entropy filter: majority answers of the problems whose answers are united (baseline of arXiv:2408.09849)."""

from pydantic import Field

from selftrain.recipes import recipe
from selftrain.recipes._votes import VoteOptions, answered, voted
from selftrain.round import Round
from selftrain.signals import normalized_answer_entropy
from selftrain.training_set import TrainingSet


class EntropyFilterOptions(VoteOptions):
    """Options of the entropy filter."""

    max_entropy: float = Field(0.5, ge=0, le=1)
    """Largest entropy of a problem's answers, divided by the log of their number: 0 when all agree, 1 when none do."""


@recipe("entropy_filter", paper="arXiv:2408.09849")
def entropy_filter(round: Round, options: EntropyFilterOptions) -> TrainingSet:
    """Every response with its problem's majority answer, of the problems whose answers are united enough."""
    groups = answered(round, options)
    stated = round.keep(groups.where(lambda group: bool(group.answer_counts())), of=groups, reason="no stated answer")
    entropies = [normalized_answer_entropy(group.answer_counts()) for group in stated]
    united = stated.where_mask([entropy <= options.max_entropy for entropy in entropies])
    return round.training_set(voted(round, round.keep(united, of=stated, reason="answers too divided"), options))
