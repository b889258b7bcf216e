"""RunConfig: everything a run can be told, read from a preset or a YAML file with `key=value` overrides."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, field_validator

from selftrain.audit import AuditSettings
from selftrain.engines import EngineConfig
from selftrain.errors import ConfigError
from selftrain.prompts import PromptConfig
from selftrain.sampling import SamplingConfig
from selftrain.tasks import TaskConfig
from selftrain.training import TrainingConfig
from selftrain.validation import Options, parse

MAX_YAML = 1_000_000
NOT_YAML = (yaml.YAMLError, ValueError, RecursionError)
"""What the YAML reader raises: its own error, over an impossible date or number, over too many brackets."""
EXTENDING = ("rounds",)
"""Keys that may grow when a run is continued."""


class RecipeConfig(Options):
    """Which recipe a run uses."""

    name: str = "vanilla"
    """A recipe of this package or the import path of your own."""
    options: dict[str, Any] = {}
    """Options of the recipe; each recipe knows its own."""


class JudgeConfig(Options):
    """How responses are judged."""

    name: str | None = None
    """A judge of this package or the import path of your own; None is the task's judge."""
    workers: int = Field(2, ge=1, le=64)
    """Processes."""
    deadline: float = Field(10.0, gt=0)
    """Seconds a single response may take; after them it is unjudged."""


class AuditConfig(Options):
    """How models are measured."""

    samples: int = Field(4, ge=1)
    """Responses to each problem (n); pass@k is known up to this k."""
    sampling: SamplingConfig = SamplingConfig()
    greedy: bool = True
    """Also compare greedy responses with McNemar's test in the final audit."""
    embeddings: str | None = None
    """Model of sentence embeddings for the semantic diversity of responses, such as `minilm`; None leaves it out."""
    texts: dict[str, Path] = {}
    """Files of text that must not be forgotten, by name: UTF-8, or JSONL with a `text` a row. The loss of every other
    piece of one guards promotion, that of the others the final verdict."""
    settings: AuditSettings = AuditSettings()


class RunConfig(Options):
    """A run: a model, a task, a recipe, how many rounds, and how the result is measured."""

    name: str = Field("run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    """Name of the run's folder in the workspace."""
    workspace: Path = Path("runs")
    """Folder of runs that share their steps."""
    seed: int = Field(0, ge=0)
    model: str = "smollm2"
    """`smollm2`, a model folder, a GGUF file or a hub name."""
    task: TaskConfig
    recipe: RecipeConfig = RecipeConfig()
    rounds: int = Field(1, ge=1, le=1000)
    prompt: PromptConfig = PromptConfig()
    """The prompt that is trained and that candidates are audited with."""
    sampling_prompt: PromptConfig | None = None
    """The prompt that training samples are drawn with; None is the same one.

    The base is audited with the better of the two."""
    sampling: SamplingConfig = SamplingConfig()
    """How training samples are drawn."""
    train_on_thinking: bool = True
    """Whether what a response says before a closing think tag is part of its training row."""
    engine: EngineConfig = EngineConfig()
    judge: JudgeConfig = JudgeConfig()
    training: TrainingConfig = TrainingConfig()
    audit: AuditConfig = AuditConfig()
    promote: Literal["always", "unless_regress", "on_progress"] = "on_progress"
    """Which verdict on the select split makes a candidate the next parent."""
    stop_after_refused: int | None = Field(None, ge=1)
    """Stop after this many candidates were refused in a row."""

    @field_validator("task", "recipe", "judge", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def drawing_prompt(self) -> PromptConfig:
        """The prompt that training samples are drawn with."""
        return self.sampling_prompt or self.prompt


def load_config(source: str | Path | Mapping[str, Any] | None = None, overrides: Sequence[str] = ()) -> RunConfig:
    """The configuration of a preset's name, a YAML file or a mapping, with `a.b=value` overrides on top.

    A run is named after its file or preset unless it names itself. Raises ConfigError, one line.
    """
    if source is None or isinstance(source, Mapping):
        values = dict(source or {})
    else:
        values = {"name": Path(source).stem, **read_mapping(str(source))}
    for override in overrides:
        _set(values, override)
    return parse(RunConfig, values, "")


def read_mapping(source: str) -> dict[str, Any]:
    """The YAML mapping of a preset or file. Raises ConfigError for anything else."""
    return _mapping(preset_text(source) if source in presets() else _read(Path(source)), source)


def presets() -> list[str]:
    """Names of the configurations that come with the package."""
    folder = files("selftrain") / "presets"
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def preset_text(name: str) -> str:
    """The YAML of a preset. Raises ConfigError for an unknown name."""
    if name not in presets():
        raise ConfigError(f"unknown preset {name!r}: known are {', '.join(presets())}")
    return (files("selftrain") / "presets" / f"{name}.yaml").read_text(encoding="utf-8")


def changed_keys(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the keys in which two nested mappings differ."""
    changed = []
    for key in sorted({*old, *new}):
        before, after, name = old.get(key), new.get(key), f"{prefix}{key}"
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            changed += changed_keys(before, after, f"{name}.")
        elif before != after:
            changed.append(name)
    return changed


def _read(path: Path) -> str:
    if not path.is_file():
        known = ", ".join(presets())
        raise ConfigError(f"there is no file or preset {str(path)!r}: give a YAML file or one of {known}")
    if path.stat().st_size > MAX_YAML:
        raise ConfigError(f"{path} has {path.stat().st_size:,} bytes: a configuration has at most {MAX_YAML:,}")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text: save it as UTF-8 YAML") from None


def _mapping(text: str, where: str) -> dict[str, Any]:
    try:
        value = yaml.safe_load(text)
    except NOT_YAML as error:
        raise ConfigError(f"{where} is not YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{where} holds {'nothing' if value is None else type(value).__name__}: a mapping is wanted")
    return value


def read_overrides(overrides: Sequence[str], named: Sequence[str] = ()) -> dict[str, Any]:
    """The nested values of `a.b=value` words; below the keys in `named`, names may hold dots.

    Raises ConfigError for other words.
    """
    values: dict[str, Any] = {}
    for override in overrides:
        _set(values, override, named)
    return values


def _set(values: dict[str, Any], override: str, named: Sequence[str] = ()) -> None:
    """Puts `a.b=value` into nested mappings; the value is read as YAML."""
    dotted, equals, text = override.partition("=")
    if not equals or not dotted:
        raise ConfigError(f"{override!r} is not key=value: write for example training.epochs=2")
    *path, last = dotted.split(".", 1 if dotted.partition(".")[0] in named else -1)
    for key in path:
        inner = values.get(key)
        if isinstance(inner, str) and key in ("task", "recipe", "judge"):
            inner = {"name": inner}
        values[key] = dict(inner) if isinstance(inner, dict) else {}
        values = values[key]
    try:
        values[last] = yaml.safe_load(text)
    except NOT_YAML:
        values[last] = text
