"""The folder of a run: its resolved configuration, rounds, final model and verdict."""

import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from selftrain.audit import Audit
from selftrain.config import EXTENDING, RunConfig, changed_keys
from selftrain.errors import WorkspaceError
from selftrain.models import Model, link_model
from selftrain.models.folders import EXTRACTIVE
from selftrain.progress import say
from selftrain.pseudo_labels import PseudoLabel, save_pseudo_labels
from selftrain.records import Mark, Problem
from selftrain.segments.chains import Chain, save_chains
from selftrain.store import Row, Workspace, lock, sweep, write_json, write_parquet, write_text
from selftrain.tasks import Task
from selftrain.training_set import TrainingSet

LIBRARIES = ("selftrain", "torch", "transformers", "trl", "peft", "numpy", "reasoning-gym", "math-verify")
SWEEP = "sweep.json"
"""What a sweep keeps in a folder of its own, which is not a run's."""
PROBLEMS = pa.schema(
    [(name, pa.string()) for name in ("part", "id", "family", "level", "question", "messages", "gold", "reference")]
)
"""Columns of problems.parquet; messages and reference are JSON."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's folder, held by this process alone."""

    path: Path

    @property
    def metrics(self) -> Path:
        """Path of metrics.jsonl."""
        return self.path / "metrics.jsonl"

    @property
    def plan(self) -> Path:
        """Path of plan.json."""
        return self.path / "plan.json"

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration the run was begun with, as JSON values."""
        return dict(self._read()["config"])

    def finished(self, config: RunConfig) -> bool:
        """Whether the run has come to an end under this configuration; repeating it would make nothing."""
        return ended(self.result, config.rounds) and _completed(self.settings) == settings_of(config)

    def begin(self, config: RunConfig, digests: dict[str, str]) -> None:
        """Writes run.yaml, or checks that the run there is the same and at most made longer.

        Raises WorkspaceError naming the changed keys.
        """
        self.check(config, digests)
        versions = _versions()
        if self.begun:
            before = self._read()["versions"]
            changed = changed_keys(before, versions)
            if changed:
                say(f"note: other versions than when the run began: {', '.join(changed)}")
            versions = before
        content = {"config": settings_of(config), "versions": versions, "digests": digests}
        write_text(self.path / "run.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))

    def save_problems(self, task: Task) -> None:
        """Keeps the task's problems, so that the run can be read without it: a row a problem and part."""
        rows = [_problem_row(part, problem) for part, problems in task.parts() for problem in problems]
        write_parquet(self.path / "problems.parquet", rows, PROBLEMS)

    def check(self, config: RunConfig, digests: dict[str, str]) -> None:
        """Raises WorkspaceError, naming the changed keys, unless the run can go on with this configuration."""
        if (self.path / SWEEP).exists():
            raise WorkspaceError(f"{self.path} is the folder of a sweep: give the run another name")
        if self.begun:
            before = self._read()
            self._check(_completed(before["config"]), settings_of(config), before["digests"], digests)

    @property
    def begun(self) -> bool:
        """Whether a first result is there, so that the configuration is settled."""
        return (self.path / "rounds" / "00" / "baseline.json").exists()

    @property
    def result(self) -> dict[str, Any]:
        """What `finish` kept; empty if it never began. Raises WorkspaceError if the file is damaged."""
        path = self.path / "result.json"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, RecursionError):
            raise WorkspaceError(f"{path} is damaged: restore it from a copy or give the run another name") from None

    def round(self, number: int) -> Path:
        """Folder of a round; 0 is the base."""
        folder = self.path / "rounds" / f"{number:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def save_rows(self, number: int, rows: TrainingSet) -> None:
        """Keeps a round's training set: Parquet with weight and provenance."""
        rows.save(self.round(number) / "training.parquet")

    def save_pseudo_labels(self, number: int, labels: Sequence[PseudoLabel], marks: Mapping[str, Mark]) -> list[Row]:
        """Keeps a round's pseudo-labels, with what is known of them; see `pseudo_labels.save_pseudo_labels`."""
        return save_pseudo_labels(self.round(number) / "pseudo_labels.parquet", labels, marks)

    def save_chains(self, number: int, chains: Sequence[Chain]) -> None:
        """Keeps the chains that a round cut into segments."""
        save_chains(self.round(number) / "segments.parquet", chains)

    def save_funnel(self, number: int, facts: dict[str, Any]) -> None:
        """Keeps what a round drew, what was judged right, and how many rows came of it."""
        write_json(self.round(number) / "funnel.json", facts)

    def save_audit(self, number: int, audit: Audit) -> None:
        """Keeps a round's audit on the select split."""
        write_json(self.round(number) / "audit.json", audit.to_json())

    def save_model(self, number: int, model: Model) -> None:
        """Keeps a round's model: its adapter, or the whole (merged) model; a partner's first, in `extractive`.

        So a pair is whole where the model itself is there, and what a crash left out is added the next time.
        """
        if model.extractive is not None:
            _put_model(model.extractive, self.round(number) / EXTRACTIVE)
        _put_model(model, self.round(number))

    def save_round(self, number: int, facts: dict[str, Any]) -> None:
        """Keeps what became of a round."""
        write_json(self.round(number) / "round.json", facts)

    def finish(self, final: Model | None, audit: Audit | None, facts: dict[str, Any]) -> None:
        """Keeps the promoted model in `final/` (none if nothing was promoted) and the final audit.

        `facts` has `rounds`, which says of a result.json that the run ended there; it is written last. First of
        all its place is taken by one that only counts: the test split was read, whenever this process is killed.
        A finished run that is repeated gets its audit as this version tells it.
        """
        if self.result != facts:
            write_json(self.path / "result.json", {key: facts[key] for key in ("model", "test_reads")})
            if final is not None:
                _put(self.path / "final", lambda target: _link_pair(final, target), replace=True)
        if audit is not None and self._audit != audit.to_json():
            write_json(self.path / "audit.json", audit.to_json())
        if self.result != facts:
            write_json(self.path / "result.json", facts)

    @property
    def _audit(self) -> Any:
        """What audit.json holds; None if it is not there or damaged."""
        try:
            return json.loads((self.path / "audit.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None

    def _read(self) -> dict[str, Any]:
        try:
            found = yaml.safe_load((self.path / "run.yaml").read_text(encoding="utf-8"))
            return {key: dict(found[key]) for key in ("config", "versions", "digests")}
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
            raise WorkspaceError(
                f"{self.path / 'run.yaml'} cannot be read: restore it or give the run another name"
            ) from None

    def _check(self, before: dict[str, Any], now: dict[str, Any], old: dict[str, str], new: dict[str, str]) -> None:
        keys = [key for key in changed_keys(before, now) if key not in EXTENDING]
        if now["rounds"] < before["rounds"]:
            keys.append("rounds")
        if keys:
            raise WorkspaceError(
                f"the run {self.path} was begun with another configuration; changed: {', '.join(keys)}. "
                "Undo the change or give the run another name"
            )
        moved = changed_keys(old, new)
        if moved:
            raise WorkspaceError(
                f"the content of {', '.join(moved)} changed since the run {self.path} began: "
                "restore it or give the run another name"
            )


@contextmanager
def open_run_folder(workspace: Workspace, name: str) -> Iterator[RunFolder]:
    """The folder of a run, locked. Raises WorkspaceError if another process runs it."""
    path = workspace.root / name
    path.mkdir(exist_ok=True)
    with lock(path / "lock", wait=False, what=f"the run {path}"):
        sweep(path)
        yield RunFolder(path)


def ended(result: Mapping[str, Any], rounds: int) -> bool:
    """Whether a result.json is that of a run of so many rounds, rather than of a shorter or an unfinished one."""
    return result.get("rounds") == rounds


def settings_of(config: RunConfig) -> dict[str, Any]:
    """The settings that make a run what it is, as JSON values; where its folder lies is none of them."""
    return config.model_dump(mode="json", exclude={"workspace"})


def _completed(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings a run was begun with; one that did not exist yet has its default."""
    try:
        return settings_of(RunConfig.model_validate(settings))
    except ValueError:
        return settings


def _put(target: Path, make: Callable[[Path], object], *, replace: bool = False) -> None:
    """Makes a folder whole; one that is there stays, unless it is to be replaced."""
    if target.exists() and not replace:
        return
    fresh = target.with_name(f".{target.name}.tmp-{uuid.uuid4().hex}")
    make(fresh)
    if target.exists():
        old = target.with_name(f".{target.name}.tmp-{uuid.uuid4().hex}")
        target.rename(old)
        fresh.rename(target)
        shutil.rmtree(old)
    else:
        fresh.rename(target)


def _put_model(model: Model, place: Path) -> None:
    """Keeps one model's adapter, or the whole model, in a folder."""
    place.mkdir(exist_ok=True)
    if model.adapter is None:
        _put(place / "model", lambda target: link_model(model.folder, target))
    else:
        source = model.adapter
        _put(place / "adapter", lambda target: shutil.copytree(source, target))


def _link_pair(model: Model, target: Path) -> None:
    """Links a model without adapters and, in its place there, the partner if it has one."""
    link_model(model.folder, target)
    if model.extractive is not None:
        link_model(model.extractive.folder, target / EXTRACTIVE)


def _problem_row(part: str, problem: Problem) -> dict[str, str | None]:
    row = {
        "part": part,
        "id": problem.id,
        "family": problem.family,
        "level": problem.level,
        "question": problem.text,
        "messages": json.dumps(problem.messages),
        "gold": problem.gold,
        "reference": json.dumps(problem.reference),
    }
    # Parquet holds no half of a surrogate pair, a JSON file of problems may.
    return {key: text and text.encode(errors="backslashreplace").decode() for key, text in row.items()}


def _versions() -> dict[str, str]:
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions
