"""WeightedDPOTrainer: TRL's preference trainer with a weight for every pair."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from selftrain.errors import ConfigError
from selftrain.training.columns import Columns, check_rows
from selftrain.training.losses import pair_losses
from selftrain.training.preference import (
    WeightedPreferenceTrainer,
    check_preference_settings,
    completion_lengths,
    completion_logps,
    padded_items,
)
from selftrain.training.rows import fit_completions

LOSSES = ("sigmoid", "hinge", "ipo")
"""Kinds of loss that take weights."""


class WeightedDPOTrainer(WeightedPreferenceTrainer, DPOTrainer):
    """TRL's DPOTrainer for pairs with a `weight`: text, or `prompt_ids`, `chosen_ids` and `rejected_ids`.

    The loss of a step is the mean over its pairs of weight times the pair's loss: `loss_type` "sigmoid" (DPO,
    arXiv:2305.18290), "hinge" or "ipo". The reference is `ref_model`, or the model as it starts (for an adapter:
    the model below it). Its log-probabilities are computed once and kept in `references` (a file of the output
    directory if not given). Prompts lose their beginning where a pair is longer than `max_length`, completions never.
    """

    _columns = ("prompt_ids", "chosen_ids", "rejected_ids", "weight", "ref_chosen_logps", "ref_rejected_logps")
    _filler: Mapping[str, Any] = {
        "prompt_ids": [0],
        "chosen_ids": [],
        "rejected_ids": [],
        "weight": 0.0,
        "ref_chosen_logps": 0.0,
        "ref_rejected_logps": 0.0,
    }
    _fit = staticmethod(fit_completions("chosen_ids", "rejected_ids"))
    _wanted = Columns(
        mark="prompt_ids",
        tokens=(frozenset({"prompt_ids", "chosen_ids", "rejected_ids"}),),
        text=frozenset({"chosen", "rejected"}),
        completions=("chosen", "rejected"),
    )

    def __init__(
        self,
        model: Any,
        ref_model: Any = None,
        args: DPOConfig | None = None,
        data_collator: None = None,
        train_dataset: Dataset | None = None,
        eval_dataset: Dataset | dict[str, Dataset] | None = None,
        *,
        references: Path | str | None = None,
        **kwargs: Any,
    ) -> None:
        args = DPOConfig() if args is None else args
        wanted = {
            "f_divergence_type": "reverse_kl",
            "label_smoothing": 0.0,
            "ld_alpha": None,
            "loss_weights": None,
            "padding_free": False,
            "use_weighting": False,
        }
        check_preference_settings(args, data_collator, wanted)
        if len(args.loss_type) != 1 or args.loss_type[0] not in LOSSES:
            raise ConfigError(f"loss_type={args.loss_type!r} has no weighted form here: set it to one of {LOSSES}")
        check_rows(train_dataset, eval_dataset, columns=self._wanted)
        self._begin_setup(ref_model, args, references)
        super().__init__(model, ref_model, args, collate_pairs, train_dataset, eval_dataset, **kwargs)
        self._let_go()
        self._finish_setup(self._wanted, train_dataset, eval_dataset)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """A micro-batch's part of the loss of its step; `num_items_in_batch` is the step's number of pairs."""
        logps, lengths = completion_logps(model, inputs), completion_lengths(inputs)
        ratios = logps - torch.cat([inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]])
        chosen, rejected = ratios.chunk(2)
        real = self._counts(inputs) > 0
        kind: Any = self.loss_types[0]
        losses = pair_losses(chosen, rejected, self.beta, kind, lengths.clamp(min=1))
        part = torch.where(real, inputs["weight"] * losses, 0).sum()
        figures = {"rewards/accuracies": (chosen > rejected).float()}
        for side, ratio, logp in zip(("chosen", "rejected"), (chosen, rejected), logps.chunk(2), strict=True):
            figures |= {f"rewards/{side}": self.beta * ratio, f"logps/{side}": logp}
        self._note({name: (values, real) for name, values in figures.items()})
        loss = self._share(part, num_items_in_batch, real.sum())
        return self._with_logits(loss, model, inputs) if return_outputs else loss

    def _counts(self, batch: Mapping[str, Tensor]) -> Tensor:
        return (completion_lengths(batch).chunk(2)[0] > 0).long()

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        parts = {f"ref_{side}_logps": ("prompt_ids", f"{side}_ids") for side in ("chosen", "rejected")}
        return self._with_reference(dataset, parts, batch_size)


def collate_pairs(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Pads to [2 * pairs, tokens], the chosen ones first; numbers become [pairs]."""
    batch = padded_items(
        [(pair["prompt_ids"], pair[f"{side}_ids"]) for side in ("chosen", "rejected") for pair in pairs]
    )
    names = ("weight", "ref_chosen_logps", "ref_rejected_logps")
    numbers = {name: torch.tensor([pair[name] for pair in pairs]) for name in names}
    return {**batch, **numbers}
