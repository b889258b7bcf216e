"""The recipes in words: a list of those at hand, or one in full, as plain lines."""

import inspect
import json
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from selftrain.config import RecipeConfig, as_named, presets, read_mapping
from selftrain.progress import printable
from selftrain.recipes import Recipe, builtin_recipes, load_recipe

WIDTH = 100
_LONGEST_SHORT = 30
"""Characters of a default that the list of recipes still shows."""
_WORD = re.compile(r"[A-Za-z][\w./-]*")
_LABELS = {
    "gold": "the gold answers",
    "rationales": "the rationales of the training problems",
    "valid": "the rationales of the valid split",
}
_UNIONS = (Union, types.UnionType)
_NUMBERS = {int: "whole number", float: "number"}
_PLAIN = {str: "text", Path: "path", bool: "true | false", type(None): "null", Any: "any value"}


def list_recipes() -> list[str]:
    """Every recipe of the package: name, paper, what it does in a sentence, and its options with their defaults."""
    lines = []
    for recipe in map(load_recipe, builtin_recipes()):
        short = (_short(name, field) for name, field in recipe.options.model_fields.items())
        said = next(iter(_paragraphs(recipe.function)), "")
        lines += [*_title(recipe), *_wrapped(said, "  "), *_wrapped(" ".join(short), "  "), ""]
    return [*lines, "`selftrain recipes NAME` tells one in full."]


def tell_recipe(name: str) -> list[str]:
    """One recipe in full, of the package or by import path. Raises ConfigError for what is none."""
    recipe = load_recipe(name)
    paragraphs = chain.from_iterable(("", *_wrapped(text)) for text in _paragraphs(recipe.function))
    used = ", ".join(preset for preset in presets() if _recipe_of(preset) == name)
    facts = [*_wrapped(f"reads: {_reads(recipe)}", after="  "), *_wrapped(f"presets: {used or 'none'}", after="  ")]
    options = list(chain.from_iterable(_option(key, field) for key, field in recipe.options.model_fields.items()))
    told = ["", "options, set as recipe.options.KEY=VALUE:", *options] if options else ["options: none"]
    return [*_title(recipe), *paragraphs, "", *facts, *told]


def _title(recipe: Recipe) -> list[str]:
    paper = f" ({recipe.paper})" if recipe.paper else ""
    return _wrapped(recipe.name + paper)


def _paragraphs(described: object) -> list[str]:
    return [text for text in re.split(r"\n\s*\n", inspect.getdoc(described) or "") if text.strip()]


def _recipe_of(preset: str) -> str:
    chosen = as_named(read_mapping(preset).get("recipe", {}))
    return str(chosen.get("name", RecipeConfig().name))


def _option(name: str, field: FieldInfo) -> Iterator[str]:
    default = "required" if field.is_required() else f"default {_default(field)}"
    yield from _wrapped(f"{name}: {in_words(field.annotation, field.metadata)}; {default}", "  ", "      ")
    for text in re.split(r"\n\s*\n", field.description or ""):
        yield from _wrapped(text, "      ")


def _short(name: str, field: FieldInfo) -> str:
    shown = "(required)" if field.is_required() else _default(field)
    return f"{name}={shown if len(shown) <= _LONGEST_SHORT else '...'}"


def _default(field: FieldInfo) -> str:
    """The default as it is written in YAML; of nested options what differs from their own defaults."""
    value = field.get_default(call_default_factory=True, validated_data={})
    return _yaml(value.model_dump(exclude_defaults=True) if isinstance(value, BaseModel) else value)


def _yaml(value: object) -> str:
    if isinstance(value, str) and _WORD.fullmatch(value):
        return value
    return json.dumps(to_jsonable_python(value, fallback=str), ensure_ascii=False)


def in_words(annotation: Any, limits: Sequence[object] = ()) -> str:
    """A type as a user reads it: `sft | dpo`, `whole number of 1 or more`, `list of text`."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return in_words(inside[0], [*limits, *chain.from_iterable(map(_limits, inside[1:]))])
    if origin is Literal:
        return " | ".join(map(_yaml, inside))
    if origin in _UNIONS:
        return " | ".join(in_words(member, limits) for member in inside)
    if annotation in _NUMBERS:
        return _NUMBERS[annotation] + _range(limits)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    kind = origin or annotation
    if not isinstance(kind, type):
        return str(annotation)
    if issubclass(kind, BaseModel):
        return f"mapping with {', '.join(kind.model_fields)}"
    if issubclass(kind, Mapping):
        return f"mapping of {in_words(inside[0])} to {in_words(inside[1])}" if inside else "mapping"
    if issubclass(kind, Sequence | set | frozenset):
        return f"list of {in_words(inside[0])}" if inside else "list"
    return kind.__name__


def _limits(found: object) -> Sequence[object]:
    return found.metadata if isinstance(found, FieldInfo) else [found]


def _range(limits: Sequence[object]) -> str:
    """The limits of a number, such as ` of 1 or more`, ` from 0 to 1`, ` above 0 and at most 1`."""
    kinds = (annotated_types.Ge, annotated_types.Gt, annotated_types.Le, annotated_types.Lt)
    at = {name: value for limit in limits if isinstance(limit, kinds) for name, value in asdict(limit).items()}
    if at.keys() == {"ge"}:
        return f" of {at['ge']} or more"
    if at.keys() == {"ge", "le"}:
        return f" from {at['ge']} to {at['le']}"
    said = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    parts = [f"{word} {at[name]}" for name, word in said.items() if name in at]
    return f" {' and '.join(parts)}" if parts else ""


def _reads(recipe: Recipe) -> str:
    """The labels read with the default options, and with any one choice that changes them."""
    usual = _labels(recipe, {})
    choices = ((name, v) for name, field in recipe.options.model_fields.items() for v in _choices(field.annotation))
    found = ((name, value, _labels(recipe, {name: value})) for name, value in choices)
    others = [f"with {name}={_yaml(value)}: {labels}" for name, value, labels in found if labels != usual]
    return "; ".join([usual, *others])


def _choices(annotation: Any) -> tuple[Any, ...]:
    if annotation is bool:
        return (False, True)
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    members = get_args(annotation) if get_origin(annotation) in _UNIONS else ()
    return tuple(chain.from_iterable(map(_choices, members)))


def _labels(recipe: Recipe, chosen: Mapping[str, Any]) -> str:
    try:  # unchecked, as an option may be required
        labels = recipe.options.model_construct(**chosen).reads
    except AttributeError:
        return "what its required options say"
    return " and ".join(_LABELS.get(label, label) for label in sorted(labels)) or "no labels"


def _wrapped(text: str, indent: str = "", after: str | None = None) -> list[str]:
    """Text of any origin, folded into lines of at most `WIDTH`; `after` indents all but the first."""
    rest = indent if after is None else after
    shown = printable(" ".join(text.split()))
    return wrap(shown, WIDTH, initial_indent=indent, subsequent_indent=rest, break_on_hyphens=False)
