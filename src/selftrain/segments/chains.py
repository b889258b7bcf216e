"""Chains: worked solutions cut into labelled pieces, and the file that tells of them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from selftrain.errors import WorkspaceError
from selftrain.store import Row, write_parquet

Source = Literal["response", "rationale"]
"""Who wrote a chain: the model, or a person."""
CHAINS = pa.schema(
    [
        ("problem", pa.string()),
        ("response", pa.string()),
        ("source", pa.string()),
        ("pieces", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float64())),
        ("labels", pa.string()),
        ("segments", pa.list_(pa.int32())),
        ("trained", pa.bool_()),
    ]
)
"""Columns of segments.parquet."""
LARGEST = 1 << 28
"""Bytes of a file, unpacked, that is read back."""
_BATCH = 64
"""Chains that are unpacked at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A worked solution in labelled pieces. Raises ValueError for one that is not as its fields say."""

    problem: str
    """Id of its problem."""
    response: str
    """Id of the response, or of the rationale."""
    source: Source
    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    """One a piece, in the unit of the strategy that scored it; nan where there is none."""
    labels: str
    """One letter a piece: `E`, extractive, or `A`, abstractive."""
    segments: tuple[int, ...]
    """One number a piece: the segment that it went into, counted from 0; all pieces of a segment have one label."""
    trained: bool
    """Whether its segments are in the training set."""

    def __post_init__(self) -> None:
        if not len(self.pieces) == len(self.scores) == len(self.labels) == len(self.segments):
            raise ValueError("a chain has one score, one label and one segment a piece")
        if set(self.labels) - set("EA") or self.source not in get_args(Source):
            raise ValueError("the labels of a chain are E and A, its source is response or rationale")
        steps = [after - before for before, after in pairwise((0, *self.segments))]
        labels = set(zip(self.segments, self.labels, strict=True))
        if self.segments[:1] not in ((), (0,)) or set(steps) - {0, 1} or len(labels) > len(set(self.segments)):
            raise ValueError("the segments of a chain are counted from 0, in order, and each has one label")


def save_chains(path: Path, chains: Sequence[Chain]) -> None:
    """Writes chains as Parquet."""
    write_parquet(path, [_row(chain) for chain in chains], CHAINS)


def read_chains(path: Path) -> tuple[Chain, ...]:
    """The chains of a file that `save_chains` wrote. Raises WorkspaceError if it is damaged, or far too large."""
    try:
        return tuple(_read(path))
    except (pa.ArrowException, ValueError, TypeError, OSError):
        raise WorkspaceError(f"{path} is damaged: restore it from a copy, or run again under another name") from None


def _read(path: Path) -> Iterator[Chain]:
    """Little by little, since a small file may unpack to a large one. Raises ValueError for a file that is none."""
    room = LARGEST
    with pq.ParquetFile(path) as file:
        if not file.schema_arrow.equals(CHAINS):
            raise ValueError("other columns")
        for batch in file.iter_batches(_BATCH):
            room -= batch.nbytes
            if room < 0:
                raise ValueError("too large")
            yield from map(_chain, batch.to_pylist())


def _row(chain: Chain) -> Row:
    return {
        "problem": chain.problem,
        "response": chain.response,
        "source": chain.source,
        # Parquet holds no half of a surrogate pair, a JSON file of rationales may.
        "pieces": [piece.encode(errors="backslashreplace").decode() for piece in chain.pieces],
        "scores": [score if math.isfinite(score) else None for score in chain.scores],
        "labels": chain.labels,
        "segments": list(chain.segments),
        "trained": chain.trained,
    }


def _chain(row: Row) -> Chain:
    if any(row[name] is None for name in CHAINS.names) or None in row["pieces"]:
        raise ValueError("a value is missing")
    scores = [math.nan if score is None or math.isinf(score) else score for score in row["scores"]]
    lists = {"pieces": tuple(row["pieces"]), "scores": tuple(scores), "segments": tuple(row["segments"])}
    return Chain(**{**row, **lists})
