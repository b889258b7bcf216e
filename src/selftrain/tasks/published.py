"""Rows of a published data set: from a local folder of .jsonl files, or from the hub."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from selftrain.errors import ConfigError, DataError, MissingExtraError
from selftrain.tasks.tables import Placed, Row, read_rows

Files = Mapping[str, Sequence[str]]
"""What the file of a split may be called in a folder, by split."""


def published_rows(path: str, config: str | None, split: str, files: Files) -> Placed:
    """The rows of one split, each with its place for messages.

    `path` is a folder that holds `files`, or the name of a data set on the hub, which has a `config` there unless None.
    Raises ConfigError when there is no such folder, DataError when the data cannot be read.
    """
    folder = local_folder(path, files)
    if folder is not None:
        found = [folder / name for name in files[split] if (folder / name).is_file()]
        return read_rows(found[0] if found else folder / files[split][0])
    return ((f"{path} {split} row {i}", row) for i, row in enumerate(_hub_rows(path, config, split, files), start=1))


def local_folder(path: str, files: Files) -> Path | None:
    """The folder that a path names; None for a name on the hub. Raises ConfigError for a folder that is not there."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if path.startswith((".", "/", "~")) or path.count("/") > 1:
        raise ConfigError(f"task.options.path: there is no folder {path} (with {_named(files)})")
    return None


def _named(files: Files) -> str:
    return " and ".join(names[0] for names in files.values())


def _hub_rows(name: str, config: str | None, split: str, files: Files) -> Iterable[Row]:
    try:
        from datasets import load_dataset
    except ImportError:
        raise MissingExtraError("datasets", "tasks") from None
    try:
        rows: Iterable[Mapping[str, Any]] = load_dataset(name, config, split=split)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{name} cannot be read from the hub ({reason}): "
            f"check the name and the connection, or name a folder with {_named(files)}"
        ) from error
    return rows
