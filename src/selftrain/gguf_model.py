"""A model as one GGUF file: matrices in float16, header and tokenizer included."""

from pathlib import Path
from typing import Any

from selftrain.errors import ConfigError
from selftrain.gguf import Metadata, check_architecture, gguf_tensors, read_metadata, write_gguf
from selftrain.gguf_header import build_metadata
from selftrain.models import Model, load_tokenizer, read_config
from selftrain.models.folders import GGUF_METADATA


def write_gguf_model(model: Model, module: Any, file: Path) -> None:
    """Writes a model, loaded as a float32 `module` with its adapter merged, to `file`.

    The header is that of the GGUF file the model descends from, or is built from configuration and tokenizer.
    Raises ConfigError for a model the format cannot express.
    """
    metadata = _metadata(model, module.config)
    write_gguf(file, metadata, gguf_tensors(module, metadata.architecture))


def check_gguf(model: Model) -> None:
    """Raises the ConfigError that writing a model would end with, as far as its configuration and tokenizer tell."""
    config = read_config(model)
    check_architecture(config, config.model_type)
    if not (model.folder / GGUF_METADATA).is_file():
        build_metadata(config, load_tokenizer(model), model.name)


def _metadata(model: Model, config: Any) -> Metadata:
    known = model.folder / GGUF_METADATA
    metadata = read_metadata(known) if known.is_file() else None
    check_architecture(config, metadata.architecture if metadata else config.model_type)
    if metadata is None:
        return build_metadata(config, load_tokenizer(model), model.name)
    tokens = len(metadata.values["tokenizer.ggml.tokens"].value)
    if tokens != config.vocab_size:
        raise ConfigError(
            f"model {model.name} has {config.vocab_size} embedding rows but its GGUF header {tokens} tokens: "
            "export hf instead"
        )
    return metadata
