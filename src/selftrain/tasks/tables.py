"""Rows of JSONL, CSV and Parquet files, which are hostile: bounded in size, read as plain values only."""

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from selftrain.errors import DataError

MAX_ROW = 1_000_000
"""Largest row, in bytes of a line or characters of a row's text."""
_BUFFER = 1 << 20
_EXACT = 2**53
"""Below this, a float without a fraction is one whole number and no other."""

Row = Mapping[str, Any]
Placed = Iterator[tuple[str, Row]]
"""Rows, each with its place for messages, such as `data.csv line 3`."""


def read_rows(path: Path, columns: Sequence[str] | None = None) -> Placed:
    """The rows of a file by its extension: .jsonl, .csv or .parquet; of Parquet, all columns or some.

    Memory is bounded whatever the size of the file. Raises DataError when the file is missing, holds no rows, or
    cannot be read.
    """
    readers: dict[str, Callable[[Path], Placed]] = {
        ".jsonl": _jsonl,
        ".csv": _csv,
        ".parquet": partial(_parquet, columns=columns),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is no known kind of file: wanted one of {', '.join(readers)}")
    if not path.is_file():
        raise DataError(f"there is no file {path}: give its path from the current folder or in full")
    return _some(reader(path), path)


def number_text(value: float, place: str) -> str:
    """A number as the shortest text that means it, such as 18 for 18.0. Raises DataError for nan and infinities."""
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(f"{place} holds {value}: wanted a finite number")
    return str(int(value)) if abs(value) < _EXACT and value == int(value) else str(value)


def text_value(value: object, place: str) -> str | None:
    """A non-empty text, or None for nothing. Raises DataError for anything else, and for what no tokenizer takes."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise DataError(f"{place} holds {type(value).__name__} {str(value)[:40]!r}: wanted text in quotes")
    if "\0" in value:
        raise DataError(f"{place} holds a null character: remove it")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(f"{place} holds half a surrogate pair: write the character whole")
    return value if value.strip() else None


def answer_value(value: object, place: str) -> str | None:
    """A text or a number as text, or None for nothing. Raises DataError for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(value, place)
    return text_value(value, place)


def _some(rows: Placed, path: Path) -> Placed:
    empty = True
    for row in rows:
        empty = False
        yield row
    if empty:
        raise DataError(f"{path} holds no rows: wanted at least one")


def _too_long(place: str) -> DataError:
    return DataError(f"{place} is longer than {MAX_ROW:,} characters: shorten or remove it")


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """Lines with their ends, none longer than the limit and all of them text."""
    number = 0
    try:
        while line := file.readline(MAX_ROW + 1):
            number += 1
            if len(line) > MAX_ROW:
                raise _too_long(f"{path} line {number}")
            yield line
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text near line {number + 1}: convert it to UTF-8") from None


def _jsonl(path: Path) -> Placed:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(_lines(path, file), start=1):
            if not line.strip():
                continue
            place = f"{path} line {number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                reason = getattr(error, "msg", None) or "numbers too long or values nested too deep"
                raise DataError(f"{place} is not JSON ({reason}): wanted one object a line") from None
            if not isinstance(row, dict):
                raise DataError(f"{place} holds {type(row).__name__}: wanted one JSON object a line")
            yield place, row


def _csv(path: Path) -> Placed:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(_lines(path, file), strict=True)
        while True:
            old_limit = csv.field_size_limit(MAX_ROW)  # global to the csv module: put back below
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise DataError(f"{path} line {reader.line_num + 1} is not CSV ({error}): check its quotes") from None
            finally:
                csv.field_size_limit(old_limit)
            if row is None:
                return
            yield f"{path} line {reader.line_num}", _even(row, f"{path} line {reader.line_num}")


def _even(row: dict[str | Any, str | Any], place: str) -> Row:
    if None in row:
        raise DataError(f"{place} has more fields than the header: put quotes around fields with commas")
    if None in row.values():
        raise DataError(f"{place} has fewer fields than the header: fill it up with commas")
    if sum(map(len, row.values())) > MAX_ROW:
        raise _too_long(place)
    return {key: value if value.strip() else None for key, value in row.items()}


def _parquet(path: Path, columns: Sequence[str] | None) -> Placed:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        # Unless pages are read one by one, a row group is held whole, and a file may be one group.
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
            for batch in file.iter_batches(batch_size=256, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    if len(str(row)) > MAX_ROW:
                        raise _too_long(f"{path} row {number}")
                    yield f"{path} row {number}", row
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} is not readable as Parquet after row {number} ({reason})") from None
