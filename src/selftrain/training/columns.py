"""Columns: what rows must hold for the weighted trainers, checked before anything is made of them."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from selftrain.errors import ConfigError

LARGEST = 3e38
"""Of weights, as float32 holds them."""


@dataclass(frozen=True)
class Columns:
    """What the rows of a trainer hold besides their weight: token ids in one of some forms, or text."""

    mark: str
    """The column that rows of token ids have and rows of text have not."""
    tokens: tuple[frozenset[str], ...]
    """What rows of token ids have, one of these."""
    text: frozenset[str]
    """What rows of text have."""
    completions: tuple[str, ...]
    """Those of text that must say something."""
    label: bool = False
    """Whether each row is labelled as desirable or not."""


def check_rows(*datasets: Any, columns: Columns) -> None:
    """Raises ConfigError for data sets without rows, weights or the right columns, and for impossible values.

    Takes None and dictionaries of data sets, as trainers do.
    """
    for rows in _parts(datasets):
        if not isinstance(rows, Dataset):
            raise ConfigError(f"rows are a {type(rows).__name__}, wanted a datasets.Dataset")
        found = set(rows.column_names)
        forms = columns.tokens if columns.mark in found else (columns.text,)
        wanted = [{"weight", *form, *(["label"] if columns.label else [])} for form in forms]
        if not any(form <= found for form in wanted):
            ways = " or ".join(str(sorted(form)) for form in wanted)
            raise ConfigError(f"rows have the columns {sorted(found)}, wanted are {ways}")
        if found & {"image", "images"}:
            raise ConfigError("rows have images: only text can be trained with weights")
        if not len(rows):
            raise ConfigError("there are no rows: nothing to train on")
        for name in set().union(*wanted) & found:
            if rows.data.column(name).null_count:
                raise ConfigError(f"the column {name} has rows without a value: fill or drop them")
        _check_values(rows.with_format(None), columns.label)


def check_tokenized(*datasets: Any, columns: Columns) -> None:
    """Raises ConfigError for rows of text, of which TRL makes one sequence: an encoder reads the prompt alone."""
    for rows in _parts(datasets):
        if columns.mark not in rows.column_names:
            raise ConfigError(f"rows of text do not train a model with an encoder: give {sorted(columns.tokens[-1])}")


def check_weight_factor(name: str, value: float) -> None:
    """Raises ConfigError for a factor of weights that is no weight itself."""
    if not _is_weight(value):
        raise ConfigError(f"{name}={value!r} is negative, non-finite or no number: set one of 0 or more")


def _check_values(rows: Dataset, labelled: bool) -> None:
    for index, weight in enumerate(rows["weight"][:]):
        if not _is_weight(weight):
            raise ConfigError(
                f"the weight of row {index} is {weight!r}, negative, non-finite or no number: "
                "one number of 0 or more is wanted for each row"
            )
    for index, label in enumerate(rows["label"][:] if labelled else ()):
        if label not in (0, 1):
            raise ConfigError(f"the label of row {index} is {label!r}: true (desirable) or false is wanted")


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= LARGEST


def without_empty(rows: Dataset, columns: Columns) -> Dataset:
    """Rows of text whose completions say something; warns of how many do not. TRL would train their end token."""
    if columns.mark in rows.column_names:
        return rows
    texts = [rows[name][:] for name in columns.completions]
    kept = [index for index, row in enumerate(zip(*texts, strict=True)) if all(map(_says_something, row))]
    if not kept:
        raise ConfigError(f"not one of {len(rows):,} rows can be trained: {len(rows):,} with an empty completion")
    if len(kept) < len(rows):
        count = len(rows) - len(kept)
        warnings.warn(f"dropped {count:,} of {len(rows):,} rows: {count:,} with an empty completion", stacklevel=2)
    return rows.select(kept) if len(kept) < len(rows) else rows


def _says_something(text: Any) -> bool:
    """Whether a completion, text or chat messages, has more than white space."""
    parts = text if isinstance(text, list) else [{"content": text}]
    return any(not isinstance(part.get("content"), str) or part["content"].strip() for part in parts)


def _parts(datasets: tuple[Any, ...]) -> Iterator[Any]:
    for item in datasets:
        yield from item.values() if isinstance(item, dict) else [item] if item is not None else []
