"""The variants of a sweep: from a configuration and `key=value` words to runs, all checked before the first begins."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, product
from math import prod
from pathlib import Path
from typing import Any

from selftrain.config import RUN_NAME, RunConfig, merged, nested, read_override, read_values, split_override
from selftrain.errors import ConfigError
from selftrain.plain_yaml import NotYamlError, read_yaml
from selftrain.recipes import RecipeOptions, load_recipe
from selftrain.validation import parse

ALLOWED = "use at most 100 letters, digits, dots, dashes and underscores, a letter or digit first"
MOST = 200
"""Variants of a sweep."""
DEFAULTS = {"promote": "always", "audit": {"split": "select"}}
"""What a sweep's configuration is laid over: every variant is measured, and the test split stays for the one chosen."""
_OF_THE_SWEEP = {
    "name": "a sweep names its runs",
    "workspace": "variants share one",
    "audit.split": "variants are compared on one split",
}
"""Keys that no variant sets for itself, and why."""
_LONGEST = 40
"""Characters of a value in a variant's name."""
Values = dict[str, Any]
Axis = tuple[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Variant:
    """One configuration of a sweep."""

    name: str
    setting: Mapping[str, Any]
    """What sets it apart, by dotted key."""
    config: RunConfig
    """Of a run named after the sweep and the variant."""
    options: RecipeOptions
    """Of its recipe."""

    @property
    def folder(self) -> Path:
        """The folder of its run."""
        return self.config.workspace / self.config.name


@dataclass(frozen=True, slots=True)
class Sweep:
    """Variants in one workspace; the first is what the others are compared with."""

    folder: Path
    variants: tuple[Variant, ...]

    @property
    def name(self) -> str:
        """The name that those of its runs begin with."""
        return self.folder.name

    def file(self, variant: Variant) -> Path:
        """Where a variant's configuration is kept, to run it again in another way."""
        return self.folder / "variants" / f"{variant.name}.yaml"


def read_sweep(source: str | Path | Mapping[str, Any] | None, words: Sequence[str] = ()) -> Sweep:
    """The sweep of a preset, file or mapping; words are `key=value`, or `key=v1,v2` for an axis.

    A configuration's `variants` (settings by name) are laid over the rest of it, and the words over those: single
    values together with each place of the axes, multiplied. Raises ConfigError for a variant whose configuration cannot
    be, and for two that are the same.
    """
    for key, _ in map(split_override, words):
        if key.partition(".")[0] == "variants":
            raise ConfigError(f"{key} cannot be given as a word: variants stand in the file, settings by name")
    values = merged(DEFAULTS, read_values(source))
    listed = _listed(values.pop("variants", None) or {})
    single = [read_override(word) for word in words if axis(word) is None]
    axes = [found for found in map(axis, words) if found is not None]
    if not axes and not listed:
        raise ConfigError(
            "a sweep wants something to vary: give a key several values, such as recipe.options.exponent=0,1,2, "
            "or the file a mapping `variants`"
        )
    name = str({**values, **nested(single)}.get("name", "run"))
    variants = [
        _variant(f"{name}-{point}", point, values, setting, [*single, *grid.items()], {**_flat(setting), **grid})
        for point, setting, grid in _points(listed, axes)
    ]
    _all_different(variants)
    return Sweep(variants[0].config.workspace / name, tuple(variants))


def axis(word: str) -> Axis | None:
    """The key and the values of `key=v1,v2`; None for a single value, such as `key=[a, b]`.

    Values are read as those of a YAML list.
    """
    key, text = split_override(word)
    try:
        values = read_yaml(f"[{text}]")
    except NotYamlError:
        return None
    except ConfigError as error:
        raise ConfigError(f"{key}: the value {error}") from None
    return (key, values) if isinstance(values, list) and len(values) > 1 else None


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested mappings by dotted key; those of empty mappings are the mappings."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _listed(variants: Any) -> dict[str, Values]:
    """The settings of each variant that a configuration lists."""
    if not isinstance(variants, Mapping):
        raise ConfigError(f"variants is a {type(variants).__name__}: a mapping of names to settings is wanted")
    for name, setting in variants.items():
        if not isinstance(name, str) or not RUN_NAME.fullmatch(name):
            raise ConfigError(f"the variant {_shown(name)} cannot name a run: {ALLOWED}")
        if not isinstance(setting, Mapping | None):
            raise ConfigError(f"the variant {name} is a {type(setting).__name__}: a mapping of settings is wanted")
    return {name: dict(setting or {}) for name, setting in variants.items()}


def _points(listed: Mapping[str, Values], axes: Sequence[Axis]) -> Iterator[tuple[str, Values, Values]]:
    """Name, listed setting and place in the grid of every variant; no two names are the same."""
    keys = [key for key, _ in axes]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise ConfigError(f"{twice.pop()} has several values twice: put them into one word")
    total = max(len(listed), 1) * prod(len(values) for _, values in axes)
    if total > MOST:
        raise ConfigError(f"this makes {total:,} variants: a sweep has at most {MOST}")
    taken: set[str] = set()
    for (name, setting), place in product(listed.items() or [("", {})], product(*(values for _, values in axes))):
        grid = dict(zip(keys, place, strict=True))
        parts = (f"{_slug(key.rpartition('.')[2])}-{_slug(value)}" for key, value in grid.items())
        point = "-".join(part for part in (name, *parts) if part)
        free = next(each for each in _numbered(point) if each not in taken)
        taken.add(free)
        yield free, setting, grid


def _numbered(name: str) -> Iterator[str]:
    return chain([name], (f"{name}-{number}" for number in count(2)))


def _slug(value: Any) -> str:
    """A value, or the last part of a key, as part of a run's name."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[-_LONGEST:]


def _flat(setting: Values) -> Values:
    return dict(flattened(setting))


def _variant(
    run: str, name: str, below: Values, own: Values, words: Sequence[tuple[str, Any]], setting: Values
) -> Variant:
    """A variant, its own settings and then the words laid over what is below it. Raises ConfigError naming it."""
    keys = dict(flattened(setting))
    for key, why in _OF_THE_SWEEP.items():
        if key in keys:
            raise ConfigError(f"the variant {name} sets {key}: {why}; set it once, for the whole sweep")
    try:
        values = merged(merged(below, nested((str(key), value) for key, value in own.items())), nested(words))
        config = parse(RunConfig, {**values, "name": _checked(run)}, "")
        options = load_recipe(config.recipe.name).parse(config.recipe.options)
    except ConfigError as error:
        raise ConfigError(f"the variant {name}: {error}") from None
    return Variant(name, setting, config, options)


def _checked(run: str) -> str:
    """The name of a variant's run, if it can be one."""
    if not RUN_NAME.fullmatch(run):
        raise ConfigError(
            f"its run cannot be called {_shown(run)}, of {len(run)} characters: {ALLOWED}; give the sweep another "
            "name=... or list `variants` with short names in a file"
        )
    return run


def _all_different(variants: Sequence[Variant]) -> None:
    seen: list[tuple[Values, Values]] = []
    for variant in variants:
        settings = variant.config.model_dump(mode="json", exclude={"name": True, "recipe": {"options"}})
        found = (settings, variant.options.model_dump(mode="json"))
        if found in seen:
            same = variants[seen.index(found)].name
            raise ConfigError(f"the variants {same} and {variant.name} are the same: take one of them out")
        seen.append(found)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:100]}...{text[-97:]}"
