"""What changed problem by problem: whose share of right responses rose or fell, and which problems are solved."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from selftrain.report.responses import Drawn, Shown
from selftrain.store import Row

MOST_GROUPS = 20


@dataclass(frozen=True, slots=True)
class Change:
    """One problem: right and judged responses before and after."""

    problem: Row
    before: tuple[int, int]
    after: tuple[int, int]

    @property
    def difference(self) -> float:
        """How much the share of right responses rose."""
        return self.after[0] / self.after[1] - self.before[0] / self.before[1]


@dataclass(frozen=True, slots=True)
class GroupChange:
    """The problems of one part, family and level."""

    name: str
    rose: int
    same: int
    fell: int

    @property
    def problems(self) -> int:
        """All of them."""
        return self.rose + self.same + self.fell


def changes(problems: Iterable[Row], before: Drawn, after: Drawn) -> list[Change]:
    """The change of every problem that has judged responses on both sides, in order."""
    found = []
    for row in problems:
        counts = [_counts(side.get(row["id"], ())) for side in (before, after)]
        if all(judged for _, judged in counts):
            found.append(Change(row, counts[0], counts[1]))
    return found


def by_group(found: Sequence[Change]) -> list[GroupChange]:
    """The changes by suite, family and level; by suite and family alone where that makes too many groups."""
    for columns in (("family", "level"), ("family",), ()):
        groups: dict[str, list[float]] = defaultdict(list)
        for change in found:
            groups[_group(change.problem, columns)].append(change.difference)
        if len(groups) <= MOST_GROUPS:
            break
    return [_tally(name, groups[name]) for name in sorted(groups)]


def _group(problem: Row, columns: Sequence[str]) -> str:
    suite, _, part = problem["part"].removeprefix("suite ").rpartition(", ")
    names = [suite, *(problem[column] for column in columns)]
    return ", ".join(name for name in names if name) or part


def _tally(name: str, differences: Sequence[float]) -> GroupChange:
    rose, fell = sum(d > 1e-9 for d in differences), sum(d < -1e-9 for d in differences)
    return GroupChange(name, rose, len(differences) - rose - fell, fell)


def _counts(shown: Sequence[Shown]) -> tuple[int, int]:
    marks = [one.mark for one in shown]
    return marks.count("right"), len(marks) - marks.count("unjudged")
