"""TrainingConfig: everything a training can be told."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from selftrain.training.refused import check_passed_on
from selftrain.validation import Options


class LoraConfig(Options):
    """The low-rank adapter of `method: lora` and `qlora`."""

    r: Annotated[int, Field(ge=1)] = 16
    """Rank of the update."""
    alpha: Annotated[float, Field(gt=0)] = 32
    """Scale of the update: it is multiplied by alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of adapter inputs dropped while training."""
    targets: str | list[str] = "all-linear"
    """Names of the adapted layers; `all-linear` means every linear layer but the output head."""


class PreferenceConfig(Options):
    """How pairs (DPO) and labelled responses (KTO) are learned."""

    loss: Literal["sigmoid", "hinge", "ipo"] = "sigmoid"
    """The loss of a pair: DPO's own, SLiC's hinge, or IPO's square."""
    beta: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    """How strongly the model is held to the reference (IPO's tau)."""
    reference: Literal["parent", "base"] = "parent"
    """The model that log-probabilities are compared with: what the training starts from, or the run's first."""
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Peak learning rate of preferences where a run trains rows, too; None means `training.learning_rate`, if given."""


class TrainingConfig(Options):
    """How a model is trained on weighted rows, pairs or labelled responses."""

    method: Literal["lora", "qlora", "full"] = "lora"
    """Train a fresh low-rank adapter, one on weights held in 4 bits (CUDA and bitsandbytes), or every weight."""
    loss: Literal["token", "sequence"] = "token"
    """Of rows: normalise by the completion tokens of a step, or average over its rows the mean loss of each."""
    preference: PreferenceConfig = PreferenceConfig()
    """Of pairs and labelled responses."""
    epochs: Annotated[int, Field(ge=1)] = 3
    """Passes over the rows."""
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Peak learning rate; None means 2e-4 for an adapter and 2e-5 for full, a tenth of that for preferences."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Rows in one optimizer step (the last step of an epoch may have fewer)."""
    micro_batch_size: Annotated[int, Field(ge=1)] | None = None
    """Rows in memory at once, a divisor of batch_size; None means batch_size. It changes the
    result by the random numbers of a model's dropout alone."""
    scheduler: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    """Course of the learning rate after the warm-up."""
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the steps over which the learning rate rises from 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """AdamW's decoupled weight decay."""
    max_grad_norm: Annotated[float, Field(ge=0)] = 1.0
    """Norm to which gradients are clipped; 0 means never."""
    lora: LoraConfig = LoraConfig()
    """The adapter of `method: lora` and `qlora`."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Type of matrix products; the trained weights are float32 either way."""
    max_length: Annotated[int, Field(ge=2)] = 1024
    """Longest row in tokens, prompt and completion together."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a fifth slower."""
    save_steps: Annotated[int, Field(ge=1)] = 100
    """Optimizer steps between checkpoints; one is always made after the last step."""
    trl: dict[str, Any] = {}
    """Further fields of TRL's SFTConfig (rows), DPOConfig (pairs) or KTOConfig (labelled responses), applied last."""

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
        check_passed_on(trl)
        return trl

    @property
    def rows_at_once(self) -> int:
        """Rows of one forward pass."""
        return self.micro_batch_size or self.batch_size

    def peak_learning_rate(self, *, preferences: bool = False) -> float:
        """The learning rate with the default of the method filled in, for rows or for preferences."""
        rows = self.learning_rate or (2e-4 if self.adapts else 2e-5)
        if not preferences:
            return rows
        return self.preference.learning_rate or self.learning_rate or 0.1 * rows

    @property
    def adapts(self) -> bool:
        """Whether an adapter is trained, and the weights below it are not."""
        return self.method != "full"
