"""The training set of a round: tokenized rows, pairs or labelled responses, with weight and provenance."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from selftrain.digest import digest
from selftrain.errors import WorkspaceError
from selftrain.prompts import Ids
from selftrain.store import read_parquet, write_parquet, write_text

_COLUMNS: dict[Any, pa.DataType] = {
    Ids: pa.list_(pa.int64()),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bool: pa.bool_(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A response to be learned (SFT). Its prefix equals, id for id, the prompt the candidate is audited with."""

    noun: ClassVar[str] = "training rows"

    input_ids: Ids
    completion_start: int
    """Index of the first completion token; only tokens from here on count in the loss."""
    weight: float
    problem: str
    response: str
    """Id of the response the completion was sampled as."""
    prompt_text: str
    completion_text: str

    @property
    def complete(self) -> bool:
        """Whether there is a prompt, and a completion."""
        return 0 < self.completion_start < len(self.input_ids)

    @property
    def sequences(self) -> tuple[tuple[int, int], ...]:
        """Tokens, and how many of them are the completion, of each sequence that training reads."""
        return ((len(self.input_ids), len(self.input_ids) - self.completion_start),)

    @property
    def seen(self) -> list[Any]:
        """What training sees of it."""
        return [self.input_ids, self.completion_start, self.weight]

    def text(self) -> dict[str, Any]:
        """TRL's prompt-completion format with the weight."""
        return {"prompt": self.prompt_text, "completion": self.completion_text, "weight": self.weight}


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled(Row):
    """A response labelled as desirable or not (KTO)."""

    noun: ClassVar[str] = "labelled responses"

    label: bool
    """Whether it is desirable."""

    @classmethod
    def of(cls, row: Row, label: bool) -> "Labelled":
        """The response of a row with its label."""
        return cls(**asdict(row), label=label)

    @property
    def seen(self) -> list[Any]:
        """See `Row.seen`."""
        return [self.input_ids, self.completion_start, self.label, self.weight]

    def text(self) -> dict[str, Any]:
        """TRL's unpaired preference format with the weight."""
        return {
            "prompt": self.prompt_text,
            "completion": self.completion_text,
            "label": self.label,
            "weight": self.weight,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two responses to a problem, one to be preferred to the other (DPO)."""

    noun: ClassVar[str] = "pairs"

    prompt_ids: Ids
    chosen_ids: Ids
    rejected_ids: Ids
    weight: float
    problem: str
    chosen_response: str
    rejected_response: str
    """Ids of the responses the two were sampled as."""
    prompt_text: str
    chosen_text: str
    rejected_text: str

    @classmethod
    def of(cls, chosen: Row, rejected: Row) -> "Pair":
        """The pair of two rows with the same prompt; the weight is that of the chosen one."""
        return cls(
            prompt_ids=chosen.input_ids[: chosen.completion_start],
            chosen_ids=chosen.input_ids[chosen.completion_start :],
            rejected_ids=rejected.input_ids[rejected.completion_start :],
            weight=chosen.weight,
            problem=chosen.problem,
            chosen_response=chosen.response,
            rejected_response=rejected.response,
            prompt_text=chosen.prompt_text,
            chosen_text=chosen.completion_text,
            rejected_text=rejected.completion_text,
        )

    @property
    def complete(self) -> bool:
        """Whether there is a prompt, a chosen and a rejected completion."""
        return bool(self.prompt_ids and self.chosen_ids and self.rejected_ids)

    @property
    def sequences(self) -> tuple[tuple[int, int], ...]:
        """See `Row.sequences`."""
        completions = len(self.chosen_ids), len(self.rejected_ids)
        return tuple((len(self.prompt_ids) + length, length) for length in completions)

    @property
    def seen(self) -> list[Any]:
        """See `Row.seen`."""
        return [self.prompt_ids, self.chosen_ids, self.rejected_ids, self.weight]

    def text(self) -> dict[str, Any]:
        """TRL's preference format with the weight."""
        return {
            "prompt": self.prompt_text,
            "chosen": self.chosen_text,
            "rejected": self.rejected_text,
            "weight": self.weight,
        }


Kind = type[Row] | type[Pair]
AnyRow = TypeVar("AnyRow", Row, Labelled, Pair)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Rows of one kind in a fixed order; weights have mean 1 unless `normalised` is false."""

    rows: tuple[Row | Pair, ...]
    dropped: dict[str, int] = field(default_factory=dict)
    """How many problems or rows were left out, by reason."""
    normalised: bool = True

    def __post_init__(self) -> None:
        for row in self.rows:
            if type(row) is not self.kind:
                raise ValueError(f"rows are of one kind, found {self.kind.noun} and {row.noun}: make a set of each")
            if not (math.isfinite(row.weight) and row.weight >= 0):
                raise ValueError(f"weights must be finite and not negative, found {row.weight} for {row.problem}")
            if not row.complete:
                raise ValueError(f"the row of problem {row.problem} has no prompt or no completion")
        if self.normalised and self.rows and abs(self.mean_weight() - 1) > 1e-9:
            raise ValueError(f"weights must have mean 1 over the rows, found {self.mean_weight()}")

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row | Pair]:
        return iter(self.rows)

    @property
    def kind(self) -> Kind:
        """What its rows are; `Row` if there are none."""
        return type(self.rows[0]) if self.rows else Row

    def mean_weight(self) -> float:
        """Mean weight over the rows."""
        return math.fsum(row.weight for row in self.rows) / len(self.rows)

    @property
    def tokens(self) -> int:
        """Tokens that one pass of training reads; the prompt of a pair counts with both its sides."""
        return sum(length for row in self.rows for length, _ in row.sequences)

    @property
    def digest(self) -> str:
        """Hash of what training sees: token ids, where completions start, labels, weights, order."""
        return digest([row.seen for row in self.rows])

    def save(self, path: Path) -> None:
        """Writes the rows as Parquet."""
        schema = pa.schema([(column.name, _COLUMNS[column.type]) for column in fields(self.kind)])
        write_parquet(path, [asdict(row) for row in self.rows], schema)

    @classmethod
    def load(cls, path: Path) -> "TrainingSet":
        """Reads rows written by `save`. Raises WorkspaceError for a file of anything else."""
        kind = kind_in(path)
        found = ({name: _plain(value) for name, value in row.items()} for row in read_parquet(path))
        rows = cls(tuple(kind(**row) for row in found), normalised=False)
        return replace(rows, normalised=not rows or abs(rows.mean_weight() - 1) <= 1e-9)

    def export_text(self, path: Path) -> None:
        """Writes TRL's text format for the kind of its rows, with the weights, as JSONL."""
        lines = [json.dumps(row.text(), ensure_ascii=False) for row in self.rows]
        write_text(path, "".join(line + "\n" for line in lines))


def kind_in(path: Path) -> Kind:
    """The kind of rows in a file that `TrainingSet.save` wrote. Raises WorkspaceError for a file of anything else."""
    try:
        columns = pq.read_schema(path).names
    except pa.ArrowInvalid:
        columns = []
    kinds: tuple[Kind, ...] = (Row, Labelled, Pair)
    for kind in kinds:
        if columns == [column.name for column in fields(kind)]:
            return kind
    raise WorkspaceError(f"{path} holds no training set: restore it from a copy, or run again under another name")


def rescaled(rows: Sequence[AnyRow]) -> tuple[AnyRow, ...]:
    """The rows with weights scaled to mean 1. Raises ValueError if all weights are zero."""
    if not rows:
        return ()
    mean = math.fsum(row.weight for row in rows) / len(rows)
    if mean == 0:
        raise ValueError("all weights are zero: nothing would be learned")
    return tuple(replace(row, weight=row.weight / mean) for row in rows)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
