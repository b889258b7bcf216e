"""WeightedPreferenceTrainer: what the trainers for pairs and for labelled completions have in common."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object, is_peft_model
from datasets import Dataset
from torch import Tensor
from trl.trainer.utils import use_adapter

from selftrain.errors import ConfigError
from selftrain.training.columns import Columns, check_rows, without_empty
from selftrain.training.fingerprint import fingerprint
from selftrain.training.references import Item, References, blocks_of
from selftrain.training.rows import IGNORED, Cut, Fit, cut_prompt, fitted, with_columns
from selftrain.training.trainer import WeightedTrainer, completion_labels, padded, refuse, teach

REFERENCES = "references.jsonl"
"""The file in the output directory with the log-probabilities of the reference, unless another is named."""


class WeightedPreferenceTrainer(WeightedTrainer):
    """Put before TRL's DPOTrainer or KTOTrainer.

    The log-probabilities of the reference (`ref_model`, or the model as it starts) are computed once, before
    the first step, and kept in the file `references`; the reference is then let go.
    """

    ref_model: Any
    _fit: Fit
    _cut: Cut = staticmethod(cut_prompt)
    _wanted: Columns
    _kept: References | None = None

    def _begin_setup(self: Any, ref_model: Any, args: Any, references: Path | str | None) -> None:
        """To be called before TRL's constructor, which asks for the log-probabilities; raises ConfigError for beta."""
        if not 0 < args.beta < float("inf"):
            raise ConfigError(f"beta={args.beta!r} holds the model to no reference: set it to a number above 0")
        self._another = ref_model is not None
        self._sums: dict[str, dict[str, Tensor]] = {"train": {}, "eval": {}}
        self._references = Path(references or Path(args.output_dir) / REFERENCES)
        args.precompute_ref_log_probs = True

    def _let_go(self: Any) -> None:
        """To be called after TRL's constructor: from here on the reference is what is known of it."""
        if self.ref_model is not None:
            # Another trainer may want to prepare it, which this mark would keep it from.
            vars(self.ref_model).pop("_is_accelerate_prepared", None)
            self.ref_model = None
            self.accelerator.free_memory()

    @property
    def _compared_with(self: Any) -> Any:
        """The reference while it is at hand; without one of its own, the model, see `_as_it_started`."""
        return self.model if self.ref_model is None else self.ref_model

    def evaluate(self: Any, eval_dataset: Any = None, *args: Any, **kwargs: Any) -> dict[str, float]:
        """See TRL's; other data sets than those of the constructor only where the reference is still at hand."""
        if self._another and isinstance(eval_dataset, Dataset | dict):
            raise ConfigError("ref_model was let go once its log-probabilities were known: give rows as eval_dataset")
        found: dict[str, float] = super().evaluate(eval_dataset, *args, **kwargs)  # type: ignore[misc]
        return found

    def _prepare_dataset(self: Any, dataset: Dataset, processing_class: Any, args: Any, dataset_name: str) -> Dataset:
        check_rows(dataset, columns=self._wanted)
        rows = without_empty(dataset.with_format(None), self._wanted)
        if self._wanted.mark not in rows.column_names:
            uncut = copy.copy(args)
            uncut.max_length = None  # TRL would cut completions
            rows = super()._prepare_dataset(rows, processing_class, uncut, dataset_name)  # type: ignore[misc]
        return fitted(rows, args.max_length, self._fit, self._cut)

    def _with_reference(self: Any, rows: Dataset, parts: Mapping[str, tuple[str, str]], batch_size: int) -> Dataset:
        """The rows with columns of log-probabilities under the reference, those there were before read from the file.

        `parts` names of each new column those of the prompt and the completion.
        """
        if self._kept is None:
            precision = "bf16" if self.args.bf16 else "fp16" if self.args.fp16 else "fp32"
            # A model spread over processes was hashed by TRL before it was.
            content = self._precompute_model_hash if self.is_fsdp_enabled else fingerprint(self._compared_with)
            self._kept = References(self._references, f"{content} {precision}")
        items = {
            name: [(tuple(row[prompt]), tuple(row[completion])) for row in rows]
            for name, (prompt, completion) in parts.items()
        }
        blocks = blocks_of([item for column in items.values() for item in column], batch_size)
        missing = self._kept.missing(blocks)
        for start in range(0, len(missing), self._processes):
            # A model spread over processes needs them all in every pass, so none is without a block.
            mine = missing[min(start + self.accelerator.process_index, len(missing) - 1)]
            found = gather_object([(mine, self._logps_before(mine))])
            self._kept.add(found, write=self.accelerator.is_main_process)
        known = self._kept.by_item(blocks)
        return with_columns(rows, {name: [known[item] for item in column] for name, column in items.items()})

    def _logps_before(self: Any, items: Sequence[Item]) -> list[float]:
        """Log-probabilities under the reference, computed now."""
        model = self._compared_with
        teach(model)
        batch = {name: value.to(self.accelerator.device) for name, value in padded_items(items).items()}
        training = model.training
        model.eval()
        with torch.no_grad(), self.accelerator.autocast(), _as_it_started(self.ref_model, model):
            logps = completion_logps(model, batch)
        model.train(training)
        return [float(value) for value in logps]

    def _note(self: Any, figures: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        """Adds to figures, given as (values, which of them count), whose means over rows are logged next."""
        mode = "train" if self.model.training else "eval"
        parts = [
            torch.stack([torch.where(counted, values.detach(), 0).sum(), counted.sum()])
            for values, counted in figures.values()
        ]
        for name, sums in zip(figures, self.accelerator.reduce(torch.stack(parts)), strict=True):
            self._sums[mode][name] = self._sums[mode].get(name, 0) + sums

    def log(self: Any, logs: dict[str, float], start_time: float | None = None) -> None:
        """See transformers' Trainer."""
        mode = "train" if self.model.training else "eval"
        means = {name: (total / count).item() for name, (total, count) in self._sums[mode].items() if count}
        if {"rewards/chosen", "rewards/rejected"} <= means.keys():
            means["rewards/margins"] = means["rewards/chosen"] - means["rewards/rejected"]
        for name, mean in means.items():
            self._metrics[mode][name].append(mean)
        self._sums[mode].clear()
        super().log(logs, start_time)  # type: ignore[misc]


def completion_logps(model: Any, batch: Mapping[str, Tensor], prefix: str = "") -> Tensor:
    """Log-probabilities (nats) of the labelled tokens of each row, shape [rows]."""
    inputs = {name: batch[prefix + name] for name in ("input_ids", "attention_mask")}
    nll: Tensor = model(**inputs, completion_labels=batch[f"{prefix}labels"])
    return -nll.sum(1)


def completion_lengths(batch: Mapping[str, Tensor]) -> Tensor:
    """How many tokens of each row are labelled, shape [rows]."""
    return (batch["labels"][:, 1:] != IGNORED).sum(1)


def padded_items(items: Sequence[Item]) -> dict[str, Tensor]:
    """Prompts with their completions as a batch."""
    return padded([completion_labels(prompt, completion) for prompt, completion in items])


def check_preference_settings(args: Any, collator: Any, wanted: Mapping[str, Any]) -> None:
    """Raises ConfigError for what would change or drop the weighted loss, or make the reference another one."""
    if collator is not None:
        raise ConfigError(f"{type(collator).__name__} would drop the weights of rows: leave data_collator unset")
    ours = {
        "dataloader_drop_last": False,
        "label_smoothing_factor": 0,
        "sync_ref_model": False,
        "use_liger_kernel": False,
    }
    refuse(args, {**ours, **wanted}, "has no weighted form here")


def _as_it_started(ref_model: Any, model: Any) -> Any:
    """The adapter off where it is what is trained; an adapter that was there before has a copy called "ref"."""
    if ref_model is not None or not is_peft_model(model):
        return nullcontext()
    return use_adapter(model, adapter_name="ref" if "ref" in model.peft_config else None)
