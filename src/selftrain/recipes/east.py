"""EAST: weight each question by the entropy of the model's own answers to it (arXiv:2503.23913)."""

from typing import Literal

import numpy as np
from pydantic import Field

from selftrain.recipes import RecipeOptions, recipe
from selftrain.records import Groups, Unparsed
from selftrain.round import Round
from selftrain.signals import east_weights
from selftrain.training_set import TrainingSet


class EastOptions(RecipeOptions):
    """Options of EAST."""

    samples: int = Field(8, ge=1, le=10_000)
    """Responses drawn for each training question (K)."""
    objective: Literal["sft", "dpo", "kto"] = "sft"
    """Learn right responses, prefer them to a wrong one, or the same pair taken apart."""
    weight: Literal["entropy", "accuracy", "rejected"] = "entropy"
    """What the weight of a question grows with: the entropy H of its answers, the share of responses that are not
    right (1 - A), or the share of its most frequent wrong answer (R)."""
    exponent: float = Field(1.0, allow_inf_nan=False)
    """Sharpness a of the weight H^a: 0 is vanilla, above 1 sharper. Below 0 it favours confident questions; those
    with H = 0 have no weight then (0 to a negative power) and are dropped."""
    per_problem: int = Field(1, ge=1)
    """Right responses of different text kept for each question, at most; the paper keeps 1."""
    unparsed: Unparsed = "cluster"
    """Responses without an answer are one more answer of the entropy, or do not count in it."""
    drop_all_right: bool = False
    """Also drop questions without a wrong response; dpo and kto, which need one, always do."""


@recipe("east", paper="arXiv:2503.23913")
def east(round: Round, options: EastOptions) -> TrainingSet:
    """Right responses, or pairs with a wrong one, weighted by `H^a * N / sum H^a` over the N kept questions."""
    sampled = round.judge(round.sample(round.parent, round.problems, n=options.samples))
    groups = round.keep(sampled.where_any_right(), of=sampled, reason="no right response")
    paired = options.objective != "sft"
    if paired or options.drop_all_right:
        groups = round.keep(groups.where_any_wrong(), of=groups, reason="no wrong response")
    unsure = uncertainty(groups, options)
    if options.exponent < 0:
        groups = round.keep(
            groups.where_mask(unsure > 0), of=groups, reason=f"{options.weight} of 0, no weight below a = 0"
        )
        unsure = unsure[unsure > 0]
    if options.exponent > 0 and not unsure.any():
        return round.nothing(groups, reason=f"{options.weight} of 0 for every question, so every weight is zero")
    weights = east_weights(unsure, options.exponent)
    right = groups.draw_right(options.per_problem, round.rng)
    if not paired:
        return round.training_set(right, weights)
    pairs = [
        (group.problem, chosen, group.responses[round.rng.choice(group.rejected())])
        for group, drawn in zip(groups, right, strict=True)
        for chosen in drawn.responses
    ]
    repeated = np.repeat(weights, [len(drawn.responses) for drawn in right])
    return (round.pair_set if options.objective == "dpo" else round.unpaired_set)(pairs, repeated)


def uncertainty(groups: Groups, options: EastOptions) -> np.ndarray:
    """What the weights are a power of, 0 or more, shape [groups]."""
    if options.weight == "entropy":
        # No answer counts where a judge of one's own found right what states none: nothing to be unsure of.
        return np.asarray(np.nan_to_num(groups.answer_entropies(options.unparsed)))
    if options.weight == "accuracy":
        return np.array([1 - group.share_right for group in groups])
    judged = [len(group.right) + len(group.marked("wrong")) for group in groups]
    return np.array([len(group.rejected()) / size for group, size in zip(groups, judged, strict=True)])
