"""Our own runs as logs: the responses behind a run's audits, from its folder and the workspace's steps."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from selftrain.audit import Audit, Cell
from selftrain.audit.diversity import Embed
from selftrain.errors import WorkspaceError
from selftrain.logs.log import Log, Row, Source, tallied
from selftrain.records import Group, Judgement, Message, Question
from selftrain.report.record import RoundRecord, RunRecord, read_run
from selftrain.report.responses import Responses, cluster_key
from selftrain.sampling import response_of
from selftrain.store import Row as Kept

Sides = TypedDict(
    "Sides",
    {
        "before": Log,
        "after": Log,
        "null": Cell | None,
        "same prompt": Cell | None,
        "greedy": tuple[Cell, Cell] | None,
    },
)
"""Everything that the audit of a run is made from, as `compare` takes it."""
COLUMNS = ("id", "problem", "index", "text", "tokens", "logprobs", "finish")
"""What is read of a sample step."""


def is_run(path: Path) -> bool:
    """Whether a path is the folder of a run, or of one of its rounds."""
    return _parted(path) is not None


def read_run_log(path: Path, embed: Embed | None = None) -> Log:
    """The log of a run, its final model on the split of its verdict, or of a round: rounds/00 is the base beside the
    final model, rounds/02 the candidate of round 2 on select.

    While there is no final audit, the last candidate on select stands in for the final model. Raises WorkspaceError
    for a run or round without an audit, a damaged file and a step that is gone.
    """
    folder, number = _parted(path) or (path, None)
    run = _Run(read_run(folder), embed)
    if number:
        return run.log(path, run.audit_of(number), "after", "select", ())
    ends = run_ends(run.record)
    if number == 0:
        return run.log(path, ends.first, "before", ends.split, ends.notes)
    return run.log(path, ends.last, "after", ends.split, ends.notes)


def run_sides(path: Path, embed: Embed | None = None) -> Sides:
    """What the final audit of a run was made from, or would be made from now. Raises as `read_run_log`."""
    run = _Run(read_run(path), embed)
    ends = run_ends(run.record)
    greedy = [run.cell(ends.last, f"greedy {side}", ends.split) for side in ("before", "after")]
    return {
        "before": run.log(path, ends.first, "before", ends.split, ends.notes),
        "after": run.log(path, ends.last, "after", ends.split, ends.notes),
        "null": run.cell(ends.first, "null", ends.split),
        "same prompt": run.cell(ends.first, "same prompt", ends.split),
        "greedy": (greedy[0], greedy[1]) if greedy[0] and greedy[1] else None,
    }


def run_rounds(path: Path, embed: Embed | None = None) -> list[Cell]:
    """The base and each promoted model of a run on select, in order. Raises as `read_run_log`."""
    run = _Run(read_run(path), embed)
    audited = [found for found in run.record.rounds if found.audit]
    if not audited:
        raise _without_audit(run.record)
    sides = [(audited[0], "before"), *((found, "after") for found in audited if found.facts.get("promoted"))]
    return [run.log(path, run.audit_of(found.number), side, "select", ()).main for found, side in sides]


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a run began and where it ended."""

    first: Audit
    """The base is its `before`."""
    last: Audit
    """The final model is its `after`."""
    split: str
    notes: tuple[str, ...]


def run_ends(run: RunRecord) -> Ends:
    """Where a run began and where it ended, or stands. Raises WorkspaceError for a run without an audit."""
    if run.audit:
        return Ends(run.audit, run.audit, run.split, ())
    audited = [(found, found.audit) for found in run.rounds if found.audit]
    if not audited:
        raise _without_audit(run)
    promoted = [one for one in audited if one[0].facts.get("promoted")]
    found, last = (promoted or audited)[-1]
    why = "promoted nothing" if run.finished else "is not finished"
    note = f"the run {run.name} {why}: the candidate of round {found.number} on select stands in for a final model"
    return Ends(audited[0][1], last, "select", (note,))


def _parted(path: Path) -> tuple[Path, int | None] | None:
    """The folder of a run, and the number of a round if the path is one's."""
    path = path.resolve()
    if (path / "run.yaml").is_file():
        return path, None
    if path.parent.name == "rounds" and path.name.isdecimal() and (path.parents[1] / "run.yaml").is_file():
        return path.parents[1], int(path.name)
    return None


def _without_audit(run: RunRecord) -> WorkspaceError:
    return WorkspaceError(f"the run {run.folder} has no audit yet: repeat selftrain run until a round is decided")


class _Run:
    """A run whose responses are read back as an audit saw them."""

    def __init__(self, record: RunRecord, embed: Embed | None) -> None:
        self.record = record
        self._embed = embed
        self._responses = Responses(record)

    def audit_of(self, number: int) -> Audit:
        """The audit of a round on select."""
        rounds: Mapping[int, RoundRecord] = {found.number: found for found in self.record.rounds}
        audit = rounds[number].audit if number in rounds else None
        if audit is None:
            known = ", ".join(f"{found.number:02d}" for found in self.record.rounds if found.audit) or "none"
            raise WorkspaceError(
                f"round {number} of the run {self.record.folder} has no audit: name one that has ({known})"
            )
        return audit

    def log(self, path: Path, audit: Audit, side: str, split: str, notes: tuple[str, ...]) -> Log:
        """One side of an audit with its suites."""
        suites = [part for part in dict.fromkeys(row["part"] for row in self.record.problems) if _suite(part, split)]
        parts = {split: audit.labels[side]}
        parts |= {part: audit.labels.get(f"{side} on {_suite(part, split)}", audit.labels[side]) for part in suites}
        rows = (row for part, labels in parts.items() for row in self._rows(labels, part, _suite(part, split)))
        return tallied(path, Source(audit.labels[side], rows, [*notes]), self._embed)

    def cell(self, audit: Audit, name: str, split: str) -> Cell | None:
        """What else an audit was made from, of the split itself; None if there was no such thing."""
        labels = audit.labels.get(name)
        if labels is None:
            return None
        return tallied(self.record.folder, Source(labels, self._rows(labels, split, None), []), self._embed).main

    def _rows(self, labels: Mapping[str, Any], part: str, suite: str | None) -> Iterator[tuple[str | None, Row]]:
        step, each = str(labels.get("step", "")), int(labels["samples"])
        problems = {row["id"]: row for row in self.record.problems if row["part"] == part}
        found: dict[str, dict[int, tuple[Kept, Kept]]] = {}
        for row, said in self._responses.judged(step, each, problems.values(), COLUMNS):
            found.setdefault(row["problem"], {})[row["index"]] = row, said
        clusters = self._responses.clusters(step)
        for name, problem in problems.items():
            pairs = sorted(found.get(name, {}).items())
            codes = clusters.get(cluster_key(name, (said["answer"] for _, (_, said) in pairs)))
            if len(pairs) < each or codes is None:
                raise WorkspaceError(
                    f"{self.record.folder}: the responses of {step or 'an audit'} to the {part} problems, or their "
                    "judgements, are gone from the workspace: restore its .steps, or run again under another name"
                )
            yield from ((suite, row) for row in _group(problem, [pair for _, pair in pairs], codes).log())


def _suite(part: str, split: str) -> str | None:
    """The suite that a part of the problems is of, if it is of one and of this split."""
    suite, _, of = part.removeprefix("suite ").rpartition(", ")
    return suite if of == split and part.startswith("suite ") else None


def _group(problem: Kept, pairs: list[tuple[Kept, Kept]], clusters: list[int]) -> Group:
    return Group(
        problem=Question(
            id=problem["id"],
            messages=tuple(Message(*turn) for turn in json.loads(problem["messages"])),
            level=problem["level"],
            family=problem["family"],
        ),
        responses=tuple(response_of(row) for row, _ in pairs),
        judgements=tuple(Judgement.of_row(said) for _, said in pairs),
        clusters=tuple(clusters),
    )
