"""train_sft: train a model on weighted rows, durably and repeatably."""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import datasets
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, TrainerCallback
from transformers.utils import logging

from selftrain.digest import digest
from selftrain.disk import disk_errors
from selftrain.errors import ConfigError
from selftrain.training.arguments import lora_adapter, sft_arguments
from selftrain.training.checkpoints import Checkpoints
from selftrain.training.config import TrainingConfig
from selftrain.training.sft import IGNORED, WeightedSFTTrainer

Sink = Callable[[dict[str, float]], None]


class TrainingRow(Protocol):
    """A tokenized row: prompt and completion ids, where the completion starts, and the weight of the row."""

    @property
    def input_ids(self) -> Sequence[int]: ...
    @property
    def completion_start(self) -> int: ...
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
) -> Any:
    """Train a float32 `model` in place; returns it in evaluation mode, inside a PeftModel for `method: lora`.

    `folder` holds the checkpoints: killed at any moment and called again with equal arguments (and the
    untrained model), it goes on from the newest whole one and ends with the weights of an uninterrupted run,
    bit by bit on the same machine and thread count. It may be deleted once the result is saved. `on_log`
    receives after each optimizer step `step`, `total_steps`, `loss` (nats), `grad_norm`, `learning_rate`,
    `weighted_share` and `seconds` (no `grad_norm` without clipping). Seeds the global random generators.
    Raises ValueError for rows or a model that do not fit, ConfigError for settings TRL refuses or a training
    that diverges, WorkspaceError if `folder` belongs to another training or the disk is full.
    """
    _check(model, rows, config)
    checkpoints = Checkpoints(folder, _key(rows, config, seed))
    resumed = checkpoints.newest()
    if config.method == "full":
        model.requires_grad_(True)
    with _quiet(), _unpatched(model):
        trainer = WeightedSFTTrainer(
            model=model,
            args=sft_arguments(config, seed, folder),
            train_dataset=_dataset(rows),
            processing_class=tokenizer,
            loss=config.loss,
            peft_config=lora_adapter(config) if config.method == "lora" else None,
            callbacks=[_Progress(on_log), _Sealer(checkpoints)],
        )
        trainer.remove_callback(PrinterCallback)
        adapted: Any = trainer.model
        if config.method == "lora":
            # With a name, PEFT asks the hub about the base model at every checkpoint.
            adapted.peft_config["default"].base_model_name_or_path = ""
        with disk_errors(f"a checkpoint in {folder}"):
            trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    return _released(adapted, config)


def _check(model: PreTrainedModel, rows: Sequence[TrainingRow], config: TrainingConfig) -> None:
    if not rows:
        raise ValueError("rows is empty: nothing to train on")
    for index, row in enumerate(rows):
        length, start = len(row.input_ids), row.completion_start
        if not 0 < start < length:
            raise ValueError(f"rows[{index}] has its completion at {start} of {length}: prompt or completion is empty")
        if length > config.max_length:
            raise ValueError(f"rows[{index}] has {length} tokens, more than max_length {config.max_length}: drop it")
        if not (math.isfinite(row.weight) and row.weight >= 0):
            raise ValueError(f"rows[{index}] has weight {row.weight}: weights must be finite and not negative")
    if found := {parameter.dtype for parameter in model.parameters()} - {torch.float32}:
        raise ValueError(f"model has weights in {found.pop()}: load it in float32, the master weights are trained")


def _key(rows: Sequence[TrainingRow], config: TrainingConfig, seed: int) -> str:
    return digest(
        [
            config.model_dump(),
            seed,
            [digest([row.input_ids, row.completion_start, row.weight]) for row in rows],
        ]
    )


def _dataset(rows: Sequence[TrainingRow]) -> datasets.Dataset:
    return datasets.Dataset.from_dict(
        {
            "input_ids": [row.input_ids for row in rows],
            "labels": [[IGNORED] * row.completion_start + list(row.input_ids[row.completion_start :]) for row in rows],
            "weight": [float(row.weight) for row in rows],
        }
    )


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
    """Hides the progress bars of saving and the libraries' warnings about each other's deprecations."""
    bars: Any = logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if shown:
            bars.enable_progress_bar()


def _released(model: Any, config: TrainingConfig) -> Any:
    if config.method == "lora":
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
