"""The variants of a sweep: from a configuration and `key=value` words to runs, all checked before the first begins."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, product
from math import prod
from pathlib import Path
from typing import Any

import yaml

from selftrain.config import (
    NOT_YAML,
    RunConfig,
    merged,
    put,
    read_override,
    read_values,
    split_override,
)
from selftrain.errors import ConfigError
from selftrain.recipes import RecipeOptions, load_recipe
from selftrain.validation import parse

MOST = 200
"""Variants of a sweep."""
DEFAULTS = {"promote": "always", "audit": {"split": "select"}}
"""What a sweep's configuration is laid over: every variant is measured, and the test split stays for the one chosen."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
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

    A configuration's `variants` (settings by name) are laid over the rest of it, single values over those, and the
    axes, multiplied, over each. Raises ConfigError for a variant that cannot run, and for two that are the same.
    """
    values = merged(DEFAULTS, read_values(source))
    listed = _listed(values.pop("variants", None) or {})
    single = [read_override(word) for word in words if axis(word) is None]
    axes = [found for found in map(axis, words) if found is not None]
    if not axes and not listed:
        raise ConfigError(
            "a sweep wants something to vary: give a key several values, such as recipe.options.exponent=0,1,2, "
            "or the file a mapping `variants`"
        )
    named = values.copy()
    for key, value in single:
        put(named, key, value)
    name = str(named.get("name", "run"))
    variants = [
        _variant(f"{name}-{point}", point, _laid(values, setting, single, grid), {**_flat(setting), **grid})
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
        values = yaml.safe_load(f"[{text}]")
    except NOT_YAML:
        return None
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
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigError(f"the variant {name!r} cannot name a run: use letters, digits, dots, dashes, underscores")
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
        parts = (f"{key.rpartition('.')[2]}-{_slug(value)}" for key, value in grid.items())
        point = "-".join(part for part in (name, *parts) if part)
        free = next(each for each in _numbered(point) if each not in taken)
        taken.add(free)
        yield free, setting, grid


def _numbered(name: str) -> Iterator[str]:
    return chain([name], (f"{name}-{number}" for number in count(2)))


def _slug(value: Any) -> str:
    """A value as part of a run's name."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[-_LONGEST:]


def _laid(below: Values, setting: Values, single: Sequence[tuple[str, Any]], grid: Values) -> Values:
    """One variant's values."""
    made = merged(below, _nested(setting))
    for key, value in (*single, *grid.items()):
        put(made, key, value)
    return made


def _nested(setting: Values) -> Values:
    """A setting with its dotted keys taken apart."""
    made: Values = {}
    for key, value in setting.items():
        piece: Values = {}
        put(piece, str(key), value)
        made = merged(made, piece)
    return made


def _flat(setting: Values) -> Values:
    return dict(flattened(setting))


def _variant(run: str, name: str, values: Values, setting: Values) -> Variant:
    """A variant, checked as far as that needs no model. Raises ConfigError naming it."""
    for key in ("name", "workspace"):
        if key in setting:
            raise ConfigError(f"the variant {name} sets {key}: variants share a workspace and are named by the sweep")
    try:
        config = parse(RunConfig, {**values, "name": run}, "")
        options = load_recipe(config.recipe.name).parse(config.recipe.options)
    except ConfigError as error:
        raise ConfigError(f"the variant {name}: {error}") from None
    return Variant(name, setting, config, options)


def _all_different(variants: Sequence[Variant]) -> None:
    seen: dict[str, str] = {}
    for variant in variants:
        settings = variant.config.model_dump(mode="json", exclude={"name": True, "recipe": {"options"}})
        key = json.dumps([settings, variant.options.model_dump(mode="json")], sort_keys=True)
        if key in seen:
            raise ConfigError(f"the variants {seen[key]} and {variant.name} are the same: take one of them out")
        seen[key] = variant.name
