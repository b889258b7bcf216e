"""A model as the rest of the program knows it: folders on disk and a digest of their content."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selftrain.digest import digest, files_digest
from selftrain.errors import ConfigError, WorkspaceError
from selftrain.files import atomic_path
from selftrain.models.cache import default_cache
from selftrain.models.folders import WEIGHTS, content_files

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Weights, configuration and tokenizer on disk, with an adapter on top or none."""

    name: str
    folder: Path
    """Hugging Face folder with safetensors; float32 master weights for every model of a run."""
    adapter: Path | None = None
    """peft adapter folder to be merged into the weights."""
    digest: str
    """Hash of the content of the folder's weights, configuration and tokenizer, and of the adapter."""


def open_model(folder: Path, *, name: str | None = None, adapter: Path | None = None) -> Model:
    """The model in a Hugging Face folder (named after it by default), with an adapter on top or none.

    Raises ConfigError for a folder without configuration, safetensors or tokenizer, and for a bad adapter.
    """
    _check_folder(folder)
    content = folder_digest(folder)
    if adapter is not None:
        content = digest([content, _adapter_digest(adapter)])
    return Model(name=name or folder.name, folder=folder, adapter=adapter, digest=content)


def context_length(model: Model) -> int | None:
    """The longest sequence that a model reads, in tokens; None if its configuration does not say."""
    found = json.loads((model.folder / "config.json").read_text(encoding="utf-8"))
    length: int | None = found.get("text_config", found).get("max_position_embeddings")
    return length


def folder_digest(folder: Path) -> str:
    """Digest of a folder's content files, kept in the cache while their sizes and times are unchanged."""
    files = content_files(folder)
    stamp = _stamp(files)
    place = default_cache() / "digests" / f"{digest(str(folder.resolve()))}.json"
    known = _read_stamp(place)
    if known is not None and known.get("files") == stamp and isinstance(known.get("digest"), str):
        return str(known["digest"])
    value = files_digest(files)
    _write_stamp(place, {"digest": value, "files": stamp})
    return value


def _stamp(files: list[Path]) -> dict[str, list[int]]:
    # The time of change, too: an unpacked archive may give other content in the same place the same size and mtime.
    stats = {path.name: path.stat() for path in files}
    return {name: [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] for name, stat in stats.items()}


def _read_stamp(path: Path) -> dict[str, Any] | None:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return known if isinstance(known, dict) else None


def _write_stamp(path: Path, value: dict[str, Any]) -> None:
    # In a read-only cache the digest is computed again next time.
    with suppress(OSError, WorkspaceError), atomic_path(path, replace=True) as temporary:
        temporary.write_text(json.dumps(value))


def _adapter_digest(adapter: Path) -> str:
    files = [adapter / ADAPTER_CONFIG, adapter / ADAPTER_WEIGHTS]
    for file in files:
        if not file.is_file():
            raise ConfigError(f"{adapter} has no {file.name}: a peft adapter folder with safetensors is wanted")
    return files_digest(files)


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        hint = "merge it into its base first" if (folder / ADAPTER_CONFIG).is_file() else "name the model's folder"
        raise ConfigError(f"{folder} has no config.json: a Hugging Face model folder is wanted; {hint}")
    if not any(folder.glob(WEIGHTS)):
        found = "only pickled weights (.bin)" if any(folder.glob("*.bin")) else "no weights"
        raise ConfigError(f"{folder} has {found}: {WEIGHTS} is wanted; save the model as safetensors first")
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise ConfigError(f"{folder} has no tokenizer: tokenizer.json is wanted; save the tokenizer beside the model")
