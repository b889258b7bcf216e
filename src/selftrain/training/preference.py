"""WeightedPreferenceTrainer: what the trainers for pairs and for labelled completions have in common."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object, is_peft_model
from datasets import Dataset
from torch import Tensor
from trl.trainer.utils import hash_module, use_adapter

from selftrain.errors import ConfigError
from selftrain.training.references import Item, References, blocks_of
from selftrain.training.rows import IGNORED, Cut, Fit, cut_prompt, fitted
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
    _kept: References | None = None

    def _name_reference(self: Any, model: Any, ref_model: Any, args: Any, references: Path | None) -> None:
        """To be called before TRL's constructor, which asks for the log-probabilities."""
        given = model if ref_model is None else ref_model
        # A model still to be loaded is hashed by TRL, once it is.
        self._fingerprint = None if isinstance(given, str) else hash_module(given)
        self._references = references or Path(args.output_dir) / REFERENCES
        args.precompute_ref_log_probs = True

    def _prepare_dataset(self: Any, dataset: Dataset, processing_class: Any, args: Any, dataset_name: str) -> Dataset:
        if "prompt_ids" not in dataset.column_names:
            uncut = copy.copy(args)
            uncut.max_length = None  # TRL would cut completions
            dataset = super()._prepare_dataset(dataset, processing_class, uncut, dataset_name)  # type: ignore[misc]
        return fitted(dataset, args.max_length, self._fit, self._cut)

    def _with_reference(self: Any, rows: Dataset, parts: Mapping[str, tuple[str, str]], batch_size: int) -> Dataset:
        """The rows with columns of log-probabilities under the reference, those there were before read from the file.

        `parts` names of each new column those of the prompt and the completion.
        """
        if self._kept is None:
            precision = "bf16" if self.args.bf16 else "fp16" if self.args.fp16 else "fp32"
            self._kept = References(self._references, f"{self._fingerprint or self._precompute_model_hash} {precision}")
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
        for name, column in items.items():
            rows = rows.add_column(name, [known[item] for item in column])
        return rows

    def _logps_before(self: Any, items: Sequence[Item]) -> list[float]:
        """Log-probabilities under the reference, computed now."""
        model = self.model if self.ref_model is None else self.ref_model
        teach(model)
        batch = {name: value.to(self.accelerator.device) for name, value in padded_items(items).items()}
        training = model.training
        model.eval()
        with torch.no_grad(), self.accelerator.autocast(), _as_it_started(self.ref_model, model):
            logps = completion_logps(model, batch)
        model.train(training)
        return [float(value) for value in logps]

    def _note(self: Any, figures: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        """Logs the means of figures, given as (values, which of them count), over all processes."""
        mode = "train" if self.model.training else "eval"
        parts = [
            torch.stack([torch.where(counted, values.detach(), 0).sum(), counted.sum()])
            for values, counted in figures.values()
        ]
        for name, (total, count) in zip(figures, self.accelerator.reduce(torch.stack(parts)), strict=True):
            if count:
                self._metrics[mode][name].append((total / count).item())


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
    refuse(args, {"use_liger_kernel": False, "sync_ref_model": False, **wanted}, "has no weighted form here")


def _as_it_started(ref_model: Any, model: Any) -> Any:
    """The adapter off where it is what is trained; an adapter that was there before has a copy called "ref"."""
    if ref_model is not None or not is_peft_model(model):
        return torch.no_grad()
    return use_adapter(model, adapter_name="ref" if "ref" in model.peft_config else None)
