"""The workspace: durable steps on disk, with locks, torn-write repair and atomic sealing.

A step is a folder named by the digest of everything that determines its result. Rows arrive in append-only JSONL
(`rows.jsonl`) and are sealed into Parquet (`rows.parquet`) when the step is complete; a sealed step can be reopened
and grown. A process may die between any two instructions: what was appended whole is kept, the rest is owed again.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selftrain.digest import digest
from selftrain.errors import WorkspaceError
from selftrain.files import HALF_WRITTEN, atomic_path, remove, sync
from selftrain.progress import say

Row = dict[str, Any]
STEPS = ".steps"
_LEFT = "_left"


class Workspace:
    """A folder of runs and of the steps they share."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.opened: list[str] = []
        """Names of the steps opened so far, in order."""
        try:
            (root / STEPS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(f"cannot write the workspace {root}: {error.strerror}; name another folder") from None

    @contextmanager
    def step(self, kind: str, inputs: Mapping[str, Any]) -> Iterator["Step"]:
        """Opens the step that these inputs (JSON values) determine, for this process alone.

        Waits while another process works on it.
        """
        folder = self.root / STEPS / f"{kind}-{digest(inputs)}"
        folder.mkdir(exist_ok=True)
        self.opened.append(folder.name)
        with lock(folder / "lock", wait=True, what=f"step {folder.name}"):
            if not (folder / "step.json").exists():
                write_json(folder / "step.json", {"kind": kind, "inputs": inputs})
            sweep(folder)
            yield Step(folder)


class Step:
    """A locked step: rows keyed by their `id`, or a folder built whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sealed = folder / "rows.parquet"
        self._open = folder / "rows.jsonl"
        self.rows: dict[str, Row] = {}
        """Rows in the order they came."""
        if self._sealed.exists():
            self.rows.update((row["id"], row) for row in read_parquet(self._sealed))
        if self._open.exists():
            self.rows.update((row["id"], row) for row in _repair(self._open))

    def append(self, rows: Sequence[Row]) -> None:
        """Adds rows that belong together: after a crash either all of them are there or none."""
        if not rows:
            return
        lines = [json.dumps({**row, _LEFT: len(rows) - i}) for i, row in enumerate(rows, start=1)]
        with self._open.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        sync(self._open)
        self.rows.update((row["id"], row) for row in rows)

    def seal(self) -> None:
        """Writes all rows as Parquet and drops the JSONL; nothing to do if no row came since the last time."""
        if not self._open.exists():
            return
        write_parquet(self._sealed, list(self.rows.values()))
        self._open.unlink()

    def build(self, name: str, make: Callable[[Path], object]) -> Path:
        """A folder inside the step; `make` writes it whole or not at all."""
        target = self.folder / name
        if not target.exists():
            make(target)
        return target


@contextmanager
def lock(path: Path, *, wait: bool, what: str) -> Iterator[None]:
    """Holds an exclusive lock that ends with the process, however it ends.

    Raises WorkspaceError if another process holds it and `wait` is false.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise WorkspaceError(f"{what} is in use by another process: wait for it, or name another run") from None
            say(f"waiting for another process to finish {what}")
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # Closing is not enough: a forked child may have the file open too.
            fcntl.flock(file, fcntl.LOCK_UN)


def sweep(folder: Path) -> None:
    """Removes the files and folders that a killed process left half-written in a folder locked by this one."""
    for path in [path for path in folder.rglob(".*") if HALF_WRITTEN.fullmatch(path.name)]:
        remove(path)


def write_json(path: Path, value: Any) -> None:
    """Replaces a JSON file as a whole."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replaces a text file as a whole."""
    with atomic_path(path, replace=True) as temporary:
        temporary.write_text(text, encoding="utf-8")


def append_json(path: Path, value: Any) -> None:
    """Adds a line to a JSONL file; a torn last line of an earlier process is closed first."""
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")


def read_json_lines(path: Path) -> list[Any]:
    """The lines of a JSONL file that are whole."""
    values = []
    if path.exists():
        # In bytes: a line may be torn inside a character, and text knows more line ends than JSONL.
        for line in path.read_bytes().split(b"\n"):
            with suppress(ValueError):
                values.append(json.loads(line))
    return values


def write_parquet(path: Path, rows: Sequence[Row], schema: pa.Schema | None = None) -> None:
    """Replaces a Parquet file as a whole; without a schema it has the columns of all rows."""
    if schema is None and rows:  # pyarrow would take those of the first row
        rows = [dict.fromkeys(name for row in rows for name in row) | rows[0], *rows[1:]]
    with atomic_path(path, replace=True) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary, compression="zstd")


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> list[Row]:
    """The rows of a Parquet file, with all columns or some."""
    try:
        rows: list[Row] = pq.read_table(path, columns=columns).to_pylist()
    except pa.ArrowInvalid as error:
        raise WorkspaceError(f"{path} is damaged ({error}): remove its folder and repeat the command") from None
    return rows


def _repair(path: Path) -> list[Row]:
    """The rows of whole appends; what follows the last of them is cut off the file."""
    rows: list[Row] = []
    pending: list[Row] = []
    good = place = 0
    with path.open("rb") as file:
        for line in file:
            place += len(line)
            try:
                row = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                row = None
            if row is None:
                break
            left = row.pop(_LEFT)
            pending.append(row)
            if left == 0:
                rows += pending
                pending = []
                good = place
    if good < path.stat().st_size:
        with path.open("r+b") as file:
            file.truncate(good)
    return rows
