"""From a GGUF file to a model folder: dequantized once, so that base and descendants are read alike."""

from pathlib import Path
from typing import Any

from selftrain.files import atomic_path
from selftrain.gguf import read_metadata, write_gguf
from selftrain.models.folders import GGUF_METADATA
from selftrain.models.load import read_module, read_tokenizer, reading, require_transformers
from selftrain.models.save import write_files


def materialise(file: Path, folder: Path) -> None:
    """Write the model in a GGUF file as a float32 folder, with the file's metadata beside it for export.

    Raises ConfigError for a file that is no GGUF, is cut short, or holds an architecture transformers cannot
    read; WorkspaceError where `folder` exists already.
    """
    transformers = require_transformers()
    with reading(file):
        metadata = read_metadata(file)
    quantization = transformers.GgufConfig(dequantize=True)  # a module that stays quantized cannot be saved
    module = read_module(file.parent, gguf_file=file.name, quantization_config=quantization)
    tokenizer = read_tokenizer(file.parent, gguf_file=file.name)
    _restore_digits(tokenizer, metadata.text("tokenizer.ggml.pre"))
    with atomic_path(folder) as temporary:
        write_files(module, tokenizer, temporary)
        write_gguf(temporary / GGUF_METADATA, metadata, {})


def _restore_digits(tokenizer: Any, pre: str | None) -> None:
    """Split numbers into digits first, as the vocabulary `smollm` was trained; transformers' reader does not.

    It shows where white space meets a digit: without this, "\\n\\n1" is three tokens instead of two.
    """
    if pre != "smollm":
        return
    from tokenizers import pre_tokenizers

    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
