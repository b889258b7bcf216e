"""WeightedSFTTrainer: TRL's supervised trainer with a weight for every row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from accelerate.utils import is_peft_model
from datasets import Dataset
from torch import Tensor
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from selftrain.errors import ConfigError
from selftrain.training.head import add_completion_nll
from selftrain.training.losses import sequence_sum, token_sum

IGNORED = -100


@dataclass(frozen=True)
class WeightedCollator:
    """Pads rows (`input_ids`, `labels`, `weight`) on the right to [rows, tokens]; `weight` becomes [rows].

    The mask hides the padding and attention is causal, so the token it is made of does not matter.
    """

    pad_to_multiple_of: int = 1

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        if not all(any(label != IGNORED for label in row["labels"][1:]) for row in rows):
            raise ValueError("rows: one has no completion token after its first token, drop it")
        length = max(len(row["input_ids"]) for row in rows)
        length += -length % self.pad_to_multiple_of

        def padded(lists: Sequence[Sequence[int]], value: int) -> Tensor:
            return torch.tensor([[*items, *[value] * (length - len(items))] for items in lists])

        ids = [row["input_ids"] for row in rows]
        return {
            "input_ids": padded(ids, 0),
            "attention_mask": padded([[1] * len(items) for items in ids], 0),
            "labels": padded([row["labels"] for row in rows], IGNORED),
            "weight": torch.tensor([row["weight"] for row in rows], dtype=torch.float32),
        }


class WeightedSFTTrainer(SFTTrainer):
    """TRL's SFTTrainer for rows with `input_ids`, `completion_mask` (or `labels`) and `weight`.

    `loss` "token" is `sum_i w_i sum_t nll_it / sum_i T_i`, "sequence" is `mean_i (w_i * mean_t nll_it)`,
    over all the rows of one optimizer step: micro-batches, accumulation and padding do not change it, equal
    weights do not cancel, and a row of weight 0 still counts in the denominator. Only completion tokens
    count, and only they pass through the output head. Logs `weighted_share`, `sum_i w_i T_i / sum_i T_i` of
    the step. What would drop weights (another collator or loss, packing, fused losses) is refused with a
    ConfigError.
    """

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
        rows = _check_rows(train_dataset, eval_dataset)
        # Otherwise TRL trains on the prompts, too, of rows that come tokenized.
        args.completion_only_loss = True
        collator = data_collator or WeightedCollator(int(args.pad_to_multiple_of or 1))
        super().__init__(model, args, collator, train_dataset, eval_dataset, **kwargs)
        if _check_rows(self.train_dataset, self.eval_dataset) != rows:
            raise ConfigError(
                f"a row has no completion token within max_length {args.max_length}: drop it, then set weights"
            )
        if self.aux_loss_enabled:
            raise ConfigError("the router loss of mixtures of experts has no weights: set router_aux_loss_coef=0")
        self.loss = loss
        # The loss is already divided by the whole step, so accumulation must not divide it again.
        self.model_accepts_loss_kwargs = True
        trained: Any = self.model
        add_completion_nll(trained.get_base_model() if is_peft_model(trained) else trained)

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
        if self.loss == "token":
            loss, items = token_sum(nll, mask, weights), mask.sum()
        else:
            loss, items = sequence_sum(nll, mask, weights), len(labels)
        # Data parallelism averages gradients over processes; the step's denominator counts the rows of all.
        loss = loss / items if num_items_in_batch is None else loss / num_items_in_batch * self._processes
        if not return_outputs:
            return loss
        with torch.no_grad():
            return loss, model(**inputs)

    @property
    def _processes(self) -> int:
        return int(self.accelerator.num_processes)

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Tensor]], device: torch.device) -> Tensor:
        """The denominator of a step, over all its micro-batches and processes; logs `weighted_share`."""
        tokens = torch.cat([(batch["labels"][:, 1:] != IGNORED).sum(1) for batch in batch_samples])
        weights = torch.cat([batch["weight"] for batch in batch_samples])
        sums = torch.stack([tokens.sum(), (weights * tokens).sum(), torch.tensor(len(tokens))]).to(device)
        total, weighted, rows = torch.unbind(self.accelerator.reduce(sums))
        self._metrics["train"]["weighted_share"].append((weighted / total).item())
        return total if self.loss == "token" else rows

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns: Any = ["input_ids", "labels", "weight"]

    def _send_telemetry(self) -> None:
        """Nothing is sent: what is trained here is its owner's business."""


def _check_settings(args: SFTConfig, loss: str, collator: Any, others: Mapping[str, Any]) -> None:
    if loss not in ("token", "sequence"):
        raise ConfigError(f"loss is {loss!r}, wanted 'token' or 'sequence'")
    if collator is not None and not isinstance(collator, WeightedCollator):
        raise ConfigError(f"{type(collator).__name__} would drop the weights of rows: use WeightedCollator")
    if others.get("compute_loss_func") is not None:
        raise ConfigError("compute_loss_func would replace the weighted loss: remove it")
    if args.completion_only_loss is False:
        raise ConfigError("completion_only_loss=False would train on prompts: leave it unset")
    wanted = {
        "assistant_only_loss": False,
        "label_smoothing_factor": 0,
        "loss_type": "nll",
        "packing": False,
        "padding_free": False,
        "use_liger_kernel": False,
    }
    for key, value in wanted.items():
        if getattr(args, key) != value:
            raise ConfigError(f"{key}={getattr(args, key)!r} would drop the weights of rows: set it to {value!r}")


def _check_rows(*datasets: Any) -> int:
    """The number of rows in all data sets; raises ConfigError for missing columns or impossible weights."""
    parts = [part for item in datasets for part in (item.values() if isinstance(item, dict) else [item])]
    return sum(_check_dataset(part) for part in parts if part is not None)


def _check_dataset(rows: Any) -> int:
    if not isinstance(rows, Dataset):
        raise ConfigError(f"rows are a {type(rows).__name__}, wanted a datasets.Dataset")
    columns = set(rows.column_names)
    if "weight" not in columns or not columns & {"labels", "completion_mask", "completion"}:
        raise ConfigError(
            f"rows have the columns {sorted(columns)}, wanted input_ids, completion_mask or labels, weight"
        )
    weights = torch.tensor(rows["weight"][:], dtype=torch.float32)
    if not (torch.isfinite(weights) & (weights >= 0)).all():
        raise ConfigError("the column weight has a negative or non-finite value: correct it")
    return len(rows)
