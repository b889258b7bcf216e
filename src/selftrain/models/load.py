"""From a model on disk to a transformers module and a tokenizer, without a word on stderr."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from selftrain.errors import ConfigError, MissingExtraError, SelftrainError
from selftrain.models.four_bit import four_bit_options
from selftrain.models.model import Model, is_encoder_decoder

Dtype = Literal["float32", "bfloat16"]


def load_model(model: Model, *, dtype: Dtype = "float32", device: str | None = None, four_bit: bool = False) -> Any:
    """The transformers module of a model in evaluation mode, its adapter merged, on the CPU if no device is named.

    The adapter is merged in float32 (W + scale * B @ A) and the sum is cast, so a merged model and the model
    saved after `merge` have equal weights in every dtype. `four_bit` holds the weights as `four_bit_options` says,
    and what is not quantized in float32. Raises ConfigError for a folder that does not load, ValueError for
    `four_bit` with an adapter or another dtype.
    """
    import torch

    kind = "AutoModelForSeq2SeqLM" if is_encoder_decoder(model) else "AutoModelForCausalLM"
    if four_bit:
        if model.adapter is not None:
            raise ValueError(f"{model.name} has an adapter, which 4 bits would blur: merge it into the weights first")
        if dtype != "float32":
            raise ValueError(f"four_bit leaves what is not quantized in float32, found dtype {dtype!r}: leave it out")
        return read_module(model.folder, kind, **four_bit_options(device)).eval()
    module = read_module(model.folder, kind)
    if model.adapter is not None:
        module = _merged(module, model.adapter)
    return module.to(device=device, dtype=getattr(torch, dtype)).eval()


def load_tokenizer(model: Model) -> Any:
    """The tokenizer of a model; where it has no pad token, its end token pads.

    Raises ConfigError for a tokenizer that does not load or has no end token.
    """
    return read_tokenizer(model.folder)


def read_config(model: Model) -> Any:
    """The transformers configuration of a model, without its weights."""
    transformers = require_transformers()
    with quiet(), reading(model.folder):
        return transformers.AutoConfig.from_pretrained(model.folder, trust_remote_code=False, local_files_only=True)


def decoder_start(module: Any) -> int:
    """The token id that the decoder of an encoder-decoder module is given before its first one.

    Raises ConfigError for a model whose configurations do not say.
    """
    for config in (module.config, module.generation_config):
        start = getattr(config, "decoder_start_token_id", None)
        if start is not None:
            return int(start)
    raise ConfigError("the model's config.json has no decoder_start_token_id: add the token its decoder starts with")


def read_module(folder: Path, kind: str = "AutoModelForCausalLM", **options: Any) -> Any:
    """The module in a folder with every weight in float32; `options` go to the kind's `from_pretrained`."""
    transformers = require_transformers()
    import torch

    path = folder / options.get("gguf_file", "")
    with quiet(), reading(path):
        module, info = getattr(transformers, kind).from_pretrained(
            folder,
            dtype=torch.float32,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below
            **options,
        )
    # transformers fills such weights with random numbers and only warns.
    missing = sorted(info["missing_keys"]) + sorted(key for key, *_ in info["mismatched_keys"])
    if missing:
        raise ConfigError(
            f"{path} lacks {len(missing)} weights that fit its configuration, {missing[0]} first: "
            "a complete checkpoint is wanted"
        )
    return module


def read_tokenizer(folder: Path, **options: Any) -> Any:
    """The tokenizer in a folder; `options` go to `from_pretrained`."""
    transformers = require_transformers()
    with quiet(), reading(folder / options.get("gguf_file", "")):
        # A family's own class may cut text in its own way whatever the file says; the general one obeys.
        kind = transformers.PreTrainedTokenizerFast if "gguf_file" in options else transformers.AutoTokenizer
        tokenizer = kind.from_pretrained(folder, trust_remote_code=False, local_files_only=True, **options)
    if tokenizer.eos_token_id is None:
        raise ConfigError(f"{folder} has a tokenizer without an end token: set eos_token in tokenizer_config.json")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def require_transformers() -> Any:
    """The transformers library; raises MissingExtraError where it or torch is not installed."""
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        raise MissingExtraError(error.name or "transformers", "models") from error
    return transformers


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no warnings from the model libraries; errors still raise."""
    logging: Any = import_module("transformers.utils.logging")

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        # The GGUF reader draws its own bar, which only a missing stderr silences.
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a library raises over somebody's file into one line about that file."""
    try:
        yield
    except (MemoryError, SelftrainError):
        raise
    except Exception as error:  # the readers raise nearly every type over a damaged file
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"{path} does not load ({reason}): an undamaged model file is wanted") from error


def _merged(module: Any, adapter: Path) -> Any:
    try:
        from peft import PeftModel
    except ImportError as error:
        raise MissingExtraError("peft", "train") from error
    with quiet(), reading(adapter):
        return PeftModel.from_pretrained(module, str(adapter)).merge_and_unload()
