"""Reading the header of a GGUF file and writing such files in half precision."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from selftrain.errors import ConfigError, MissingExtraError

_PERMUTED = {"llama": True, "qwen2": False, "qwen3": False}
"""The architectures written here, and whether the format interleaves the rotary halves of q and k rows."""
_OF_THE_FILE = (
    "GGUF.",
    "general.architecture",
    "general.file_type",
    "general.alignment",
    "quantize.",
    "split.",
)
"""Keys that tell of one file's encoding and not of the model."""
_MOSTLY_F16 = 1


class Value(NamedTuple):
    """One typed value of a GGUF header; `kind` is the element's where the value is a list."""

    value: Any
    kind: str
    """Name of a `gguf.GGUFValueType`."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a GGUF header says of a model: architecture, sizes, tokenizer."""

    architecture: str
    values: Mapping[str, Value]

    def text(self, key: str) -> str | None:
        """The value of a key as text, None where the header has no such key."""
        return str(self.values[key].value) if key in self.values else None


def require_gguf() -> Any:
    """The gguf library; raises MissingExtraError where it is not installed."""
    try:
        import gguf
    except ImportError as error:
        raise MissingExtraError("gguf", "gguf") from error
    return gguf


def read_metadata(file: Path) -> Metadata:
    """The header of a GGUF file; whatever the library raises over a damaged file passes through.

    Every tensor is checked to lie within the file, so a file cut short is found out here.
    """
    gguf = require_gguf()
    reader = gguf.GGUFReader(file)
    values = {
        key: Value(field.contents(), field.types[-1].name)
        for key, field in reader.fields.items()
        if not key.startswith(_OF_THE_FILE)
    }
    return Metadata(str(reader.fields["general.architecture"].contents()), values)


def write_gguf(file: Path, metadata: Metadata, tensors: Mapping[str, Any]) -> None:
    """Write a header and torch tensors (GGUF names): matrices in float16, vectors in float32.

    Raises ConfigError for a tensor with values float16 cannot hold.
    """
    gguf = require_gguf()
    writer = gguf.GGUFWriter(file, metadata.architecture)
    try:
        writer.add_file_type(_MOSTLY_F16)
        for key, (value, kind) in metadata.values.items():
            _add_value(gguf, writer, key, value, kind)
        for name, tensor in tensors.items():
            dtype = _dtype(tensor)
            writer.add_tensor_info(name, tuple(tensor.shape), dtype, tensor.numel() * dtype.itemsize)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, tensor in tensors.items():  # one at a time: the model is in memory only once
            writer.write_tensor_data(_as_numpy(name, tensor))
    finally:
        writer.close()


def gguf_tensors(module: Any, architecture: str) -> dict[str, Any]:
    """The weights of a float32 transformers module under their GGUF names, in the order of the module.

    Raises ConfigError for an architecture or a weight the format (or this writer) has no name for.
    """
    names = _name_map(architecture, module.config.num_hidden_layers)
    tensors: dict[str, Any] = {}
    for name, tensor in module.state_dict().items():
        if name == "lm_head.weight" and module.config.tie_word_embeddings:
            continue  # a file without `output.weight` means the embedding is the output
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise ConfigError(f"weight {name} has no name in GGUF's {architecture}: export hf instead")
        tensors[target] = _permuted(tensor.detach().cpu(), target, architecture, module.config)
    return tensors


def check_architecture(config: Any, architecture: str) -> None:
    """Raise ConfigError unless models of this configuration can be written as this GGUF architecture."""
    known = ", ".join(_PERMUTED)
    if architecture not in _PERMUTED:
        raise ConfigError(f"architecture {architecture} cannot be written as GGUF, only {known}: export hf instead")
    if config.model_type != architecture:
        raise ConfigError(f"a {config.model_type} model cannot be written as a {architecture} GGUF: export hf instead")
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if rope != "default":
        raise ConfigError(f"rope scaling {rope!r} cannot be written as GGUF, only the default: export hf instead")


def _name_map(architecture: str, layers: int) -> Any:
    gguf = require_gguf()
    arch = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    return gguf.get_tensor_name_map(arch, layers)


def _permuted(tensor: Any, name: str, architecture: str, config: Any) -> Any:
    """The rows of q and k as llama files order them: pairs (i, i + half) of a head lie side by side."""
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(name.split(".")[-2])
    if not _PERMUTED[architecture] or heads is None:
        return tensor
    rows = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return rows.transpose(1, 2).reshape(tensor.shape)


def _dtype(tensor: Any) -> np.dtype[Any]:
    return np.dtype(np.float16 if tensor.dim() > 1 else np.float32)


def _as_numpy(name: str, tensor: Any) -> np.ndarray:
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(tensor.numpy().astype(_dtype(tensor)))
    if not np.isfinite(array).all():
        raise ConfigError(f"weight {name} has values float16 cannot hold: the model has diverged, or export hf instead")
    return array


def _add_value(gguf: Any, writer: Any, key: str, value: Any, kind: str) -> None:
    element = gguf.GGUFValueType[kind]
    if isinstance(value, list):
        if value:  # the format has no empty lists
            writer.add_key_value(key, value, gguf.GGUFValueType.ARRAY, element)
    else:
        writer.add_key_value(key, value, element)
