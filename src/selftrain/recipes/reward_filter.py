"""The reward-model filter (baseline of arXiv:2408.09849) and best-of-n (RAFT, arXiv:2304.06767)."""

from collections import Counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from selftrain.recipes import recipe
from selftrain.recipes._votes import VoteOptions, answered, voted
from selftrain.records import Groups
from selftrain.reward_model import open_reward_model
from selftrain.round import Round
from selftrain.signals import keep_lowest
from selftrain.training_set import TrainingSet


class RewardFilterOptions(VoteOptions):
    """Options of the reward-model filter."""

    model: str
    """A sequence classifier with one output: a folder or a hub name."""
    answers: Literal["majority", "gold", "any"] = "majority"  # type: ignore[assignment]
    """Rank the responses with the majority answer, which no gold answer is read for, those judged right, or all."""
    keep: float = Field(0.8, gt=0, le=1)
    """Share of the responses that is kept, those with the highest reward; ties go to the earlier response."""
    best: int | None = Field(None, ge=1)
    """Keep so many of each problem instead of a share of all, those with the highest reward (best-of-n)."""

    def digests(self) -> dict[str, str]:
        """See `RecipeOptions.digests`."""
        return {"reward model": open_reward_model(self.model).digest}


@recipe("reward_filter", paper="arXiv:2408.09849")
def reward_filter(round: Round, options: RewardFilterOptions) -> TrainingSet:
    """The responses with the highest reward: a share of them all, or the best of each problem."""
    model = open_reward_model(options.model)
    groups = answered(round, options)
    samples = (round.trainable(groups) if options.answers == "any" else voted(round, groups, options)).apart()
    rewards = round.rewards(model, samples)
    finite = ~np.isnan(rewards)
    samples, rewards = round.keep(samples.where_mask(finite), of=samples, reason="no finite reward"), rewards[finite]
    kept = best_of_each(samples, rewards, options.best) if options.best else keep_lowest(-rewards, options.keep)
    return round.training_set(round.keep(samples.where_mask(kept), of=samples, reason="lower reward"))


def best_of_each(samples: Groups, rewards: np.ndarray, best: int) -> NDArray[np.bool_]:
    """Mask of the `best` highest rewards of each problem, shape [samples]; ties go to the earlier one."""
    mask = np.zeros(len(samples), dtype=np.bool_)
    kept: Counter[str] = Counter()
    for place in np.argsort(-rewards, kind="stable"):
        problem = samples[place].problem.id
        mask[place] = kept[problem] < best
        kept[problem] += 1
    return mask
