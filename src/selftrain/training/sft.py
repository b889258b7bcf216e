"""WeightedSFTTrainer: TRL's supervised trainer with a weight for every row."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from datasets import Dataset
from torch import Tensor
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from selftrain.errors import ConfigError
from selftrain.training.columns import Columns, check_rows, without_empty
from selftrain.training.losses import sequence_sum, token_sum
from selftrain.training.rows import IGNORED, cut_labels, fit_labels, fitted
from selftrain.training.trainer import WeightedTrainer, padded, refuse

DROPS_WEIGHTS = "would drop the weights of rows"
COLUMNS = Columns(
    mark="input_ids",
    tokens=(frozenset({"input_ids", "labels"}), frozenset({"input_ids", "completion_mask"})),
    text=frozenset({"prompt", "completion"}),
    completions=("completion",),
)


@dataclass(frozen=True)
class WeightedCollator:
    """Pads rows (`input_ids`, `labels`, `weight`) on the right to [rows, tokens]; `weight` becomes [rows]."""

    pad_to_multiple_of: int = 1

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        batch = padded([(row["input_ids"], row["labels"]) for row in rows], self.pad_to_multiple_of)
        return {**batch, "weight": torch.tensor([row["weight"] for row in rows], dtype=torch.float32)}


class WeightedSFTTrainer(WeightedTrainer, SFTTrainer):
    """TRL's SFTTrainer for rows with a `weight`: text, or `input_ids` and `completion_mask` (or `labels`).

    `loss` "token" is `sum_i w_i sum_t nll_it / sum_i T_i`, "sequence" is `mean_i (w_i * mean_t nll_it)`,
    over all the rows of one optimizer step: micro-batches, accumulation, padding and processes do not change it,
    equal weights do not cancel, and a row of weight 0 still counts in the denominator. Only completion tokens
    count, and only they pass through the output head. Logs `weighted_share`, `sum_i w_i T_i / sum_i T_i` of
    the step. Rows longer than `max_length` lose the beginning of their prompt, never of their completion; how many
    were cut, or dropped as there is nothing to train, is a warning. What would drop weights (another collator or
    loss, TRL's packing, fused losses) is refused with a ConfigError.
    """

    _columns = ("input_ids", "labels", "weight")
    _filler: Mapping[str, Any] = {"input_ids": [0], "labels": [IGNORED], "weight": 0.0}

    def __init__(
        self,
        model: Any,
        args: SFTConfig | None = None,
        data_collator: WeightedCollator | None = None,
        train_dataset: Dataset | None = None,
        eval_dataset: Dataset | dict[str, Dataset] | None = None,
        *,
        loss: Literal["token", "sequence"] = "token",
        **kwargs: Any,
    ) -> None:
        args = SFTConfig() if args is None else args
        _check_settings(args, loss, data_collator, kwargs)
        check_rows(train_dataset, eval_dataset, columns=COLUMNS)
        # Otherwise TRL trains on the prompts, too, of rows that come tokenized.
        args.completion_only_loss = True
        self.loss = loss
        collator = data_collator or WeightedCollator(int(args.pad_to_multiple_of or 1))
        super().__init__(model, args, collator, train_dataset, eval_dataset, **kwargs)
        self._finish_setup(COLUMNS, train_dataset, eval_dataset)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """A micro-batch's part of the loss of its step; `num_items_in_batch` is the step's denominator."""
        labels, weights = inputs.pop("labels"), inputs.pop("weight")
        mask = labels[:, 1:] != IGNORED
        nll = model(**inputs, completion_labels=labels)
        real = mask.any(1)
        if self.loss == "token":
            part, items = token_sum(nll, mask, weights), mask.sum()
        else:
            part, items = sequence_sum(nll[real], mask[real], weights[real]), real.sum()
        loss = self._share(part, num_items_in_batch, items)
        return self._with_logits(loss, model, inputs) if return_outputs else loss

    def _counts(self, batch: Mapping[str, Tensor]) -> Tensor:
        return (batch["labels"][:, 1:] != IGNORED).sum(1)

    def _denominator(self, counts: Tensor, rows: Tensor) -> Tensor:
        return counts if self.loss == "token" else rows

    def _prepare_dataset(self, dataset: Dataset, processing_class: Any, args: SFTConfig, *others: Any) -> Dataset:
        check_rows(dataset, columns=COLUMNS)
        uncut = copy.copy(args)
        uncut.max_length = None  # TRL would cut completions
        rows = without_empty(dataset.with_format(None), COLUMNS)
        rows = super()._prepare_dataset(rows, processing_class, uncut, *others)
        return fitted(rows, args.max_length, fit_labels, cut_labels)


def _check_settings(args: SFTConfig, loss: str, collator: Any, others: Mapping[str, Any]) -> None:
    if loss not in ("token", "sequence"):
        raise ConfigError(f"loss is {loss!r}, wanted 'token' or 'sequence'")
    if collator is not None and not isinstance(collator, WeightedCollator):
        raise ConfigError(f"{type(collator).__name__} {DROPS_WEIGHTS}: use WeightedCollator")
    if others.get("compute_loss_func") is not None:
        raise ConfigError("compute_loss_func would replace the weighted loss: remove it")
    if args.completion_only_loss is False:
        raise ConfigError("completion_only_loss=False would train on prompts: leave it unset")
    if args.eval_packing:
        raise ConfigError(f"eval_packing=True {DROPS_WEIGHTS}: leave it unset")
    wanted = {
        "assistant_only_loss": False,
        "dataloader_drop_last": False,
        "label_smoothing_factor": 0,
        "loss_type": "nll",
        "packing": False,
        "padding_free": False,
        "use_liger_kernel": False,
    }
    refuse(args, wanted, DROPS_WEIGHTS)
