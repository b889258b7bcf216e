"""The stages of a run, as its metrics.jsonl tells them and as a plan foretells them."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from selftrain.metrics import read_stage_lines

SUMMED = ("rows", "tokens", "prompt_tokens", "seconds")


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage of a round makes and how long that takes."""

    round: int
    stage: str
    rows: int
    tokens: int
    prompt_tokens: int
    seconds: float


def read_stages(path: Path) -> list[Stage]:
    """The stages in a metrics.jsonl that made something, in order; those of a round that share a name are one."""
    found: dict[tuple[int, str], Stage] = {}
    for line in read_stage_lines(path):
        if line["rows"]:
            made = Stage(**{field.name: line[field.name] for field in fields(Stage)})
            key = (made.round, made.stage)
            found[key] = total([found[key], made]) if key in found else made
    return list(found.values())


def total(stages: Iterable[Stage]) -> Stage:
    """The sum of some stages, under the name of the first."""
    first, *others = stages
    for stage in others:
        first = replace(first, **{name: getattr(first, name) + getattr(stage, name) for name in SUMMED})
    return first


def by_name(stages: Iterable[Stage]) -> dict[str, Stage]:
    """The stages of all rounds that share a name, as one."""
    found: dict[str, Stage] = {}
    for stage in stages:
        found[stage.stage] = total([found[stage.stage], stage]) if stage.stage in found else stage
    return found
