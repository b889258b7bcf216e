"""The training set of a round: tokenized rows with weight and provenance."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from selftrain.digest import digest
from selftrain.store import read_parquet, write_parquet, write_text

SCHEMA = pa.schema(
    {
        "input_ids": pa.list_(pa.int64()),
        "completion_start": pa.int64(),
        "weight": pa.float64(),
        "problem": pa.string(),
        "response": pa.string(),
        "prompt_text": pa.string(),
        "completion_text": pa.string(),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One training row. Its prefix equals, id for id, the prompt the candidate is audited with."""

    input_ids: tuple[int, ...]
    completion_start: int
    """Index of the first completion token; only tokens from here on count in the loss."""
    weight: float
    problem: str
    response: str
    """Id of the response the completion was sampled as."""
    prompt_text: str
    completion_text: str


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Rows in a fixed order; weights have mean 1 unless `normalised` is false."""

    rows: tuple[Row, ...]
    dropped: dict[str, int] = field(default_factory=dict)
    """How many problems or rows were left out, by reason."""
    normalised: bool = True

    def __post_init__(self) -> None:
        for row in self.rows:
            if not (math.isfinite(row.weight) and row.weight >= 0):
                raise ValueError(f"weights must be finite and not negative, found {row.weight} for {row.problem}")
            if not 0 < row.completion_start < len(row.input_ids):
                raise ValueError(f"the row of problem {row.problem} has no prompt or no completion")
        if self.normalised and self.rows and abs(self.mean_weight() - 1) > 1e-9:
            raise ValueError(f"weights must have mean 1 over the rows, found {self.mean_weight()}")

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def mean_weight(self) -> float:
        """Mean weight over the rows."""
        return math.fsum(row.weight for row in self.rows) / len(self.rows)

    @property
    def digest(self) -> str:
        """Hash of what training sees: token ids, where completions start, weights, order."""
        return digest([[row.input_ids, row.completion_start, row.weight] for row in self.rows])

    def save(self, path: Path) -> None:
        """Writes the rows as Parquet."""
        write_parquet(path, [asdict(row) for row in self.rows], SCHEMA)

    @classmethod
    def load(cls, path: Path) -> "TrainingSet":
        """Reads rows written by `save`."""
        rows = [Row(**{**row, "input_ids": tuple(row["input_ids"])}) for row in read_parquet(path)]
        normalised = not rows or abs(math.fsum(row.weight for row in rows) / len(rows) - 1) <= 1e-9
        return cls(tuple(rows), normalised=normalised)

    def export_text(self, path: Path) -> None:
        """Writes TRL's prompt-completion format with the weights, as JSONL."""
        lines = [
            json.dumps(
                {"prompt": row.prompt_text, "completion": row.completion_text, "weight": row.weight},
                ensure_ascii=False,
            )
            for row in self.rows
        ]
        write_text(path, "".join(line + "\n" for line in lines))


def rescaled(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows with weights scaled to mean 1. Raises ValueError if all weights are zero."""
    if not rows:
        return ()
    mean = math.fsum(row.weight for row in rows) / len(rows)
    if mean == 0:
        raise ValueError("all weights are zero: nothing would be learned")
    return tuple(replace(row, weight=row.weight / mean) for row in rows)
