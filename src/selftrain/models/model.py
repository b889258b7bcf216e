"""A model as the rest of the program knows it: folders on disk and a digest of their content."""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from selftrain.digest import digest, files_digest
from selftrain.errors import ConfigError, WorkspaceError
from selftrain.files import atomic_path
from selftrain.models.cache import default_cache
from selftrain.models.folders import EXTRACTIVE, WEIGHTS, content_files

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
_VOCABULARY = (*_TOKENIZERS, "merges.txt", "added_tokens.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Weights, configuration and tokenizer on disk, with an adapter on top or none; perhaps with a partner: a pair."""

    name: str
    folder: Path
    """Hugging Face folder with safetensors; float32 master weights for every model of a run."""
    adapter: Path | None = None
    """peft adapter folder to be merged into the weights."""
    digest: str
    """Hash of the content of the folder's weights, configuration and tokenizer, and of the adapter; of no partner's."""
    extractive: "Model | None" = None
    """The partner, which writes the extractive segments in alternation; None: the model writes everything itself."""

    @property
    def identity(self) -> str:
        """What determines its responses: its digest, or that of both digests for a pair."""
        return self.digest if self.extractive is None else digest([self.digest, self.extractive.digest])

    @property
    def alone(self) -> "Model":
        """Its own weights, without a partner."""
        return replace(self, extractive=None)


def open_model(folder: Path, *, name: str | None = None, adapter: Path | None = None) -> Model:
    """The model in a Hugging Face folder (named after it by default), with an adapter on top or none.

    The model in the folder's sub-folder `extractive` is its partner. Raises ConfigError for a folder without
    configuration, safetensors or tokenizer, for a bad adapter, and for a partner that has a partner of its own or
    another vocabulary.
    """
    _check_folder(folder)
    content = folder_digest(folder)
    if adapter is not None:
        content = digest([content, _adapter_digest(adapter)])
    model = Model(name=name or folder.name, folder=folder, adapter=adapter, digest=content)
    return replace(model, extractive=_open_partner(model)) if (folder / EXTRACTIVE).is_dir() else model


def _open_partner(model: Model) -> Model:
    folder = model.folder / EXTRACTIVE
    if (folder / EXTRACTIVE).is_dir():
        raise ConfigError(f"{folder} has a sub-folder {EXTRACTIVE}, too: two models make a pair; remove the third")
    partner = open_model(folder, name=f"{model.name}-{EXTRACTIVE}")
    if not _same_vocabulary(model, partner):
        raise ConfigError(
            f"{folder} has another vocabulary than {model.folder}: models of one vocabulary make a pair; "
            "train both from the same model"
        )
    return partner


def _same_vocabulary(*models: Model) -> bool:
    files = [[path for name in _VOCABULARY if (path := model.folder / name).is_file()] for model in models]
    if len({files_digest(own) for own in files}) == 1:
        return True
    # Saved by another version of its library, the same tokenizer is another file.
    from selftrain.models.load import load_tokenizer

    first, second = (load_tokenizer(model).get_vocab() for model in models)
    return bool(first == second)


def context_length(model: Model) -> int | None:
    """The longest sequence that a model reads, in tokens; None if its configuration does not say."""
    found = _read_config(model)
    length: int | None = found.get("text_config", found).get("max_position_embeddings")
    return length


def is_encoder_decoder(model: Model) -> bool:
    """Whether a model reads the prompt by an encoder of its own, and writes by a decoder (T5 and its like)."""
    return _read_config(model).get("is_encoder_decoder") is True


def _read_config(model: Model) -> dict[str, Any]:
    path = model.folder / "config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} does not load ({error}): an undamaged model file is wanted") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds a {type(found).__name__}: the configuration of a model is wanted")
    return found


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
