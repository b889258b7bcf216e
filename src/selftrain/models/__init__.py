"""Models on disk: find one by name, load it, save what training made of it."""

from selftrain.models.folders import link_model
from selftrain.models.four_bit import check_four_bit
from selftrain.models.load import load_model, load_tokenizer, read_config
from selftrain.models.model import Model, context_length, is_encoder_decoder, open_model
from selftrain.models.resolve import DEFAULT_MODEL, resolve_model
from selftrain.models.save import merge, save_adapter, save_model

__all__ = [
    "DEFAULT_MODEL",
    "Model",
    "check_four_bit",
    "context_length",
    "is_encoder_decoder",
    "link_model",
    "load_model",
    "load_tokenizer",
    "merge",
    "open_model",
    "read_config",
    "resolve_model",
    "save_adapter",
    "save_model",
]
