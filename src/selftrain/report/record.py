"""What the folder of a run says of it, read back for people: no model and no task code is loaded."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from selftrain.audit import Audit
from selftrain.errors import WorkspaceError
from selftrain.metrics import Metrics
from selftrain.pseudo_labels import read_pseudo_labels
from selftrain.run_folder import ended
from selftrain.segments.chains import Chain, read_chains
from selftrain.store import STEPS, Row, read_parquet
from selftrain.training_set import kind_in

T = TypeVar("T")
FUNNEL = ("draws", "questions", "responses", "right", "wrong", "unjudged", "groups_right", "rows", "dropped")
"""What the counts of a round must hold."""
PROVENANCE = ("problem", "weight", "response", "label", "chosen_response", "rejected_response")
"""What is read of a training set, where there is such a column."""


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One round, as far as it came."""

    number: int
    funnel: Mapping[str, Any]
    """Counts from questions to rows; empty until the training set is there."""
    audit: Audit | None
    """Parent against candidate on select."""
    facts: Mapping[str, Any]
    """What was decided; empty until it was."""
    noun: str
    """What the rows of its training set are called."""
    rows: tuple[Row, ...]
    """`problem` and `weight` of each, and in `sides` the ids of its responses by the side they are on, "" in a row."""
    pseudo_labels: tuple[Row, ...] = ()
    """Rows of pseudo_labels.parquet, if the recipe made pseudo-labels."""
    chains: tuple[Chain, ...] = ()
    """The chains of segments.parquet, if the recipe cut any."""

    @property
    def judged(self) -> bool:
        """Whether the recipe asked for judgements."""
        return any(self.funnel.get(mark) for mark in ("right", "wrong", "unjudged"))


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run, as far as it came."""

    folder: Path
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    digests: Mapping[str, str]
    problems: tuple[Row, ...]
    """Rows of problems.parquet; empty if the run was stopped before it was written."""
    baseline: Mapping[str, Any]
    rounds: tuple[RoundRecord, ...]
    audit: Audit | None
    """The final model against the base on `split`; None if nothing was promoted or the run is not finished."""
    result: Mapping[str, Any]
    """What the last end of the run left; empty before the first."""
    stages: Mapping[str, Mapping[str, float]]

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self.config["name"])

    @property
    def finished(self) -> bool:
        """Whether the loop came to the end of all its rounds."""
        return ended(self.result, self.config["rounds"])

    def options(self, found: RoundRecord) -> Mapping[str, Any]:
        """The recipe's options in a round: all that it noted, else those that the run names."""
        known = (found.funnel.get("options"), self.config["recipe"].get("options"))
        return next((options for options in known if isinstance(options, Mapping)), {})

    @property
    def split(self) -> str:
        """The split that the final verdict is told from; runs that were begun before there was a choice: test."""
        return str(self.config.get("audit", {}).get("split", "test"))

    @property
    def steps(self) -> Iterator[Path]:
        """The steps that the run used, as far as it noted them."""
        parts = [self.baseline, *(part for r in self.rounds for part in (r.funnel, r.facts)), self.result]
        names = dict.fromkeys(str(name) for part in parts for name in part.get("steps", ()))
        yield from (self.folder.parent / STEPS / Path(name).name for name in names)

    @property
    def latest(self) -> tuple[Audit, str] | None:
        """The audit that tells most, and the split it is of: the final one, else that of the last audited round."""
        if self.audit:
            return self.audit, self.split
        audits = [r.audit for r in self.rounds if r.audit]
        return (audits[-1], "select") if audits else None


def read_run(folder: Path) -> RunRecord:
    """Reads a run. Raises WorkspaceError if the folder is none, or a file in it is damaged."""
    if not (folder / "run.yaml").exists():
        raise WorkspaceError(f"{folder} is not the folder of a run: it has no run.yaml; name one such as runs/demo")
    made = parsed(folder / "run.yaml", _settings)
    result = _json(folder / "result.json", "test_reads")
    problems = folder / "problems.parquet"
    numbers = sorted(int(path.name) for path in (folder / "rounds").glob("[0-9]*") if path.name.isdigit())
    return RunRecord(
        folder=folder.resolve(),
        config={"name": folder.name, **made["config"]},
        versions=made["versions"],
        digests=made["digests"],
        problems=tuple(read_parquet(problems)) if problems.exists() else (),
        baseline=_json(folder / "rounds" / "00" / "baseline.json", "pass@1"),
        rounds=tuple(_round(folder, number) for number in numbers if number),
        audit=_audit(folder / "audit.json") if ended(result, made["config"]["rounds"]) else None,
        result=result,
        stages=Metrics(folder / "metrics.jsonl").stage_totals(),
    )


def _round(folder: Path, number: int) -> RoundRecord:
    place = folder / "rounds" / f"{number:02d}"
    trained, labels = place / "training.parquet", place / "pseudo_labels.parquet"
    chains = place / "segments.parquet"
    return RoundRecord(
        number=number,
        funnel=_json(place / "funnel.json", *FUNNEL),
        audit=_audit(place / "audit.json"),
        facts=_json(place / "round.json", "promoted", "reason"),
        noun=kind_in(trained).noun if trained.exists() else "training rows",
        rows=_rows(trained) if trained.exists() else (),
        pseudo_labels=tuple(read_pseudo_labels(labels)) if labels.exists() else (),
        chains=read_chains(chains) if chains.exists() else (),
    )


def _rows(path: Path) -> tuple[Row, ...]:
    kept = [column.name for column in fields(kind_in(path)) if column.name in PROVENANCE]
    rows = read_parquet(path, kept)
    return tuple({"problem": row["problem"], "weight": row["weight"], "sides": _sides(row)} for row in rows)


def _sides(row: Row) -> dict[str, str]:
    if "response" not in row:
        return {side: row[f"{side}_response"] for side in ("chosen", "rejected")}
    side = ("desirable" if row["label"] else "undesirable") if "label" in row else ""
    return {side: row["response"]}


def _audit(path: Path) -> Audit | None:
    return parsed(path, lambda text: Audit.from_json(json.loads(text))) if path.exists() else None


def _settings(text: str) -> dict[str, dict[str, Any]]:
    made = {key: dict(value) for key, value in yaml.safe_load(text).items()}
    config = made["config"]
    _ = made["versions"], made["digests"], config["model"], config["rounds"], config["seed"]
    _ = config["task"]["name"], config["recipe"]["name"]
    return made


def _json(path: Path, *wanted: str) -> dict[str, Any]:
    def parse(text: str) -> dict[str, Any]:
        found = dict(json.loads(text))
        _ = [found[name] for name in wanted]
        return found

    return parsed(path, parse) if path.exists() else {}


def parsed(path: Path, parse: Callable[[str], T]) -> T:
    """What a file of a run or step holds. Raises WorkspaceError if it is damaged."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError, RecursionError):
        raise WorkspaceError(f"{path} is damaged: restore it from a copy, or run again under another name") from None
