"""The files of a model folder, and writing such a folder so that nobody ever sees half of one."""

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selftrain.errors import WorkspaceError

WEIGHTS = "model*.safetensors"
CONTENT = (
    "config.json",
    "generation_config.json",
    WEIGHTS,
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)
"""What makes a model: weights, configuration and tokenizer, and nothing that runs as code."""
GGUF_METADATA = "metadata.gguf"
"""The header of the GGUF file a model descends from, kept so that descendants can be written as GGUF."""
DIGEST = "digest.json"
"""The folder's digest with the sizes and times of the files it was computed from."""

_STALE_SECONDS = 3600


def content_files(folder: Path) -> list[Path]:
    """The files of a folder that make the model, in the order of their names."""
    return sorted({path for pattern in CONTENT for path in folder.glob(pattern)})


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A path to write a file or folder at; it becomes `target` when the block ends without an error.

    Raises WorkspaceError where `target` exists already or its folder cannot be written.
    """
    if target.exists():
        raise WorkspaceError(f"{target} exists already: remove it or choose another place")
    prefix = f".{target.name}.tmp-"
    temporary = target.parent / f"{prefix}{uuid.uuid4().hex}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent, prefix)
        yield temporary
        _settle(temporary)
        _rename(temporary, target)
    except PermissionError as error:
        raise WorkspaceError(f"{target} cannot be written: {error.strerror}; choose another place") from error
    finally:
        _remove(temporary)


def link_model(source_folder: Path, target_folder: Path) -> None:
    """Make `target_folder` the same model as `source_folder`: hard links where possible, else copies."""
    kept = [source_folder / name for name in (GGUF_METADATA, DIGEST)]
    with atomic_path(target_folder) as folder:
        folder.mkdir()
        for source in content_files(source_folder) + [path for path in kept if path.exists()]:
            link_file(source, folder / source.name)


def link_file(source: Path, target: Path) -> None:
    """Hard link a file, or copy it (with its times) where the file system refuses."""
    real = source.resolve()  # a link to a symbolic link would dangle when its cache is cleaned
    try:
        os.link(real, target)
    except OSError:
        shutil.copy2(real, target)


def _rename(temporary: Path, target: Path) -> None:
    try:
        os.rename(temporary, target)
    except OSError as error:
        if target.exists():
            raise WorkspaceError(f"{target} was made by another process meanwhile") from error
        raise
    _sync(target.parent)


def _settle(path: Path) -> None:
    """Flush everything to disk; files get the permissions their folder got (safetensors writes 0600)."""
    if path.is_dir():
        mode = path.stat().st_mode & 0o666
        for file in path.iterdir():
            if file.stat().st_nlink == 1:
                file.chmod(mode)
                _sync(file)
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove what killed writers of the same target left; a living one touches its folder within the hour."""
    for path in parent.glob(f"{prefix}*"):
        try:
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                _remove(path)
        except FileNotFoundError:
            continue  # another process swept it first


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
