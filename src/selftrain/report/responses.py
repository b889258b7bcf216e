"""The responses of a run with what was said of them, found in the workspace's steps."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from selftrain.digest import digest
from selftrain.report.record import RunRecord, parsed
from selftrain.store import Row, read_parquet

SAID = ("judge-", "read-")
Drawn = Mapping[str, "tuple[Shown, ...]"]
"""Responses by problem id, in index order."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A response and its judgement."""

    id: str
    text: str
    finish: str
    mark: str
    """right, wrong or unjudged; of a pseudo-label outside the probe empty."""
    answer: str | None
    reason: str


class Responses:
    """Finds the responses of a run; a step that is gone, or a response never judged, is left out.

    Raises WorkspaceError for a step that is damaged.
    """

    def __init__(self, run: RunRecord) -> None:
        self._steps = {path.name: path for path in run.steps}
        self._judged: dict[str, list[Path]] = {}
        """Steps of what was said of each sample step's responses, compared with gold answers or read without."""
        for path in self._steps.values():
            if path.name.startswith(SAID) and (path / "step.json").exists():
                of = parsed(path / "step.json", lambda text: json.loads(text)["inputs"]["of"])
                self._judged.setdefault(f"sample-{of}", []).append(path)

    def drawn(self, step: str, each: int, problems: Iterable[Row]) -> Drawn:
        """The first `each` responses that a sample step holds to each of the problems (rows of problems.parquet)."""
        found: dict[str, dict[int, Shown]] = {}
        for row, said in self.judged(step, each, problems, ("id", "problem", "index", "text", "finish")):
            found.setdefault(row["problem"], {})[row["index"]] = _shown(row, said)
        return {name: tuple(places[i] for i in sorted(places)) for name, places in found.items()}

    def judged(
        self, step: str, each: int, problems: Iterable[Row], columns: Sequence[str]
    ) -> Iterator[tuple[Row, Row]]:
        """The rows that `drawn` is made of, in any order, each with the row of its judgement.

        `columns` of the former are read: `id`, `problem` and `index` must be among them.
        """
        asked = {row["id"]: row for row in problems}
        found = {row["id"]: row for path in self._judged.get(step, ()) for row in _rows(path)}
        path = self._steps.get(step)
        for row in _rows(path, [*columns]) if path else ():
            problem = asked.get(row["problem"])
            if problem is not None and row["index"] < each:
                said = self._said(found, judgement_key(row["id"], problem)) or self._said(
                    found, reading_key(row["id"], problem)
                )
                if said:
                    yield row, said

    def _said(self, own: Mapping[str, Row], key: str) -> Row | None:
        """What was said under a key of a sample step's own responses, or of gathered ones."""
        return own.get(key) or self._gathered.get(key)

    @cached_property
    def _gathered(self) -> dict[str, Row]:
        """What was said of responses that were gathered from several sample steps: no step has the name of those."""
        apart = [path for of, paths in self._judged.items() if of not in self._steps for path in paths]
        return {row["id"]: row for path in apart for row in _rows(path)}

    def clusters(self, step: str) -> dict[str, list[int]]:
        """Clusters of answers by `cluster_key`, for the responses of a sample step."""
        paths = [path.with_name(f"cluster-{path.name.partition('-')[2]}") for path in self._judged.get(step, ())]
        return {row["id"]: row["clusters"] for path in paths for row in _rows(path)}


def judgement_key(response: str, problem: Row) -> str:
    """The id under which the judgement of a response is kept."""
    return digest([response, problem["gold"], json.loads(problem["reference"])])


def reading_key(response: str, problem: Row) -> str:
    """The id under which the answer of a response is kept that was read without gold."""
    return digest([response, problem["family"], problem["level"]])


def cluster_key(problem: str, answers: Iterable[str | None]) -> str:
    """The id under which the clusters of a problem's answers, in index order, are kept."""
    return digest([problem, list(answers)])


def _shown(row: Row, said: Mapping[str, Any]) -> Shown:
    return Shown(row["id"], row["text"], row["finish"], said["judgement"], said["answer"], said["reason"] or "")


def _rows(step: Path, columns: list[str] | None = None) -> list[Row]:
    path = step / "rows.parquet"
    return read_parquet(path, columns) if path.exists() else []
