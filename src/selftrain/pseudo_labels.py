"""Pseudo-labels: what a model's own responses were taken for, with how sure of them it was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from selftrain.errors import WorkspaceError
from selftrain.records import Mark, Question, Response
from selftrain.store import Row, write_parquet

PSEUDO_LABELS = pa.schema(
    [
        ("problem", pa.string()),
        ("response", pa.string()),
        ("text", pa.string()),
        ("answer", pa.string()),
        ("nll", pa.float64()),
        ("source", pa.string()),
        ("kept", pa.bool_()),
        ("judgement", pa.string()),
    ]
)
"""Columns of pseudo_labels.parquet."""
LARGEST = 1 << 30
"""Bytes of a file, unpacked, that is read back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoLabel:
    """A response that may stand for the gold answer that a training problem has not."""

    question: Question
    response: Response
    answer: str | None
    """The canonical answer it states."""
    nll: float
    """Its mean negative log-likelihood under the warm model, in nats a token; nan if there is none."""
    source: str
    """Which configuration wrote it."""
    kept: bool
    """Whether it is trained."""


def save_pseudo_labels(path: Path, labels: Sequence[PseudoLabel], marks: Mapping[str, Mark]) -> list[Row]:
    """Writes pseudo-labels as Parquet, and gives its rows.

    `marks` has the judgements of those whose gold answer is known, by response.
    """
    rows = [
        {
            "problem": label.question.id,
            "response": label.response.id,
            "text": label.response.text,
            "answer": label.answer,
            "nll": label.nll if np.isfinite(label.nll) else None,
            "source": label.source,
            "kept": label.kept,
            "judgement": marks.get(label.response.id),
        }
        for label in labels
    ]
    write_parquet(path, rows, PSEUDO_LABELS)
    return rows


def read_pseudo_labels(path: Path) -> list[Row]:
    """The rows of a file that `save_pseudo_labels` wrote. Raises WorkspaceError if it is damaged, or far too large."""
    try:
        with pq.ParquetFile(path) as file:
            groups = [file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups)]
            whole = file.schema_arrow.equals(PSEUDO_LABELS) and sum(groups) <= LARGEST
            rows: list[Row] = file.read().to_pylist() if whole else []
    except (pa.ArrowException, ValueError, OSError):
        whole = False
    if not whole or not all(map(_sound, rows)):
        raise WorkspaceError(f"{path} is damaged: restore it from a copy, or run again under another name")
    return rows


def _sound(row: Row) -> bool:
    there = all(row[name] is not None for name in ("problem", "response", "text", "source", "kept"))
    return there and row["judgement"] in (None, *get_args(Mark))
