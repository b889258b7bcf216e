"""TRL's SFTTrainer as it comes, on the completions of tokenized rows: what selftrain's training is measured beside."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

Rows = Sequence[tuple[Sequence[int], int]]
"""Of each row its token ids and the place where the completion starts."""


def stock_trainer(
    model: Any,
    tokenizer: Any,
    rows: Rows,
    folder: Path,
    *,
    batch: int,
    learning_rate: float,
    epochs: int = 1,
    bf16: bool = True,
    seed: int = 0,
    adapter: Any = None,
    callbacks: Sequence[Any] = (),
) -> Any:
    """A trainer for rows of token ids and the place where the completion starts."""
    from trl import SFTTrainer

    return SFTTrainer(
        model,
        sft_settings(
            folder,
            seed=seed,
            data_seed=seed,
            num_train_epochs=epochs,
            learning_rate=learning_rate,
            per_device_train_batch_size=batch,
            bf16=bf16,
        ),
        train_dataset=completions(rows),
        processing_class=tokenizer,
        peft_config=adapter,
        callbacks=list(callbacks),
    )


def sft_settings(folder: Path, **changes: Any) -> Any:
    """TRL's settings for a short training on a CPU that says and saves nothing."""
    from trl import SFTConfig

    settings: dict[str, Any] = {
        "lr_scheduler_type": "linear",
        "warmup_steps": 0.1,
        "use_cpu": True,
        "dataloader_pin_memory": False,
        "activation_checkpointing": False,
        "completion_only_loss": True,
        "max_length": 1024,
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": "none",
    }
    return SFTConfig(output_dir=str(folder), **{**settings, **changes})


def completions(rows: Rows) -> Any:
    """A data set of which the completions are trained."""
    from datasets import Dataset

    masks = [[0] * start + [1] * (len(ids) - start) for ids, start in rows]
    return Dataset.from_dict({"input_ids": [list(ids) for ids, _ in rows], "completion_mask": masks})
