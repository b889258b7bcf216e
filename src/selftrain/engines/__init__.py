"""Sampling engines: one contract, several ways to run a model."""

import os
from importlib.util import find_spec
from typing import Any, Literal

from pydantic import Field

from selftrain.engines.base import Completion, Engine, Request, Sampling
from selftrain.errors import ConfigError, MissingExtraError
from selftrain.gguf_model import check_gguf
from selftrain.models import Model, is_encoder_decoder
from selftrain.progress import say
from selftrain.validation import Options

__all__ = ["Completion", "Engine", "EngineConfig", "Request", "Sampling", "choose_engine", "load_engine"]


class EngineConfig(Options):
    """How models are run for sampling and scoring."""

    name: Literal["auto", "openvino", "transformers"] = "auto"
    """auto: openvino on a CPU for the architectures it reads, else transformers."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Type of products while sampling; training keeps float32 master weights."""
    batch: int | None = Field(None, ge=1, le=4096)
    """Requests decoded together; 256 with openvino and 64 with transformers if not given."""
    device: str = "cpu"
    """Of the transformers engine; openvino runs on the CPU."""

    @property
    def at_once(self) -> int:
        """Requests decoded together."""
        return self.batch or (64 if self.name == "transformers" else 256)

    def identity(self) -> dict[str, Any]:
        """What of these settings a completion depends on."""
        if self.name == "openvino":
            return {"name": self.name, "precision": self.precision}
        return {**self.model_dump(), "batch": self.at_once}


def choose_engine(model: Model, config: EngineConfig) -> EngineConfig:
    """The engine for a model and its descendants, by name.

    Says in one line why `auto` does not take openvino. Raises ConfigError or MissingExtraError if openvino is asked
    for and cannot be had.
    """
    name = config.name
    if name != "transformers" and (obstacle := _obstacle(model, config)):
        if name == "openvino":
            raise obstacle
        if config.device == "cpu":
            say(f"note: sampling with transformers, not openvino: {obstacle}")
        name = "transformers"
    name = "openvino" if name == "auto" else name
    return config.model_copy(update={"name": name})


def load_engine(model: Model, config: EngineConfig) -> Engine:
    """Loads a model for sampling and scoring. Raises MissingExtraError without the engine's libraries."""
    config = choose_engine(model, config)
    try:
        if config.name == "openvino":
            from selftrain.engines.openvino import OpenVinoEngine

            return OpenVinoEngine(model, precision=config.precision, batch=config.at_once)
        from selftrain.engines.encoder_decoder import EncoderDecoderEngine
        from selftrain.engines.transformers import TransformersEngine
    except ModuleNotFoundError as error:
        if error.name in {"torch", "transformers"}:
            raise MissingExtraError(str(error.name), "models") from None
        raise
    kind = EncoderDecoderEngine if is_encoder_decoder(model) else TransformersEngine
    return kind(model, precision=config.precision, batch=config.at_once, device=config.device)


def _obstacle(model: Model, config: EngineConfig) -> ConfigError | MissingExtraError | None:
    """Why openvino cannot run a model."""
    if config.device != "cpu":
        return ConfigError(f"openvino runs on the CPU, not on {config.device!r}: set engine.name=transformers")
    if is_encoder_decoder(model):
        return ConfigError("openvino runs decoders alone, the model has an encoder: set engine.name=transformers")
    if config.precision == "bf16" and _cores() < 2:
        return ConfigError("openvino cannot run bf16 on a single core: set engine.precision=fp32")
    for library, extra in (("openvino_genai", "openvino"), ("gguf", "gguf")):
        if find_spec(library) is None:
            return MissingExtraError(library, extra)
    try:
        check_gguf(model)
    except ConfigError as error:
        reason = str(error).rpartition(":")[0]
        return ConfigError(f"openvino reads GGUF, and {reason}: set engine.name=transformers")
    return None


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
