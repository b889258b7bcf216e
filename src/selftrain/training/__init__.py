"""Weighted training on top of TRL; the parts that need torch load when they are first asked for."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from selftrain.errors import MissingExtraError
from selftrain.training.config import LoraConfig, PreferenceConfig, TrainingConfig

if TYPE_CHECKING:
    from selftrain.training.arguments import check_training
    from selftrain.training.dpo import WeightedDPOTrainer
    from selftrain.training.kto import WeightedKTOTrainer
    from selftrain.training.losses import (
        weighted_preference_loss,
        weighted_sequence_loss,
        weighted_token_loss,
    )
    from selftrain.training.sft import WeightedCollator, WeightedSFTTrainer
    from selftrain.training.train import train_dpo, train_kto, train_sft

__all__ = [
    "LoraConfig",
    "PreferenceConfig",
    "TrainingConfig",
    "WeightedCollator",
    "WeightedDPOTrainer",
    "WeightedKTOTrainer",
    "WeightedSFTTrainer",
    "check_training",
    "train_dpo",
    "train_kto",
    "train_sft",
    "weighted_preference_loss",
    "weighted_sequence_loss",
    "weighted_token_loss",
]

_HOMES = {
    "WeightedCollator": "sft",
    "WeightedDPOTrainer": "dpo",
    "WeightedKTOTrainer": "kto",
    "WeightedSFTTrainer": "sft",
    "check_training": "arguments",
    "train_dpo": "train",
    "train_kto": "train",
    "train_sft": "train",
    "weighted_preference_loss": "losses",
    "weighted_sequence_loss": "losses",
    "weighted_token_loss": "losses",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    needed = ("torch",) if _HOMES[name] == "losses" else ("torch", "trl", "peft", "datasets")
    for library in needed:
        if find_spec(library) is None:
            raise MissingExtraError(library, "train")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
