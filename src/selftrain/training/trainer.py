"""WeightedTrainer: what the trainers of weighted rows have in common, in front of the one of TRL."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.data_loader import SeedableRandomSampler
from accelerate.utils import is_peft_model
from datasets import Dataset, concatenate_datasets
from torch import Tensor
from torch.utils.data import Sampler
from transformers import TrainerCallback

from selftrain.errors import ConfigError
from selftrain.store import append_json, read_json_lines, write_text
from selftrain.training.columns import Columns, check_tokenized
from selftrain.training.encoder_decoder import add_decoder_nll
from selftrain.training.head import add_completion_nll
from selftrain.training.rows import IGNORED

LOG = "metrics.jsonl"
"""The file in the output directory with one line of figures a log."""


class WeightedTrainer:
    """Put before a trainer of TRL: the steps are fixed lists of rows, and each row's loss is times its weight.

    An optimizer step of `per_device_train_batch_size` x `gradient_accumulation_steps` x processes rows has the
    same loss and gradient however it is split, in the last step of an epoch, too: where rows run out, processes get
    fillers that count for nothing (accelerate would repeat rows). The loss of a micro-batch comes divided by the
    whole step's denominator. Every log is a line of `metrics.jsonl` in the output directory, and nothing is sent
    anywhere but to `report_to`.
    """

    loss_is_scaled_for_ga: Any = True
    _columns: tuple[str, ...]
    """What the collator takes of a row."""
    _filler: Mapping[str, Any]
    """A row that counts for nothing."""
    _fillers = 0

    def _finish_setup(self: Any, columns: Columns, *datasets: Any) -> None:
        """To be called at the end of the constructor, with what it was given to train on.

        Raises ConfigError for what would be trained without weights, or as other than it is.
        """
        if self.aux_loss_enabled:
            raise ConfigError("the router loss of mixtures of experts has no weights: set router_aux_loss_coef=0")
        if is_peft_model(self.model) and self.model.active_peft_config.is_prompt_learning:
            raise ConfigError("prompt-learning adapters shift the tokens of rows: use LoRA")
        if self.model.config.is_encoder_decoder:
            check_tokenized(*datasets, columns=columns)
        if getattr(self.model, "is_loaded_in_4bit", False):
            # TRL makes the adapter bfloat16, too coarse for its updates.
            for parameter in self.model.parameters():
                parameter.data = parameter.data.float() if parameter.requires_grad else parameter.data
        teach(self.model)
        self.add_callback(LogFile(Path(self.args.output_dir) / LOG))

    @property
    def _processes(self: Any) -> int:
        return int(self.accelerator.num_processes)

    def _share(self, part: Tensor, total: Tensor | int | None, alone: Tensor) -> Tensor:
        """A micro-batch's part of the loss of its step, or the loss of a batch that stands `alone`.

        Data parallelism averages gradients over processes; the step's denominator, `total`, counts the rows of all.
        """
        return part / alone if total is None else part / total * self._processes

    def _with_logits(self: Any, loss: Tensor, model: Any, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Any]:
        """The loss and, for metrics of the user's own, what a causal model itself says of the rows."""
        if self.model.config.is_encoder_decoder:
            return loss, {}
        with torch.no_grad():
            return loss, model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])

    def _counts(self, batch: Mapping[str, Tensor]) -> Tensor:
        """How much each row counts, shape [rows]; 0 for fillers."""
        raise NotImplementedError

    def _denominator(self, counts: Tensor, rows: Tensor) -> Tensor:
        """Of the step's loss: `counts` is the sum over its rows, `rows` their number."""
        return rows

    def _get_num_items_in_batch(self: Any, batch_samples: Sequence[dict[str, Tensor]], device: torch.device) -> Any:
        """The denominator of a step, over all its micro-batches and processes; logs `weighted_share`."""
        counts = torch.cat([self._counts(batch) for batch in batch_samples])
        weights = torch.cat([batch["weight"] for batch in batch_samples])
        sums = torch.stack([counts.sum(), (weights * counts).sum(), (counts > 0).sum()]).to(device)
        total, weighted, rows = torch.unbind(self.accelerator.reduce(sums))
        self._metrics["train"]["weighted_share"].append((weighted / total).item())
        return self._denominator(total, rows)

    def get_train_dataloader(self: Any) -> Any:
        """See transformers' Trainer; with several processes rows end in fillers, so that all have equally many."""
        if self._processes > 1 and not self._fillers:
            if self.args.train_sampling_strategy not in ("random", "sequential"):
                raise ConfigError(
                    f"train_sampling_strategy={self.args.train_sampling_strategy!r} changes the rows of a step with "
                    "the number of processes: use 'random' or 'sequential'"
                )
            rows = self.train_dataset.select_columns([name for name in self._columns if name in self._filler])
            self._fillers = -len(rows) % (self._train_batch_size * self._processes)
            if self._fillers:
                fillers = Dataset.from_list([dict(self._filler)] * self._fillers, features=rows.features)
                self.train_dataset = concatenate_datasets([rows, fillers])
        loader = super().get_train_dataloader()  # type: ignore[misc]
        if self._fillers:
            # Where a resumed training, which skips batches, looks for what has epochs.
            loader.set_sampler(loader.batch_sampler.batch_sampler.sampler)
        return loader

    def _get_train_sampler(self: Any, train_dataset: Dataset | None = None) -> Any:
        if self._fillers and self.args.train_sampling_strategy == "random":
            return FillersLast(len(self.train_dataset) - self._fillers, self._fillers, self.args.data_seed)
        return super()._get_train_sampler(train_dataset)  # type: ignore[misc]

    def train(self: Any, *args: Any, **kwargs: Any) -> Any:
        """See transformers' Trainer."""
        if self._processes > 1:
            # An evaluation before leaves a mark, with which the model would be trained by each process for itself.
            vars(self.model).pop("_is_accelerate_prepared", None)
        return super().train(*args, **kwargs)  # type: ignore[misc]

    def _set_signature_columns_if_needed(self) -> None:
        trainer: Any = self
        trainer._signature_columns = list(self._columns)

    def _send_telemetry(self) -> None:
        """Nothing is sent: what is trained here is its owner's business."""


class FillersLast(Sampler[int]):
    """The order in which accelerate would shuffle rows, and then the fillers behind them."""

    def __init__(self, rows: int, fillers: int, seed: int | None) -> None:
        self._order = SeedableRandomSampler(range(rows), data_seed=seed)
        self._fillers = range(rows, rows + fillers)

    def __len__(self) -> int:
        return len(self._order) + len(self._fillers)

    def __iter__(self) -> Iterator[int]:
        yield from self._order
        yield from self._fillers

    def set_epoch(self, epoch: int) -> None:
        """Makes the next pass the one of this epoch."""
        self._order.set_epoch(epoch)


class LogFile(TrainerCallback):
    """Appends what is logged to a file, one JSON object a line; what comes after the step resumed at goes first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            kept = [line for line in read_json_lines(self._path) if _step(line) <= state.global_step]
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._path, "".join(json.dumps(line) + "\n" for line in kept))

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if state.is_world_process_zero:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            append_json(self._path, {"step": state.global_step, **(logs or {})})


def _step(line: Any) -> float:
    """The step of a line of the log; of one that is not of ours, it is after all others."""
    try:
        return float(line["step"])
    except (KeyError, TypeError, ValueError):
        return float("inf")


def teach(model: Any) -> None:
    """See `add_completion_nll` and `add_decoder_nll`; a model that knows it already stays as it is."""
    inner = model.get_base_model() if is_peft_model(model) else model
    if not getattr(inner.forward, "takes_completion_labels", False):
        add_nll = add_decoder_nll if inner.config.is_encoder_decoder else add_completion_nll
        add_nll(inner)
        inner.forward.takes_completion_labels = True


def padded(rows: Sequence[tuple[Sequence[int], Sequence[int]]], multiple: int = 1) -> dict[str, Tensor]:
    """Rows of (token ids, labels) on the right padded to [rows, tokens], `tokens` a multiple of `multiple`.

    The mask hides the padding and attention is causal, so the token it is made of does not matter.
    """
    length = max(len(ids) for ids, _ in rows)
    length += -length % multiple

    def filled(lists: Sequence[Sequence[int]], value: int) -> Tensor:
        return torch.tensor([[*items, *[value] * (length - len(items))] for items in lists])

    ids = [ids for ids, _ in rows]
    return {
        "input_ids": filled(ids, 0),
        "attention_mask": filled([[1] * len(items) for items in ids], 0),
        "labels": filled([labels for _, labels in rows], IGNORED),
    }


def completion_labels(prompt_ids: Sequence[int], completion_ids: Sequence[int]) -> tuple[list[int], list[int]]:
    """(Token ids, labels) of a prompt and its completion, which alone has labels."""
    return [*prompt_ids, *completion_ids], [IGNORED] * len(prompt_ids) + list(completion_ids)


def refuse(args: Any, wanted: Mapping[str, Any], why: str) -> None:
    """Raises ConfigError for the first argument that has another value than wanted."""
    for key, value in wanted.items():
        if getattr(args, key) != value:
            raise ConfigError(f"{key}={getattr(args, key)!r} {why}: set it to {value!r}")
