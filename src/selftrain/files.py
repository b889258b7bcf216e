"""Writing files and folders so that nobody ever sees half of one, and no crash takes back what was written."""

import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selftrain.errors import WorkspaceError

HALF_WRITTEN = re.compile(r"\..+\.tmp-[0-9a-f]{32}")
"""Names of what is being written, or was when its process died."""

_STALE_SECONDS = 3600


@contextmanager
def atomic_path(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """A path to write a file or folder at; it becomes `target` when the block ends without an error.

    With `replace` a file may take the place of an older one. Raises WorkspaceError where anything else exists
    at `target` already or its folder cannot be written.
    """
    if target.exists() and not (replace and target.is_file()):
        raise WorkspaceError(f"{target} exists already: remove it or choose another place")
    prefix = f".{target.name}.tmp-"
    temporary = target.with_name(f"{prefix}{uuid.uuid4().hex}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent, prefix)
        yield temporary
        _settle(temporary)
        _put(temporary, target, replace)
    except PermissionError as error:
        raise WorkspaceError(f"{target} cannot be written: {error.strerror}; choose another place") from error
    finally:
        remove(temporary)


def sync(path: Path) -> None:
    """Flush a file, or the list of names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds; nothing to do where there is none."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _put(temporary: Path, target: Path, replace: bool) -> None:
    try:
        os.replace(temporary, target)
    except OSError as error:
        if target.exists() and not replace:
            raise WorkspaceError(f"{target} was made by another process meanwhile") from error
        raise
    sync(target.parent)


def _settle(path: Path) -> None:
    """Flush everything to disk; files get the permissions their folder got (safetensors writes 0600)."""
    if path.is_dir():
        mode = path.stat().st_mode & 0o666
        for file in path.iterdir():
            if file.is_file() and file.stat().st_nlink == 1:
                file.chmod(mode)
                sync(file)
    sync(path)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove what killed writers of the same target left; a living one touches its folder within the hour."""
    for path in parent.iterdir():
        try:
            if path.name.startswith(prefix) and time.time() - path.stat().st_mtime > _STALE_SECONDS:
                remove(path)
        except FileNotFoundError:
            continue  # another process swept it first
