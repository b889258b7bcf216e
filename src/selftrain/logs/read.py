"""Reads a log, whatever its format."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selftrain.audit.diversity import Embed
from selftrain.errors import DataError
from selftrain.logs import rows
from selftrain.logs.log import Log, Source, tallied
from selftrain.logs.runs import is_run, read_run_log
from selftrain.tasks.tables import read_rows

WANTED = (
    "a .jsonl, .csv or .parquet file of responses, the folder of a run, a log of Inspect (.eval, .json), "
    "or samples of lm-evaluation-harness (samples_*.jsonl)"
)


def read_log(path: Path, *, embed: Embed | None = None) -> Log:
    """The cells of a log of sampled answers; `embed` is what the tally takes.

    The path says what it is: the folder of a run or of its round; a log of Inspect; samples of the
    lm-evaluation-harness, or a folder with one such file; a .jsonl, .csv or .parquet file with a row for each response,
    see `rows.source`. Raises DataError or WorkspaceError for what cannot be read.
    """
    return read_run_log(path, embed) if is_run(path) else tallied(path, _source(path), embed)


def read_logs(paths: Sequence[Path], *, embed: Embed | None = None) -> list[Log]:
    """Several logs, in order."""
    return [read_log(path, embed=embed) for path in paths]


def _source(path: Path) -> Source:
    if path.is_dir():
        return _harness(_only_samples(path))
    if not path.is_file():
        raise DataError(f"there is no file or folder {path}: give its path from the current folder or in full")
    suffix = path.suffix.lower()
    if suffix in (".eval", ".json"):
        from selftrain.logs.inspect import source

        return source(path)
    if suffix == ".jsonl" and _is_harness(next(iter(read_rows(path)))[1]):
        return _harness(path)
    if suffix in (".jsonl", ".csv", ".parquet"):
        return rows.source(path)
    raise DataError(f"{path} is no known kind of log: wanted {WANTED}")


def _only_samples(folder: Path) -> Path:
    """The one file of samples that the lm-evaluation-harness wrote into a folder, or into a model's folder in it."""
    found = sorted({*folder.glob("samples_*.jsonl"), *folder.glob("*/samples_*.jsonl")})
    if not found:
        raise DataError(f"{folder} holds no run.yaml and no samples_*.jsonl: wanted {WANTED}")
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found[:3])
        raise DataError(f"{folder} holds {len(found)} files of samples ({names}{', ...' * (len(found) > 3)}): name one")
    return found[0]


def _is_harness(row: Mapping[str, Any]) -> bool:
    return {"doc_id", "filtered_resps"} <= row.keys()


def _harness(path: Path) -> Source:
    from selftrain.logs.lm_eval import source

    return source(path)
