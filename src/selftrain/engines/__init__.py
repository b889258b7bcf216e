"""Sampling engines: one contract, several ways to run a model."""

from typing import Literal

from pydantic import Field

from selftrain.engines.base import Completion, Engine, Request, Sampling
from selftrain.errors import MissingExtraError
from selftrain.models import Model
from selftrain.validation import Options

__all__ = ["Completion", "Engine", "EngineConfig", "Request", "Sampling", "load_engine"]


class EngineConfig(Options):
    """How models are run for sampling and scoring."""

    name: Literal["transformers"] = "transformers"
    precision: Literal["bf16", "fp32"] = "bf16"
    """Type of weights and products while sampling; training keeps float32 master weights."""
    batch: int = Field(64, ge=1, le=4096)
    """Requests decoded together. Another batch may round differently: it is part of what a sample is."""
    device: str = "cpu"


def load_engine(model: Model, config: EngineConfig) -> Engine:
    """Loads a model for sampling and scoring. Raises MissingExtraError without torch and transformers."""
    try:
        from selftrain.engines.transformers import TransformersEngine
    except ModuleNotFoundError as error:
        if error.name in {"torch", "transformers"}:
            raise MissingExtraError(str(error.name), "models") from None
        raise
    return TransformersEngine(model, precision=config.precision, batch=config.batch, device=config.device)
