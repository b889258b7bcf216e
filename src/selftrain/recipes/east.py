"""EAST: weight each question by the entropy of the model's own answers to it (arXiv:2503.23913)."""

from pydantic import Field

from selftrain.recipes import recipe
from selftrain.round import Round
from selftrain.signals import east_weights
from selftrain.training_set import TrainingSet
from selftrain.validation import Options


class EastOptions(Options):
    """Options of EAST with supervised fine-tuning."""

    samples: int = Field(8, ge=1)
    """Responses drawn for each training question (K)."""
    exponent: float = Field(1.0, allow_inf_nan=False)
    """Sharpness a of the weight H^a: 0 is vanilla, above 1 sharper. Below 0 it favours confident questions; those
    whose answers all agree have no weight then (0 to a negative power) and are dropped."""
    per_problem: int = Field(1, ge=1)
    """Right responses of different text kept for each question, at most; the paper keeps 1."""
    drop_all_right: bool = False
    """Also drop questions without a wrong response, as the published code does."""


@recipe("east", paper="arXiv:2503.23913")
def east(round: Round, options: EastOptions) -> TrainingSet:
    """Right responses weighted by `H^a * N / sum H^a`, H the entropy of the question's answer clusters."""
    sampled = round.judge(round.sample(round.parent, round.problems, n=options.samples))
    groups = round.keep(sampled.where_any_right(), of=sampled, reason="no right response")
    if options.drop_all_right:
        groups = round.keep(groups.where_any_wrong(), of=groups, reason="no wrong response")
    if options.exponent < 0:
        divided = groups.where(lambda group: len(group.cluster_counts()) > 1)
        groups = round.keep(divided, of=groups, reason="all answers agree")
    entropies = groups.answer_entropies()
    if options.exponent > 0 and not entropies.any():
        return round.nothing(groups, reason="answers agree on every question, so every weight is zero")
    weights = east_weights(entropies, options.exponent)
    return round.training_set(groups.draw_right(options.per_problem, round.rng), weights)
