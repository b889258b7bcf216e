"""Proof, before any model runs, that a task's gold answers and rationales judge themselves right."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from selftrain.judges import JudgePool
from selftrain.progress import printable
from selftrain.records import Judgement, Problem
from selftrain.tasks.task import Task, count, quoted

SHOWN = 5
WIDTH = 40
"""Characters shown of a gold answer, and of a rationale's end."""

Claim = Literal["gold answer", "rationale"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A gold answer, or a rationale, that the task's judge does not call right."""

    claim: Claim
    part: str
    problem: Problem
    judgement: Judgement

    def line(self) -> str:
        """One line that says which problem, its gold, how a failed rationale ends, and what the judge said."""
        gold = " ".join((self.problem.gold or "").split())[:WIDTH]
        end = " ".join((self.problem.rationale or "").split())[-WIDTH:]
        ending = f" and a rationale that ends in {end!r}" if self.claim == "rationale" else ""
        mark = f"{self.judgement.judgement} ({self.judgement.reason})"
        return printable(f"{self.part}: {quoted(self.problem)} with gold {gold!r}{ending} is {mark}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a task holds and which of its gold answers and rationales fail."""

    name: str
    judge: str
    counts: Mapping[str, Mapping[str, int]]
    """Problems by part and family; the family of a problem without one is the empty text."""
    rationales: Mapping[str, int]
    """Problems with a rationale by part."""
    checked: Counter[Claim]
    """What was judged: the gold answers, and the rationales of problems that have one."""
    notes: tuple[str, ...]
    failed: tuple[Failed, ...]

    @property
    def ok(self) -> bool:
        """Whether every gold answer and every rationale is judged right."""
        return not self.failed

    def lines(self) -> list[str]:
        """The report as text for a terminal: counts, notes, then the first that fail."""
        return [printable(line) for line in self._lines()]

    def _lines(self) -> list[str]:
        total = sum(sum(families.values()) for families in self.counts.values())
        lines = [f"{self.name}: {count(total, 'problem')}, judged by {self.judge}"]
        lines += [f"  {part}: {_families(self.counts[part])}{_with(self.rationales[part])}" for part in self.counts]
        lines += [f"  {note}" for note in self.notes]
        without = total - self.checked["gold answer"]
        if without:
            lines.append(f"  {count(without, 'problem')} without a gold answer, not checked")
        if self.ok:
            shown: list[Claim] = ["gold answer", "rationale"] if self.checked["rationale"] else ["gold answer"]
            return [*lines, *(f"every {claim} judges itself right ({self.checked[claim]} checked)" for claim in shown)]
        failed = Counter(failed.claim for failed in self.failed)
        named = " and ".join(count(number, claim) for claim, number in failed.items())
        lines.append(f"{named} not judged right, the first {SHOWN} at most:")
        return lines + [f"  {failed.line()}" for failed in self.failed[:SHOWN]]


def check_task(task: Task, workers: int = 2) -> CheckReport:
    """Judge every gold answer of a task, and every rationale of a problem with one, as if a model had given it."""
    parts = dict(task.parts())
    claims = list(_claims(parts))
    with JudgePool(task.judge, workers=workers) as pool:
        found = pool.judge((problem.id, problem, text) for _, _, problem, text in claims)
        failed = tuple(
            Failed(claim=claim, part=part, problem=problem, judgement=judgement)
            for (claim, part, problem, _), (_, judgement) in zip(claims, found, strict=True)
            if judgement.judgement != "right"
        )
    return CheckReport(
        name=task.name,
        judge=task.judge,
        counts={part: Counter(p.family or "" for p in problems) for part, problems in parts.items()},
        rationales={part: sum(bool(p.rationale) for p in problems) for part, problems in parts.items()},
        checked=Counter(claim for claim, *_ in claims),
        notes=task.notes,
        failed=failed,
    )


def _claims(parts: Mapping[str, tuple[Problem, ...]]) -> Iterator[tuple[Claim, str, Problem, str]]:
    for part, problems in parts.items():
        for problem in problems:
            if problem.gold is None:
                continue
            yield "gold answer", part, problem, problem.gold
            if problem.rationale:
                yield "rationale", part, problem, problem.rationale


def _with(rationales: int) -> str:
    return f", {rationales} with a rationale" if rationales else ""


def _families(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    named = ", ".join(f"{family} {number}" for family, number in sorted(counts.items()) if family)
    return f"{total} ({named})" if named else str(total)
