"""train_sft, train_dpo, train_kto: train a model on weighted rows, durably and repeatably."""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import datasets
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, TrainerCallback, TrainingArguments
from transformers.utils import logging

from selftrain.digest import digest
from selftrain.disk import disk_errors
from selftrain.errors import ConfigError
from selftrain.training.arguments import dpo_arguments, kto_arguments, lora_adapter, sft_arguments
from selftrain.training.checkpoints import Checkpoints
from selftrain.training.config import TrainingConfig
from selftrain.training.dpo import WeightedDPOTrainer
from selftrain.training.kto import WeightedKTOTrainer
from selftrain.training.loggers import logs_in
from selftrain.training.sft import WeightedSFTTrainer
from selftrain.training.trainer import completion_labels

Sink = Callable[[dict[str, float]], None]


class TrainingRow(Protocol):
    """A tokenized row: prompt and completion ids, where the completion starts, and the weight of the row."""

    @property
    def input_ids(self) -> Sequence[int]: ...
    @property
    def completion_start(self) -> int: ...
    @property
    def weight(self) -> float: ...


class LabelledRow(TrainingRow, Protocol):
    """A row whose completion is to become likelier (true) or less likely."""

    @property
    def label(self) -> bool: ...


class PairRow(Protocol):
    """Token ids of a prompt with a better and a worse completion, and the weight of the pair."""

    @property
    def prompt_ids(self) -> Sequence[int]: ...
    @property
    def chosen_ids(self) -> Sequence[int]: ...
    @property
    def rejected_ids(self) -> Sequence[int]: ...
    @property
    def weight(self) -> float: ...


def train_sft(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[TrainingRow],
    config: TrainingConfig,
    *,
    seed: int,
    folder: Path,
    on_log: Sink | None = None,
    logs: Path | None = None,
) -> Any:
    """Train a float32 `model` in place; returns it in evaluation mode, inside a PeftModel where an adapter is trained.

    `folder` holds the checkpoints: killed at any moment and called again with equal arguments (and the
    untrained model), it goes on from the newest whole one and ends with the weights of an uninterrupted run,
    bit by bit on the same machine and thread count. It may be deleted once the result is saved. `on_log`
    receives after each optimizer step `step`, `total_steps`, `loss` (nats), `grad_norm`, `learning_rate`,
    `weighted_share` and `seconds` (no `grad_norm` without clipping). `logs` is the folder of TensorBoard's files, and
    its name that of the run in any logger that `trl` reports to. Seeds the global random generators.
    Raises ValueError for rows or a model that do not fit, ConfigError for settings TRL refuses or a training
    that diverges, WorkspaceError if `folder` belongs to another training or the disk is full.
    """
    data = _parted(rows)
    _check(model, data, rows, config)
    ids, labels = zip(*(completion_labels(**parts) for parts in data), strict=True)
    table = {"input_ids": list(ids), "labels": list(labels), "weight": _weights(rows)}
    make, args = partial(WeightedSFTTrainer, loss=config.loss), sft_arguments(config, seed, folder)
    return _train(make, args, model, tokenizer, table, config, seed=seed, folder=folder, on_log=on_log, logs=logs)


def train_dpo(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[PairRow],
    config: TrainingConfig,
    *,
    seed: int,
    folder: Path,
    on_log: Sink | None = None,
    logs: Path | None = None,
    reference: Callable[[], PreTrainedModel] | None = None,
    references: Path | None = None,
) -> Any:
    """Train on pairs with `config.preference`; everything else is as for `train_sft`.

    Log-probabilities are compared with those of the model that `reference` loads, or of the model as it starts. They
    are computed once, before it is let go, and kept in the file `references` (one in `folder` if not given), which
    another training may share.
    """
    data = [{name: list(getattr(row, name)) for name in ("prompt_ids", "chosen_ids", "rejected_ids")} for row in rows]
    _check(model, data, rows, config)
    make = partial(_compared, WeightedDPOTrainer, reference, references=references)
    args = dpo_arguments(config, seed, folder)
    table = {**_columns(data), "weight": _weights(rows)}
    return _train(make, args, model, tokenizer, table, config, seed=seed, folder=folder, on_log=on_log, logs=logs)


def train_kto(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[LabelledRow],
    config: TrainingConfig,
    *,
    seed: int,
    folder: Path,
    on_log: Sink | None = None,
    logs: Path | None = None,
    reference: Callable[[], PreTrainedModel] | None = None,
    references: Path | None = None,
) -> Any:
    """Train on labelled completions, shuffled once; everything else is as for `train_dpo`."""
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    rows = [rows[place] for place in order]
    data = _parted(rows)
    _check(model, data, rows, config)
    table = {**_columns(data), "label": [bool(row.label) for row in rows], "weight": _weights(rows)}
    make = partial(_compared, WeightedKTOTrainer, reference, references=references)
    args = kto_arguments(config, seed, folder)
    return _train(make, args, model, tokenizer, table, config, seed=seed, folder=folder, on_log=on_log, logs=logs)


def _compared(trainer: type[Any], reference: Callable[[], PreTrainedModel] | None, **settings: Any) -> Any:
    return trainer(ref_model=reference and reference(), **settings)


def _train(
    make: Callable[..., Any],
    args: TrainingArguments,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    table: Mapping[str, Sequence[Any]],
    config: TrainingConfig,
    *,
    seed: int,
    folder: Path,
    on_log: Sink | None,
    logs: Path | None,
) -> Any:
    settings = config.model_dump(exclude={"preference"} if "labels" in table else {"loss"})
    checkpoints = Checkpoints(folder, digest([settings, seed, table]))
    resumed = checkpoints.newest()
    if not config.adapts:
        model.requires_grad_(True)
    args.run_name = args.run_name or (logs.name if logs else None)
    adapter = lora_adapter(config, encoder_decoder=model.config.is_encoder_decoder) if config.adapts else None
    with _quiet(), _unpatched(model), logs_in(logs), disk_errors(f"a checkpoint in {folder}"):
        trainer = make(
            model=model,
            args=args,
            train_dataset=datasets.Dataset.from_dict(dict(table)),
            processing_class=tokenizer,
            peft_config=adapter,
            callbacks=[_Progress(on_log), _Sealer(checkpoints)],
        )
        trainer.remove_callback(PrinterCallback)
        adapted: Any = trainer.model
        if config.adapts:
            # With a name, PEFT asks the hub about the base model at every checkpoint.
            adapted.peft_config["default"].base_model_name_or_path = ""
        try:
            trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
        except ImportError as error:  # of the library of an optimizer
            raise ConfigError(f"training.trl: {' '.join(str(error).split())}") from error
    return _released(adapted, config)


def _check(
    model: PreTrainedModel, data: Sequence[Mapping[str, Any]], rows: Sequence[Any], config: TrainingConfig
) -> None:
    """Raises ValueError for rows, or a model, that training does not take; `data` has their parts."""
    if not rows:
        raise ValueError("rows is empty: nothing to train on")
    for index, (parts, row) in enumerate(zip(data, rows, strict=True)):
        prompt, *completions = map(len, parts.values())
        if not prompt or not all(completions):
            raise ValueError(f"rows[{index}] has {prompt} prompt and {completions} completion tokens: one is empty")
        if (length := prompt + max(completions)) > config.max_length:
            raise ValueError(f"rows[{index}] has {length} tokens, more than max_length {config.max_length}: drop it")
        if not (math.isfinite(row.weight) and row.weight >= 0):
            raise ValueError(f"rows[{index}] has weight {row.weight}: weights must be finite and not negative")
    if config.method == "qlora":
        if not getattr(model, "is_loaded_in_4bit", False):
            raise ValueError("model has whole weights: load it in 4 bits for qlora")
        return
    if found := {parameter.dtype for parameter in model.parameters()} - {torch.float32}:
        raise ValueError(f"model has weights in {found.pop()}: load it in float32, the master weights are trained")


def _parted(rows: Sequence[TrainingRow]) -> list[dict[str, list[int]]]:
    """Of each row its prompt and its completion."""
    return [
        {
            "prompt_ids": list(row.input_ids[: row.completion_start]),
            "completion_ids": list(row.input_ids[row.completion_start :]),
        }
        for row in rows
    ]


def _columns(data: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in data] for name in data[0]}


def _weights(rows: Sequence[Any]) -> list[float]:
    return [float(row.weight) for row in rows]


PATCHES = ("forward", "_original_forward", "_is_accelerate_prepared")
"""What trainers leave on a model; `forward` with autocast in it would make every later use bfloat16."""


@contextmanager
def _unpatched(model: PreTrainedModel) -> Iterator[None]:
    before = {name: vars(model)[name] for name in PATCHES if name in vars(model)}
    try:
        yield
    finally:
        _strip(model)
        vars(model).update(before)


def _strip(model: torch.nn.Module) -> None:
    for name in PATCHES:
        vars(model).pop(name, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides the libraries' progress bars and their warnings about each other's deprecations."""
    bars: Any = logging
    shown, mapped = bars.is_progress_bar_enabled(), datasets.are_progress_bars_disabled()
    bars.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if shown:
            bars.enable_progress_bar()
        if not mapped:
            datasets.enable_progress_bars()


def _released(model: Any, config: TrainingConfig) -> Any:
    if config.adapts:
        _strip(model)
    if config.gradient_checkpointing:
        model.gradient_checkpointing_disable()
        model.disable_input_require_grads()
    model.zero_grad(set_to_none=True)
    return model.eval()


class _Sealer(TrainerCallback):
    """Seals every checkpoint once the trainer has written it."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.checkpoints.seal(state.global_step)


class _Progress(TrainerCallback):
    """Hands the figures of each step on, and stops a training that has diverged."""

    def __init__(self, sink: Sink | None) -> None:
        self.sink = sink
        self.started = time.perf_counter()

    def on_log(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        logs = others["logs"]
        if "loss" not in logs:  # the summary after the last step
            return
        names = ("loss", "grad_norm", "learning_rate", "weighted_share")
        figures = {name: float(logs[name]) for name in names if name in logs}
        if not all(map(math.isfinite, figures.values())):
            raise ConfigError(f"the training diverged at step {state.global_step} {figures}: lower learning_rate")
        if self.sink:
            seconds = time.perf_counter() - self.started
            self.sink({"step": state.global_step, "total_steps": state.max_steps, **figures, "seconds": seconds})
