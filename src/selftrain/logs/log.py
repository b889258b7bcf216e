"""A log: where it was, what it says of itself, and its cells."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selftrain.audit import Cell
from selftrain.audit.diversity import Embed
from selftrain.audit.tally import Tally
from selftrain.errors import DataError

Row = dict[str, Any]
"""A response under the row contract of `Tally.add`."""
MOST_SUITES = 100
NUMBERS = (int, float)
_LARGEST = 2**53


@dataclass(frozen=True, slots=True)
class Source:
    """What the reader of a format finds. `rows` is read once, and `labels` and `notes` are complete after that."""

    labels: Mapping[str, Any]
    """model, temperature, top_p, max_tokens and the like, as far as the log says (JSON values)."""
    rows: Iterator[tuple[str | None, Row]]
    """Each with its out-of-distribution suite, None for the main problems."""
    notes: list[str]
    """What was left out, counted, and what a reader of the figures should know."""


@dataclass(frozen=True, slots=True)
class Log:
    """What a log came to."""

    path: Path
    labels: Mapping[str, Any]
    cells: Mapping[str | None, Cell]
    """By out-of-distribution suite; None: the main problems, which are always there."""
    notes: tuple[str, ...]

    @property
    def main(self) -> Cell:
        """The cell of the main problems."""
        return self.cells[None]


def tallied(path: Path, source: Source, embed: Embed | None = None) -> Log:
    """The log at a path, from what its reader finds. Raises DataError if that makes no cell of main problems."""
    tallies: dict[str | None, Tally] = {}
    for suite, row in source.rows:
        tally = tallies.get(suite)
        if tally is None:
            if len(tallies) > MOST_SUITES:
                raise DataError(f"{path} has more than {MOST_SUITES} suites: make the suite a few names, or null")
            tally = tallies[suite] = Tally(embed)
        row["problem"] = whole_text(row["problem"])
        tally.add(row)
    if None not in tallies:
        what = f"rows of suites alone ({', '.join(map(str, tallies))})" if tallies else "no response to read"
        raise DataError(f"{path} holds {what}: wanted rows without a suite, those of the main problems")
    order = sorted(tallies, key=lambda suite: suite or "")
    cells = {suite: tallies[suite].cell({**source.labels, "suite": suite}) for suite in order}
    notes = [note for suite in order for note in _notes(suite, tallies[suite].notes, cells[suite])]
    return Log(path, source.labels, cells, (*source.notes, *notes))


def whole_text(text: str) -> str:
    """Text that can be written as UTF-8: halves of surrogate pairs become escapes."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def is_number(value: Any) -> bool:
    """Whether it is a finite number, and not so large that a float cannot hold it."""
    return type(value) in NUMBERS and abs(value) < _LARGEST


def _notes(suite: str | None, told: Sequence[str], cell: Cell) -> Iterator[str]:
    least, most = int(cell.responses.min()), int(cell.responses.max())
    few = int((cell.responses < most).sum())
    uneven = [f"{few:,} of {len(cell.problems):,} problems have fewer responses than {most} (least {least})"]
    for note in (*told, *(uneven if few else ())):
        yield note if suite is None else f"suite {suite}: {note}"
