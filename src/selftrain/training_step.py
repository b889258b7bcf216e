"""One training: what determines its result, and how it is done."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from selftrain.digest import seed_from
from selftrain.models import Model, load_model, load_tokenizer, save_adapter, save_model
from selftrain.training import TrainingConfig
from selftrain.training_set import Labelled, Pair, Row, TrainingSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A model trained on a set: rows by SFT, pairs by DPO, labelled responses by KTO."""

    seed: int
    """The run's."""
    parent: Model
    """What it starts from; it has no adapter."""
    base: Model
    """The run's first model."""
    rows: TrainingSet
    config: TrainingConfig

    @property
    def makes(self) -> Literal["adapter", "model"]:
        """What it saves."""
        return "adapter" if self.config.adapts else "model"

    @property
    def reference(self) -> Model | None:
        """The model that log-probabilities are compared with; None for rows, which are compared with nothing."""
        if self.rows.kind is Row:
            return None
        return self.base if self.config.preference.reference == "base" else self.parent

    @property
    def inputs(self) -> dict[str, Any]:
        """Everything that determines its result, as JSON values; a reference by its content, whoever it is."""
        made = {"seed": self.seed, "parent": self.parent.digest, "rows": self.rows.digest}
        if self.reference is None:
            return {**made, "training": self.config.model_dump(mode="json", exclude={"preference"})}
        settings = self.config.model_dump(mode="json", exclude={"loss": True, "preference": {"reference"}})
        return {**made, "training": settings, "reference": self.reference.digest}

    @property
    def reference_inputs(self) -> dict[str, Any]:
        """Everything that determines the log-probabilities of the reference, as JSON values."""
        return {
            "model": self.reference and self.reference.digest,
            "precision": self.config.precision,
            "bits": 4 if self.config.method == "qlora" and not self.apart else 32,
        }

    @property
    def apart(self) -> bool:
        """Whether the reference is another model than the one it starts from."""
        return self.reference is not None and self.reference.digest != self.parent.digest

    def run(
        self,
        target: Path,
        *,
        checkpoints: Path,
        references: Path | None,
        on_log: Callable[[dict[str, float]], None],
        logs: Path | None,
    ) -> None:
        """Trains and writes the result to `target`, whole or not at all.

        `checkpoints` is the folder of its checkpoints, `references` the file of the reference's log-probabilities,
        `logs` the folder of what it reports to other loggers.
        """
        from selftrain import training

        train: Any = {Row: training.train_sft, Pair: training.train_dpo, Labelled: training.train_kto}[self.rows.kind]
        tokenizer = load_tokenizer(self.parent)
        trained = train(
            load_model(self.parent, dtype="float32", four_bit=self.config.method == "qlora"),
            tokenizer,
            self.rows.rows,
            self.config,
            seed=seed_from(self.inputs) % 2**32,
            folder=checkpoints,
            on_log=on_log,
            logs=logs,
            **({} if self.reference is None else {"reference": self._load_reference(), "references": references}),
        )
        if self.makes == "adapter":
            save_adapter(trained, target)
        else:
            save_model(trained, tokenizer, target, parent=self.parent)

    def _load_reference(self) -> Callable[[], Any] | None:
        """What loads the reference as a module; None if the training starts from it."""
        return partial(load_model, self.reference, dtype="float32") if self.reference and self.apart else None
