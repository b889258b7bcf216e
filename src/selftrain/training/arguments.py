"""A TrainingConfig in the words of TRL and PEFT."""

from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import peft
import torch
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.kto_config import KTOConfig
from trl.trainer.sft_config import SFTConfig

from selftrain.errors import ConfigError
from selftrain.models.four_bit import check_four_bit
from selftrain.training.config import TrainingConfig
from selftrain.training.loggers import check_loggers

KINDS = (SFTConfig, DPOConfig, KTOConfig)
Kind = TypeVar("Kind", SFTConfig, DPOConfig, KTOConfig)


def sft_arguments(config: TrainingConfig, seed: int, folder: Path) -> SFTConfig:
    """Arguments of the supervised trainer; raises ConfigError for values in `trl` that it does not take."""
    return _arguments(SFTConfig, config, seed, folder, dataset_kwargs={"skip_prepare_dataset": True})


def dpo_arguments(config: TrainingConfig, seed: int, folder: Path) -> DPOConfig:
    """Arguments of the trainer of pairs; raises ConfigError for values in `trl` that it does not take."""
    return _arguments(DPOConfig, config, seed, folder, loss_type=[config.preference.loss], **_preference(config))


def kto_arguments(config: TrainingConfig, seed: int, folder: Path) -> KTOConfig:
    """Arguments of the trainer of labelled rows; raises ConfigError for values in `trl` that it does not take."""
    return _arguments(KTOConfig, config, seed, folder, **_preference(config))


def check_training(config: TrainingConfig) -> None:
    """Raise the ConfigError that training with this configuration would begin with, before any work is done."""
    if config.method == "qlora":
        check_four_bit()
    if config.trl.get("activation_offloading") and not torch.accelerator.is_available():
        raise ConfigError(
            "training.trl: activation_offloading moves activations off a GPU and there is none: remove it"
        )
    with TemporaryDirectory() as folder:
        # Which of the three will train is the recipe's choice, each round.
        for made in (sft_arguments, dpo_arguments, kto_arguments):
            arguments = made(config, 0, Path(folder))
        check_loggers(arguments.report_to or ())


def lora_adapter(config: TrainingConfig, *, encoder_decoder: bool) -> peft.LoraConfig:
    """The adapter of `method: lora` and `qlora`, for a causal model or one with an encoder and a decoder."""
    return peft.LoraConfig(
        r=config.lora.r,
        lora_alpha=config.lora.alpha,  # type: ignore[arg-type]
        lora_dropout=config.lora.dropout,
        target_modules=config.lora.targets,
        task_type="SEQ_2_SEQ_LM" if encoder_decoder else "CAUSAL_LM",
    )


def _preference(config: TrainingConfig) -> dict[str, Any]:
    return {
        "beta": config.preference.beta,
        "learning_rate": config.peak_learning_rate(preferences=True),
        # TRL would not use the adapter's dropout, whatever it is.
        "disable_dropout": not config.lora.dropout,
    }


def _arguments(kind: type[Kind], config: TrainingConfig, seed: int, folder: Path, **own: Any) -> Kind:
    on_cpu = not torch.accelerator.is_available()
    seed %= 2**32  # numpy's limit
    settings: dict[str, Any] = {
        "output_dir": str(folder),
        "seed": seed,
        "data_seed": seed,
        "num_train_epochs": config.epochs,
        "learning_rate": config.peak_learning_rate(),
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
        "save_strategy": "steps",
        "save_steps": config.save_steps,
        "save_total_limit": None,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        "report_to": "none",
        **own,
    }
    if unknown := sorted(config.trl.keys() - set().union(*map(_fields, KINDS))):
        raise ConfigError(f"training.trl: unknown field {unknown[0]}: name one of SFTConfig, DPOConfig or KTOConfig")
    passed = {name: config.trl[name] for name in config.trl.keys() & _fields(kind)}
    try:
        return kind(**{**settings, **passed})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"training.trl: {' '.join(str(error).split())}") from None


def _fields(kind: type[Any]) -> set[str]:
    return {field.name for field in fields(kind)}
