"""Proof, before any model runs, that a task's gold answers judge themselves right."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from selftrain.judges import JudgePool
from selftrain.progress import printable
from selftrain.records import Judgement, Problem
from selftrain.tasks.task import Task, count, quoted

SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedGold:
    """A gold answer that its own judge does not call right."""

    part: str
    problem: Problem
    judgement: Judgement

    def line(self) -> str:
        """One line that says which problem, its gold and what the judge said."""
        gold = " ".join((self.problem.gold or "").split())[:40]
        mark = f"{self.judgement.judgement} ({self.judgement.reason})"
        return printable(f"{self.part}: {quoted(self.problem)} with gold {gold!r} is {mark}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a task holds and which of its gold answers fail."""

    name: str
    judge: str
    counts: Mapping[str, Mapping[str, int]]
    """Problems by part and family; the family of a problem without one is the empty text."""
    without_gold: int
    notes: tuple[str, ...]
    failed: tuple[FailedGold, ...]

    @property
    def ok(self) -> bool:
        """Whether every gold answer is judged right."""
        return not self.failed

    def lines(self) -> list[str]:
        """The report as text for a terminal: counts, notes, then the first gold answers that fail."""
        return [printable(line) for line in self._lines()]

    def _lines(self) -> list[str]:
        total = sum(sum(families.values()) for families in self.counts.values())
        lines = [f"{self.name}: {count(total, 'problem')}, judged by {self.judge}"]
        lines += [f"  {part}: {_families(families)}" for part, families in self.counts.items()]
        lines += [f"  {note}" for note in self.notes]
        if self.without_gold:
            lines.append(f"  {count(self.without_gold, 'problem')} without a gold answer, not checked")
        if self.ok:
            return [*lines, f"every gold answer judges itself right ({total - self.without_gold} checked)"]
        lines.append(f"{count(len(self.failed), 'gold answer')} not judged right, the first {SHOWN} at most:")
        return lines + [f"  {failed.line()}" for failed in self.failed[:SHOWN]]


def check_task(task: Task, workers: int = 2) -> CheckReport:
    """Judge every gold answer of a task as if a model had given it."""
    parts = dict(task.parts())
    golds = {
        f"{part}/{problem.id}": (part, problem, problem.gold)
        for part, problems in parts.items()
        for problem in problems
        if problem.gold is not None
    }
    with JudgePool(task.judge, workers=workers) as pool:
        found = pool.judge((key, problem, gold) for key, (_, problem, gold) in golds.items())
        failed = tuple(
            FailedGold(part=golds[key][0], problem=golds[key][1], judgement=judgement)
            for key, judgement in found
            if judgement.judgement != "right"
        )
    return CheckReport(
        name=task.name,
        judge=task.judge,
        counts={part: Counter(p.family or "" for p in problems) for part, problems in parts.items()},
        without_gold=sum(map(len, parts.values())) - len(golds),
        notes=task.notes,
        failed=failed,
    )


def _families(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    named = ", ".join(f"{family} {number}" for family, number in sorted(counts.items()) if family)
    return f"{total} ({named})" if named else str(total)
