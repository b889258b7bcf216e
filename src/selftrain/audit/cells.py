"""What one (model, suite, prompt, sampling settings) came to, problem by problem."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from selftrain.audit.detail import Counts, Detail, Votes
from selftrain.errors import DataError


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
    unparsed: Counts | None
    """Judged responses without an answer; None if the log does not say."""
    truncated: Counts | None
    """Responses, judged or not, that were cut at the token cap; None if the log does not say."""
    detail: Detail | None = None
    """What the log tells beyond counts."""

    def __post_init__(self) -> None:
        counts = [self.right, self.wrong, self.unjudged]
        counts += [count for count in (self.unparsed, self.truncated) if count is not None]
        if any(count.shape != (len(self.problems),) or (count < 0).any() for count in counts):
            raise ValueError(f"counts must be 0 or more, one for each of the {len(self.problems)} problems")
        if self.unparsed is not None and (self.unparsed > self.n).any():
            raise ValueError("unparsed counts must be part of the judged responses")
        if (self.responses < 1).any() or (self.truncated is not None and (self.truncated > self.responses).any()):
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
            unparsed=None if self.unparsed is None else self.unparsed[index],
            truncated=None if self.truncated is None else self.truncated[index],
            detail=self.detail and self.detail.take(index),
        )


class Pair(NamedTuple):
    """Two cells over the same problems in the same order."""

    first: Cell
    second: Cell
    alone: tuple[tuple[str, ...], tuple[str, ...]]
    """Problems that only the first had, and only the second."""


def paired(first: Cell, second: Cell) -> Pair:
    """Cut two cells to their common problems, in the first one's order; DataError when there are none."""
    common = set(first.problems) & set(second.problems)
    if not common:
        raise DataError(
            f"no problem is in both logs ({len(first.problems)} and {len(second.problems)} problems): "
            "give two logs of the same problems"
        )
    order = [problem for problem in first.problems if problem in common]
    alone = (_without(first, common), _without(second, common))
    return Pair(first.take(order), second.take(order), alone)


def _without(cell: Cell, common: set[str]) -> tuple[str, ...]:
    return tuple(problem for problem in cell.problems if problem not in common)


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


def votes_of(*cells: Cell) -> list[tuple[Votes, Counts]]:
    """Of each cell the votes, and how many judged responses of each problem have none; empty unless all tell them."""
    found = [
        (cell.detail.votes, cell.unparsed)
        for cell in cells
        if cell.detail and cell.detail.votes and cell.unparsed is not None
    ]
    return found if len(found) == len(cells) else []
