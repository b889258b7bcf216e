"""TrainingConfig: everything a training can be told."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from selftrain.validation import Options

_ROW_ORDER = "rows follow one seeded order, so that a resumed training equals an uninterrupted one"
_WEIGHTS = "it would drop or blur the weights of rows"
_LENGTH = "rows are cut to length before they get their weights"
_CHECKPOINTS = "checkpoints are kept so that a killed training can be resumed"
_LOGS = "the figures of every step are handed on"
_OWN = {
    "bf16": "precision",
    "fp16": "precision",
    "gradient_accumulation_steps": "batch_size and micro_batch_size",
    "activation_checkpointing": "gradient_checkpointing",
    "gradient_checkpointing": "gradient_checkpointing",
    "learning_rate": "learning_rate",
    "lr_scheduler_type": "scheduler",
    "max_grad_norm": "max_grad_norm",
    "max_length": "max_length",
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "micro_batch_size",
    "save_steps": "save_steps",
    "warmup_ratio": "warmup_ratio",
    "warmup_steps": "warmup_ratio",
    "weight_decay": "weight_decay",
}
REFUSED: Mapping[str, str] = {
    **{key: f"set {name} of the training instead" for key, name in _OWN.items()},
    "assistant_only_loss": "the completion of a row is what is trained",
    "auto_find_batch_size": "one optimizer step is a fixed list of rows",
    "completion_only_loss": "the completion of a row is what is trained",
    "data_seed": "the seed is derived from the run's",
    "dataloader_drop_last": "no row may be dropped after weights are set",
    "dataset_kwargs": "rows come tokenized",
    "disable_tqdm": _LOGS,
    "eval_packing": _WEIGHTS,
    "eval_strategy": "the audit measures the model",
    "group_by_length": _ROW_ORDER,
    "ignore_data_skip": _ROW_ORDER,
    "label_smoothing_factor": "the loss is the weighted negative log-likelihood",
    "load_best_model_at_end": _CHECKPOINTS,
    "logging_nan_inf_filter": _LOGS,
    "logging_steps": _LOGS,
    "logging_strategy": _LOGS,
    "loss_type": "set loss of the training instead",
    "output_dir": _CHECKPOINTS,
    "packing": _WEIGHTS,
    "padding_free": _WEIGHTS,
    "remove_unused_columns": _WEIGHTS,
    "resume_from_checkpoint": _CHECKPOINTS,
    "save_only_model": _CHECKPOINTS,
    "save_strategy": _CHECKPOINTS,
    "save_total_limit": _CHECKPOINTS,
    "seed": "the seed is derived from the run's",
    "shuffle_dataset": _ROW_ORDER,
    "train_sampling_strategy": _ROW_ORDER,
    "truncation_mode": _LENGTH,
    "use_liger_kernel": _WEIGHTS,
}
"""Keys of TRL's SFTConfig that would break a promise of the training, and why."""


class LoraConfig(Options):
    """The low-rank adapter of `method: lora`."""

    r: Annotated[int, Field(ge=1)] = 16
    """Rank of the update."""
    alpha: Annotated[float, Field(gt=0)] = 32
    """Scale of the update: it is multiplied by alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of adapter inputs dropped while training."""
    targets: str | list[str] = "all-linear"
    """Names of the adapted layers; `all-linear` means every linear layer but the output head."""


class TrainingConfig(Options):
    """How a model is trained on weighted rows."""

    method: Literal["lora", "full"] = "lora"
    """Train a fresh low-rank adapter, or every weight."""
    loss: Literal["token", "sequence"] = "token"
    """Normalise by the completion tokens of a step, or average over its rows the mean loss of each."""
    epochs: Annotated[int, Field(ge=1)] = 3
    """Passes over the rows."""
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Peak learning rate; None means 2e-4 for lora and 2e-5 for full."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Rows in one optimizer step (the last step of an epoch may have fewer)."""
    micro_batch_size: Annotated[int, Field(ge=1)] | None = None
    """Rows in memory at once, a divisor of batch_size; None means batch_size. It never changes the result."""
    scheduler: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    """Course of the learning rate after the warm-up."""
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the steps over which the learning rate rises from 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """AdamW's decoupled weight decay."""
    max_grad_norm: Annotated[float, Field(ge=0)] = 1.0
    """Norm to which gradients are clipped; 0 means never."""
    lora: LoraConfig = LoraConfig()
    """The adapter of `method: lora`."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Type of matrix products; the trained weights are float32 either way."""
    max_length: Annotated[int, Field(ge=2)] = 1024
    """Longest row in tokens, prompt and completion together."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a fifth slower."""
    save_steps: Annotated[int, Field(ge=1)] = 100
    """Optimizer steps between checkpoints; one is always made after the last step."""
    trl: dict[str, Any] = {}
    """Further arguments of TRL's SFTConfig, applied last (`optim`, `report_to`, `max_steps`, ...)."""

    @model_validator(mode="after")
    def _consistent(self) -> "TrainingConfig":
        if self.batch_size % self.rows_at_once:
            raise ValueError(
                f"micro_batch_size {self.rows_at_once} does not divide batch_size {self.batch_size}, choose a divisor"
            )
        return self

    @field_validator("trl")
    @classmethod
    def _harmless(cls, trl: dict[str, Any]) -> dict[str, Any]:
        for key in trl:
            if key in REFUSED:
                raise ValueError(f"{key} cannot be set, {REFUSED[key]}; remove it")
        return trl

    @property
    def rows_at_once(self) -> int:
        """Rows of one forward pass."""
        return self.micro_batch_size or self.batch_size

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate with the default of the method filled in."""
        return self.learning_rate or {"lora": 2e-4, "full": 2e-5}[self.method]
