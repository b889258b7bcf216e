"""What one (model, suite, prompt, sampling settings) came to, problem by problem."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from selftrain.errors import DataError

Counts = NDArray[np.int64]

_MARKS = ("right", "wrong", "unjudged")
_FINISHES = ("stop", "length")


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """Counts of responses by problem; every array has shape [problems], in the order of `problems`."""

    labels: Mapping[str, Any]
    """What the cell is of: model, suite, prompt, and sampling settings such as temperature (JSON values)."""
    problems: tuple[str, ...]
    """Problem ids, all different."""
    right: Counts
    wrong: Counts
    unjudged: Counts
    """Responses no judge could mark; they leave n."""
    unparsed: Counts
    """Judged responses without an answer."""
    truncated: Counts
    """Responses, judged or not, that were cut at the token cap."""

    def __post_init__(self) -> None:
        counts = (self.right, self.wrong, self.unjudged, self.unparsed, self.truncated)
        if any(count.shape != (len(self.problems),) or (count < 0).any() for count in counts):
            raise ValueError(f"counts must be 0 or more, one for each of the {len(self.problems)} problems")
        if (self.unparsed > self.n).any():
            raise ValueError("unparsed counts must be part of the judged responses")
        if (self.responses < 1).any() or (self.truncated > self.responses).any():
            raise ValueError("every problem needs a response, and truncated counts must be part of the responses")
        if len(set(self.problems)) < len(self.problems):
            raise ValueError("problems must be all different")

    @property
    def n(self) -> Counts:
        """Judged responses of each problem."""
        return self.right + self.wrong

    @property
    def responses(self) -> Counts:
        """All responses of each problem."""
        return self.n + self.unjudged

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], labels: Mapping[str, Any]) -> "Cell":
        """Count logged responses; problems keep the order in which they first appear.

        A row has `problem` (id), `judgement` (right, wrong or unjudged), `answer` (None: no answer was
        found) and `finish` (stop or length). Raises DataError for rows without these.
        """
        counts: dict[str, list[int]] = {}
        for number, row in enumerate(rows, start=1):
            mark, finish = _checked(row, number)
            tally = counts.setdefault(str(row["problem"]), [0] * 5)
            tally[_MARKS.index(mark)] += 1
            tally[3] += mark != "unjudged" and row["answer"] is None
            tally[4] += finish == "length"
        table = np.array(list(counts.values()), dtype=np.int64).reshape(-1, 5)
        return cls(dict(labels), tuple(counts), *(np.ascontiguousarray(column) for column in table.T))

    def take(self, problems: Sequence[str]) -> "Cell":
        """The same cell cut to some of its problems, in the order given."""
        place = {problem: index for index, problem in enumerate(self.problems)}
        index = np.array([place[problem] for problem in problems], dtype=np.intp)
        return replace(
            self,
            problems=tuple(problems),
            right=self.right[index],
            wrong=self.wrong[index],
            unjudged=self.unjudged[index],
            unparsed=self.unparsed[index],
            truncated=self.truncated[index],
        )


class Pair(NamedTuple):
    """Two cells over the same problems in the same order."""

    first: Cell
    second: Cell
    unmatched: int
    """Problems that only one of the two had."""


def paired(first: Cell, second: Cell) -> Pair:
    """Cut two cells to their common problems, in the first one's order; DataError when there are none."""
    known = set(second.problems)
    common = [problem for problem in first.problems if problem in known]
    if not common:
        raise DataError(
            f"no problem is in both logs ({len(first.problems)} and {len(second.problems)} problems): "
            "give two logs of the same problems"
        )
    unmatched = len(first.problems) + len(second.problems) - 2 * len(common)
    return Pair(first.take(common), second.take(common), unmatched)


def judged(first: Cell, second: Cell) -> tuple[Cell, Cell]:
    """Two cells cut to the problems both have judged responses for; DataError when there are none."""
    pair = paired(first, second)
    keep = [pair.first.problems[i] for i in np.flatnonzero((pair.first.n > 0) & (pair.second.n > 0))]
    if not keep:
        raise DataError(
            f"none of the {len(pair.first.problems)} common problems has a judged response in both logs: "
            "check the judge and its deadline"
        )
    return pair.first.take(keep), pair.second.take(keep)


def _checked(row: Mapping[str, Any], number: int) -> tuple[str, str]:
    for key in ("problem", "judgement", "answer", "finish"):
        if key not in row:
            raise DataError(f"row {number} has no {key!r}: every logged response needs one")
    for key, allowed in (("judgement", _MARKS), ("finish", _FINISHES)):
        if row[key] not in allowed:
            raise DataError(f"row {number} has {key} {str(row[key])[:40]!r}: use one of {', '.join(allowed)}")
    return row["judgement"], row["finish"]
