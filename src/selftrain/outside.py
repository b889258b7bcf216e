"""Work outside a run: a task or prompt from a name or file, and the log of a model sampled on its own."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from selftrain.config import JudgeConfig, presets, read_mapping
from selftrain.engines import EngineConfig, choose_engine
from selftrain.errors import ConfigError
from selftrain.metrics import Metrics
from selftrain.models import resolve_model
from selftrain.prompts import PromptConfig
from selftrain.records import Group, Problem
from selftrain.sampling import Draw, SamplingConfig
from selftrain.store import Workspace, write_text
from selftrain.tasks import Task, TaskConfig, load_task
from selftrain.validation import parse
from selftrain.verbs import Verbs

PARTS = ("select", "test")


def read_task(name: str) -> Task:
    """The task of a name, or of a preset or YAML file that has a `task`, cut and judged as a run of it would."""
    if not _is_configuration(name):
        return load_task(TaskConfig(name=name), 0)
    values = read_mapping(name)
    named = {key: {"name": found} if isinstance(found, str) else found for key, found in values.items()}
    task = load_task(parse(TaskConfig, named.get("task", values), "task"), values.get("seed", 0))
    own = parse(JudgeConfig, named.get("judge", {}), "judge").name
    return replace(task, judge=own) if own else task


def read_prompt(name: str) -> PromptConfig:
    """The prompt of a style's name, or of a preset or YAML file that has a `prompt`."""
    if _is_configuration(name):
        values = read_mapping(name)
        return parse(PromptConfig, values.get("prompt", values), "prompt")
    return parse(PromptConfig, {"style": name}, "prompt")


def sample_log(
    model: str,
    task: str,
    prompt: str,
    out: Path,
    *,
    split: str,
    samples: int,
    sampling: SamplingConfig,
    seed: int,
) -> dict[str, int]:
    """Writes one JSON line a response, judged; returns counts by judgement.

    The steps are kept in `.steps` beside the log, so that an interrupted call goes on where it stopped. Raises
    ConfigError for a split the task does not have.
    """
    source, settings = read_task(task), read_prompt(prompt)
    suites = {f"{name}/{part}": getattr(suite, part) for name, suite in source.suites.items() for part in PARTS}
    problems = {**source.splits, **suites}.get(split)
    if not problems:
        raise ConfigError(f"the task has no split {split!r}: it has {', '.join([*source.splits, *suites])}")
    loaded = resolve_model(model)
    verbs = Verbs(
        Workspace(out.parent),
        seed=seed,
        engine=choose_engine(loaded, EngineConfig()),
        judge=source.judge,
        judge_workers=2,
        judge_deadline=10.0,
        shots=source.splits.get("shots", ()),
        metrics=Metrics(),
    )
    with verbs:
        drawn = verbs.sample(loaded, problems, samples, prompt=settings, sampling=sampling, draw=Draw(split))
        groups = verbs.judge(drawn, problems)
    counts: dict[str, int] = {}
    lines = []
    drawn_with = {"model": loaded.name, **sampling.model_dump()}
    for problem, group in zip(problems, groups, strict=True):
        for row in _rows(problem, group, drawn_with):
            counts[row["judgement"]] = counts.get(row["judgement"], 0) + 1
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    write_text(out, "".join(lines))
    return counts


def _rows(problem: Problem, group: Group, drawn_with: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    known = {"gold": problem.gold, "family": problem.family, "reference": dict(problem.reference)}
    for row in group.log():
        yield {**row, **known, **drawn_with}


def _is_configuration(name: str) -> bool:
    return name in presets() or Path(name).suffix in (".yaml", ".yml")
