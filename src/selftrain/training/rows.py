"""Rows that fit: prompts cut on the left, what cannot be trained dropped, and both counted."""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from datasets import Dataset

from selftrain.errors import ConfigError

IGNORED = -100
"""The label of a token that is not trained."""
Fit = Callable[[Mapping[str, Any], int | None], int]
"""How many tokens of a row's prompt must go for the row to fit; raises UnfitError for one that cannot be trained."""
Cut = Callable[[dict[str, Any], int], dict[str, Any]]
"""The columns of a row that change when so many tokens are taken off its prompt."""


class UnfitError(Exception):
    """Why a row cannot be trained."""


def fitted(rows: Dataset, max_length: int | None, fit: Fit, cut: Cut) -> Dataset:
    """The rows that can be trained, their prompts cut on the left (never a completion) to `max_length` tokens in all.

    Warns of how many rows were dropped or cut. Raises ConfigError if none is left.
    """
    cuts: dict[int, int] = {}
    dropped: Counter[str] = Counter()
    for index, row in enumerate(rows):
        try:
            cuts[index] = fit(row, max_length)
        except UnfitError as reason:
            dropped[str(reason)] += 1
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
    if not cuts:
        raise ConfigError(f"not one of {len(rows):,} rows can be trained: {reasons}")
    if dropped:
        warnings.warn(f"dropped {dropped.total():,} of {len(rows):,} rows: {reasons}", stacklevel=2)
    shortened = sum(map(bool, cuts.values()))
    if shortened:
        warnings.warn(
            f"cut {shortened:,} of {len(rows):,} prompts on the left to fit max_length {max_length}", stacklevel=2
        )
    kept = rows.select(list(cuts)) if dropped else rows
    places = list(cuts.values())
    return kept.map(lambda row, index: cut(row, places[index]), with_indices=True) if shortened else kept


def with_columns(rows: Dataset, columns: Mapping[str, list[Any]]) -> Dataset:
    """The rows with these columns, in place of those of the same names."""
    rows = rows.remove_columns([name for name in columns if name in rows.column_names])
    for name, values in columns.items():
        rows = rows.add_column(name, values)
    return rows


def fit_labels(row: Mapping[str, Any], max_length: int | None) -> int:
    """`Fit` of a row with `input_ids` and `labels`: what comes before the first label is its prompt."""
    labels = row["labels"]
    if len(labels) != len(row["input_ids"]):
        raise ConfigError(f"a row has {len(row['input_ids'])} tokens and {len(labels)} labels: one for each is wanted")
    first = next((place for place in range(1, len(labels)) if labels[place] != IGNORED), None)
    if first is None:
        raise UnfitError("with no completion token after the first token")
    return _excess(len(labels), first, max_length)


def cut_labels(row: dict[str, Any], count: int) -> dict[str, Any]:
    """A row with `input_ids` and `labels` without its first `count` tokens."""
    return {name: row[name][count:] for name in ("input_ids", "labels")}


def fit_completions(*completions: str) -> Fit:
    """`Fit` of a row with `prompt_ids` and these columns of completions; the longest must fit."""

    def fit(row: Mapping[str, Any], max_length: int | None) -> int:
        prompt, lengths = len(row["prompt_ids"]), [len(row[name]) for name in completions]
        if not prompt:
            raise UnfitError("with an empty prompt")
        if not all(lengths):
            raise UnfitError("with an empty completion")
        return _excess(prompt + max(lengths), prompt, max_length)

    return fit


def cut_prompt(row: dict[str, Any], count: int) -> dict[str, Any]:
    """A row's `prompt_ids` without the first `count` tokens."""
    return {"prompt_ids": row["prompt_ids"][count:]}


def _excess(length: int, prompt: int, max_length: int | None) -> int:
    excess = 0 if max_length is None else max(0, length - max_length)
    if excess >= prompt:
        raise UnfitError(f"with a completion too long for max_length {max_length}")
    return excess
