"""Iterative SFT, DPO and SFT-DPO after a warm-up on labels: "Progress or Regress?", Algorithm 1 (arXiv:2407.05013)."""

from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from selftrain.recipes import RecipeOptions, recipe
from selftrain.records import Group, Groups, draw
from selftrain.round import Preference, Round
from selftrain.training_set import TrainingSet

if TYPE_CHECKING:
    from selftrain.labels import Label

ENOUGH = 0.5
"""Coverage above which the paper advises DPO."""


class IterativeOptions(RecipeOptions):
    """Options of iterative post-training."""

    method: Literal["sft", "dpo", "sft_dpo"] = "sft"
    """What rounds after the warm-up do; `sft_dpo` alternates, DPO first."""
    samples: int = Field(50, ge=1, le=10_000)
    """Responses drawn for each training problem (N), afresh in every round."""
    warm_up: bool = True
    """Whether the first round trains the task's own rationales (gold answers where there is none)."""
    pairs: Literal["zip", "cross", "one"] = "zip"
    """Of a problem's right and wrong responses, both shuffled: the first with the first and so on, every right one
    with every wrong one (the paper's line 7 as written), or one pair."""
    per_problem: int | None = Field(None, ge=1)
    """Right responses, or pairs, of different text kept for each problem, at most; None keeps all, as the paper."""

    @property
    def reads(self) -> "frozenset[Label]":
        """See `RecipeOptions.reads`."""
        return frozenset({"gold", "rationales"} if self.warm_up else {"gold"})

    def turn(self, number: int) -> int:
        """Which turn of sampling a round is, from 1; 0 is the warm-up."""
        return number - self.warm_up


@recipe("iterative", paper="arXiv:2407.05013")
def iterative(round: Round, options: IterativeOptions) -> TrainingSet:
    """Right responses (SFT) or pairs of a right and a wrong one (DPO) of the parent, drawn afresh every round."""
    turn = options.turn(round.number)
    if turn == 0:
        return round.training_set(round.solutions())
    sampled = round.judge(round.sample(round.parent, round.problems, n=options.samples))
    if turn == 1:
        unwarmed = options.warm_up and round.parent == round.base
        round.tell(advice(sampled) + ("; this is the base, the warm-up was not promoted" if unwarmed else ""))
    groups = round.keep(sampled.where_any_right(), of=sampled, reason="no right response")
    if options.method == "sft" or (options.method == "sft_dpo" and turn % 2 == 0):
        return round.training_set(groups.draw_right(options.per_problem, round.rng))
    groups = round.keep(groups.where_any_wrong(), of=groups, reason="no wrong response")
    return round.pair_set([pair for group in groups for pair in paired(group, options, round.rng)])


def paired(group: Group, options: IterativeOptions, rng: np.random.Generator) -> list[Preference]:
    """Pairs of a problem's right and wrong responses of different text, see `IterativeOptions.pairs`."""
    right, wrong = (rng.permutation(group.distinct(mark)).tolist() for mark in ("right", "wrong"))
    couples = list(product(right, wrong)) if options.pairs == "cross" else list(zip(right, wrong, strict=False))
    kept = draw(list(range(len(couples))), 1 if options.pairs == "one" else options.per_problem, rng)
    return [(group.problem, group.responses[couples[i][0]], group.responses[couples[i][1]]) for i in kept]


def advice(groups: Groups) -> str:
    """The coverage (mean share of right responses over the training problems) and what the paper advises from it."""
    shares = [share for share in (group.share_right for group in groups) if not np.isnan(share)]
    coverage = float(np.mean(shares)) if shares else float("nan")
    advised = "DPO or SFT-DPO (method: dpo or sft_dpo)" if coverage > ENOUGH else "SFT (method: sft)"
    return (
        f"coverage {coverage:.3f}, the mean share right on {len(shares):,} training problems: "
        f"at {'more than' if coverage > ENOUGH else 'most'} {ENOUGH} the paper advises {advised}"
    )
