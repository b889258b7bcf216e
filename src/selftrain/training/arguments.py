"""A TrainingConfig in the words of TRL and PEFT."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import peft
import torch
from trl.trainer.sft_config import SFTConfig

from selftrain.errors import ConfigError
from selftrain.training.config import TrainingConfig


def sft_arguments(config: TrainingConfig, seed: int, folder: Path) -> SFTConfig:
    """Arguments of the supervised trainer; raises ConfigError for those in `trl` that it does not take."""
    on_cpu = not torch.accelerator.is_available()
    seed %= 2**32  # numpy's limit
    settings: dict[str, Any] = {
        "output_dir": str(folder),
        "seed": seed,
        "data_seed": seed,
        "num_train_epochs": config.epochs,
        "learning_rate": config.peak_learning_rate,
        "per_device_train_batch_size": config.rows_at_once,
        "gradient_accumulation_steps": config.batch_size // config.rows_at_once,
        "lr_scheduler_type": config.scheduler,
        "warmup_steps": config.warmup_ratio,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "bf16": config.precision == "bf16",
        "use_cpu": on_cpu,
        "dataloader_pin_memory": not on_cpu,
        "activation_checkpointing": config.gradient_checkpointing,
        "max_length": None,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "save_strategy": "steps",
        "save_steps": config.save_steps,
        "save_total_limit": None,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        "report_to": "none",
    }
    try:
        return SFTConfig(**{**settings, **config.trl})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"training.trl: {' '.join(str(error).split())}") from None


def check_training(config: TrainingConfig) -> None:
    """Raise the ConfigError that training with this configuration would begin with, before any work is done."""
    with TemporaryDirectory() as folder:
        sft_arguments(config, 0, Path(folder))


def lora_adapter(config: TrainingConfig) -> peft.LoraConfig:
    """The adapter of `method: lora`."""
    return peft.LoraConfig(
        r=config.lora.r,
        lora_alpha=config.lora.alpha,  # type: ignore[arg-type]
        lora_dropout=config.lora.dropout,
        target_modules=config.lora.targets,
        task_type="CAUSAL_LM",
    )
