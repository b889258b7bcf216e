"""RunConfig: everything a run can be told, read from a preset or a YAML file with `key=value` overrides."""

import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from selftrain.audit import AuditSettings
from selftrain.engines import EngineConfig
from selftrain.errors import ConfigError
from selftrain.plain_yaml import DEEPEST, NotYamlError, read_yaml
from selftrain.prompts import PromptConfig
from selftrain.sampling import SamplingConfig
from selftrain.tasks import TaskConfig
from selftrain.training import TrainingConfig
from selftrain.validation import Options, parse

MAX_YAML = 1_000_000
RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What a run can be called."""
EXTENDING = ("rounds",)
"""Keys that may grow when a run is continued."""
NAMED = frozenset({"task", "recipe", "judge"})
"""Keys whose string stands for `{name: ...}`."""
Split = Literal["select", "test"]
_REPR = reprlib.Repr()  # bounded, however large the value
_REPR.maxstring = _REPR.maxother = 200


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
    """Also compare greedy responses with McNemar's test in a final audit on test."""
    embeddings: str | None = None
    """Model of sentence embeddings for the semantic diversity of responses, such as `minilm`; None leaves it out."""
    texts: dict[str, Path] = {}
    """Files of text that must not be forgotten, by name: UTF-8, or JSONL with a `text` a row. The loss of every other
    piece of one guards promotion and a verdict on select, that of the others a verdict on test."""
    split: Split = "test"
    """The split that the final verdict is told from. `select` is for choosing between settings: the test split stays
    unread, for the one that is chosen."""
    settings: AuditSettings = AuditSettings()


class RunConfig(Options):
    """A run: a model, a task, a recipe, how many rounds, and how the result is measured."""

    name: str = "run"
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

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not RUN_NAME.fullmatch(name):
            raise ValueError(
                "a run's name has at most 100 letters, digits, dots, dashes and underscores, a letter or digit first: "
                "give it another, such as name=mine"
            )
        return name

    @field_validator("task", "recipe", "judge", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return as_named(value)

    @property
    def drawing_prompt(self) -> PromptConfig:
        """The prompt that training samples are drawn with."""
        return self.sampling_prompt or self.prompt


def load_config(source: str | Path | Mapping[str, Any] | None = None, overrides: Sequence[str] = ()) -> RunConfig:
    """The configuration of a preset's name, a YAML file or a mapping, with `a.b=value` overrides laid over it.

    Raises ConfigError, one line.
    """
    values = merged(read_values(source), read_overrides(overrides))
    if "variants" in values:
        raise ConfigError("variants are for a sweep: give this configuration to selftrain sweep")
    return parse(RunConfig, values, "")


def read_values(source: str | Path | Mapping[str, Any] | None) -> dict[str, Any]:
    """The nested values of a preset, file or mapping, laid over those that it is like.

    A run is named after its file or preset unless it names itself; a name is nothing to be like. Raises ConfigError.
    """
    if source is None or isinstance(source, Mapping):
        own, name = dict(source or {}), {}
        values = _resolved(own, "the configuration", Path(), ())
    else:
        own, name = _own(str(source)), {"name": Path(source).stem}
        values = _resolved(own, *_place(str(source)))
    name |= {key: value for key, value in own.items() if key == "name"}
    return {key: value for key, value in values.items() if key != "name"} | name


def read_mapping(source: str) -> dict[str, Any]:
    """The YAML mapping of a preset or file, laid over what it is like. Raises ConfigError for anything else."""
    return _resolved(_own(source), *_place(source))


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One configuration's values laid over another's: nested mappings are merged, all else is replaced.

    Where `above` names another task, recipe or judge, the options of the one below it are not its own and go.
    """
    low, high = dict(below), dict(above)
    for key in NAMED & low.keys() & high.keys():
        under, over = as_named(low[key]), as_named(high[key])
        if isinstance(under, Mapping) and isinstance(over, Mapping):
            name = under.get("name", RecipeConfig().name if key == "recipe" else None)
            same = over.get("name", name) == name
            under = under if same else {name: value for name, value in under.items() if name != "options"}
        low[key], high[key] = under, over
    return _laid_over(low, high)


def as_named(value: Any) -> Any:
    """The name of a task, recipe or judge as the mapping that it stands for; anything else as it is."""
    return {"name": value} if isinstance(value, str) else value


def presets() -> list[str]:
    """Names of the configurations that come with the package."""
    folder = files("selftrain") / "presets"
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def preset_text(name: str) -> str:
    """The YAML of a preset. Raises ConfigError for an unknown name."""
    if name not in presets():
        raise ConfigError(f"unknown preset {name!r}: known are {_known()}")
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


def _known() -> str:
    return ", ".join(presets())


def _read(path: Path) -> str:
    if not _is_file(path):
        raise ConfigError(f"there is no file or preset {_REPR.repr(str(path))}: give a YAML file or one of {_known()}")
    if path.stat().st_size > MAX_YAML:
        raise ConfigError(f"{path} has {path.stat().st_size:,} bytes: a configuration has at most {MAX_YAML:,}")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text: save it as UTF-8 YAML") from None


def _is_file(path: Path) -> bool:
    """Whether there is such a file; there is none by a name that cannot be one."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _own(source: str) -> dict[str, Any]:
    """What a preset or file holds itself."""
    return _mapping(preset_text(source) if source in presets() else _read(Path(source)), source)


def _laid_over(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: (low[key], high[key]) for key in low.keys() & high.keys()}
    inner = {
        key: _laid_over(under, over)
        for key, (under, over) in both.items()
        if isinstance(under, Mapping) and isinstance(over, Mapping)
    }
    return {**low, **high, **inner}


def _place(source: str, *chain: str) -> tuple[str, Path, tuple[str, ...]]:
    """Of a preset or file: what to call it, where its paths begin, and the chain that it continues."""
    return source, Path(source).parent, (*chain, source if source in presets() else str(Path(source).resolve()))


def _resolved(values: dict[str, Any], where: str, folder: Path, chain: tuple[str, ...]) -> dict[str, Any]:
    """Values laid over those that they are like; `chain` is what was read on the way to them, `folder` their own."""
    if "like" not in values:
        return values
    like, above = values["like"], {key: value for key, value in values.items() if key != "like"}
    if not isinstance(like, str):
        raise ConfigError(f"like of {where} is {_REPR.repr(like)}: give the name of a preset or YAML file")
    source = like if like in presets() or not _is_file(folder / like) else str(folder / like)
    if source not in presets() and not _is_file(Path(source)):
        raise ConfigError(
            f"{where} is like {_REPR.repr(like)}, and there is no such file or preset: known are {_known()}"
        )
    place = _place(source, *chain)
    if place[-1][-1] in chain:
        raise ConfigError(f"like goes in a circle, {' to '.join(place[-1])}: take one of them out")
    return merged(_resolved(_own(source), *place), above)


def _mapping(text: str, where: str) -> dict[str, Any]:
    try:
        value = read_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"{where} {error}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{where} holds {'nothing' if value is None else type(value).__name__}: a mapping is wanted")
    return value


def read_overrides(overrides: Sequence[str], named: Sequence[str] = ()) -> dict[str, Any]:
    """The nested values of `a.b=value` words; below the keys in `named`, names may hold dots.

    Raises ConfigError for other words.
    """
    return nested(map(read_override, overrides), named)


def read_override(override: str) -> tuple[str, Any]:
    """Key and value of `a.b=value`, the value read as YAML. Raises ConfigError for another word."""
    key, text = split_override(override)
    try:
        return key, read_yaml(text)
    except NotYamlError:
        return key, text
    except ConfigError as error:
        raise ConfigError(f"{key}: the value {error}") from None


def split_override(override: str) -> tuple[str, str]:
    """Key and text of `a.b=text`. Raises ConfigError for another word."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"{_REPR.repr(override)} is not key=value: write for example training.epochs=2")
    return key, text


def nested(settings: Iterable[tuple[str, Any]], named: Sequence[str] = ()) -> dict[str, Any]:
    """Values by dotted key, such as `a.b`, as nested mappings; below the keys in `named`, names may hold dots.

    Their order does not matter, but for one key twice, of which the last counts: `a` goes before what is put into it.
    Raises ConfigError for a key with an empty part.
    """
    values: dict[str, Any] = {}
    for key, value in sorted(settings, key=lambda setting: setting[0].count(".")):
        _put(values, key, value, named)
    return values


def _put(values: dict[str, Any], key: str, value: Any, named: Sequence[str]) -> None:
    """Puts a value under a key such as `a.b` into nested mappings, which are copied on the way."""
    *path, last = key.split(".", 1 if key.partition(".")[0] in named else -1)
    if not all((*path, last)) or len(path) >= DEEPEST:
        raise ConfigError(f"{_REPR.repr(key)} is no key: write names with a dot between them, such as training.epochs")
    for depth, part in enumerate(path):
        inner = values.get(part)
        if depth == 0 and part in NAMED:
            inner = as_named(inner)
        values[part] = dict(inner) if isinstance(inner, dict) else {}
        values = values[part]
    values[last] = value
