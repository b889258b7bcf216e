"""Pydantic models whose complaints reach the user as one line."""

import reprlib
import types
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from selftrain.errors import ConfigError

MAX_SHOWN = 3
_REPR = reprlib.Repr()  # bounded, however large the value
_REPR.maxstring = _REPR.maxother = 200
M = TypeVar("M", bound=BaseModel)


class Options(BaseModel):
    """A frozen set of options; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parse(model: type[M], values: object, where: str) -> M:
    """`values` as a `model`; a ConfigError of one line, its keys following `where`, when they do not fit."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(one_line(error, model, where)) from None


def one_line(error: ValidationError, model: type[BaseModel], where: str = "") -> str:
    """The first complaints of a validation error in one line, each naming the key and what was found.

    An unknown key is answered with the known ones of the model it stands in.
    """
    details = error.errors(include_url=False, include_context=False)
    shown = [_complaint(dict(detail), model, where) for detail in details[:MAX_SHOWN]]
    more = [f"and {len(details) - MAX_SHOWN} more"] if len(details) > MAX_SHOWN else []
    return "; ".join(shown + more)


def _complaint(detail: Mapping[str, Any], model: type[BaseModel], where: str) -> str:
    path = tuple(detail["loc"])
    key = ".".join(part for part in (where, *map(str, path)) if part)
    if detail["type"] == "extra_forbidden":
        holder = _model_at(model, path[:-1])
        known = f": known keys are {', '.join(holder.model_fields)}" if holder else ""
        return f"unknown key {key}{known}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if detail["type"] == "missing":
        return f"{key} is missing"
    if detail["type"] == "value_error" and isinstance(detail["input"], Mapping):
        return f"{key}: {message}"
    return f"{key}: {message}, found {_shown(detail['input'])}"


def _shown(value: object) -> str:
    text = _REPR.repr(value).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."


def _model_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel] | None:
    """The model a path of keys ends in; None where the annotations do not tell."""
    here: Any = model
    for key in path:
        here = _without_none(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(key))
            here = field.annotation if field else None
        else:
            here = next(iter(get_args(here)[-1:]), None)
    here = _without_none(here)
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        return members[0] if len(members) == 1 else None
    return annotation
