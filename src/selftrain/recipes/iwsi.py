"""IWSI: learn the samples least shifted from what people write, by their loss (arXiv:2408.09849)."""

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from selftrain.errors import ConfigError
from selftrain.recipes import recipe
from selftrain.recipes._votes import VoteOptions, answered, voted
from selftrain.round import Round
from selftrain.signals import clipped_ratio, ds_weight, keep_lowest
from selftrain.training_set import TrainingSet

if TYPE_CHECKING:
    from selftrain.labels import Label


class IwsiOptions(VoteOptions):
    """Options of IWSI."""

    keep: float = Field(0.8, gt=0, le=1)
    """Share of the samples that is kept, those with the lowest DS weight; ties go to the earlier sample. IWSI-w keeps
    all."""
    loss_on: Literal["completion", "all"] = "completion"
    """Tokens of the losses: the completion's, or the question's too, as the published code has it."""
    weighted: bool = False
    """IWSI-w: keep all samples and weight their loss with min(L_valid / L, cap) instead."""
    cap: float = Field(2.0, gt=0, allow_inf_nan=False)
    """Largest weight of IWSI-w (C); of no effect without `weighted`."""

    @property
    def reads(self) -> "frozenset[Label]":
        """See `RecipeOptions.reads`."""
        return super().reads | {"valid"}


@recipe("iwsi", paper="arXiv:2408.09849")
def iwsi(round: Round, options: IwsiOptions) -> TrainingSet:
    """Samples with the majority answer and the lowest DS weight `max(L_valid / L, L / L_valid)`, all alike.

    L is a sample's mean loss under the parent and the training prompt, L_valid that of people's rationales.
    """
    valid = round.valid()
    samples = voted(round, answered(round, options), options).apart()
    valid_loss = float(np.mean(round.losses(round.parent, valid, loss_on=options.loss_on)))
    losses = round.losses(round.parent, samples, loss_on=options.loss_on)
    if not (math.isfinite(valid_loss) and valid_loss > 0):
        raise ConfigError(
            f"the parent's loss on the valid split is {valid_loss}, with which none can be compared: "
            "if its training diverged, lower training.learning_rate"
        )
    round.tell(f"valid loss {valid_loss:.3f} nats a token on {len(valid):,} rationales")
    samples = round.keep(samples.where_mask(losses > 0), of=samples, reason="no loss above 0")
    losses = losses[losses > 0]
    if options.weighted:
        return round.training_set(samples, clipped_ratio(losses, valid_loss, options.cap), normalise=False)
    kept = samples.where_mask(keep_lowest(ds_weight(losses, valid_loss), options.keep))
    return round.training_set(round.keep(kept, of=samples, reason="higher DS weight"))
