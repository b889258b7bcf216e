"""One stream of distinct questions of a reasoning-gym family, to be cut up into parts that cannot overlap."""

import itertools
import json
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from selftrain.digest import seed_from
from selftrain.errors import ConfigError, DataError, MissingExtraError
from selftrain.families import refusal
from selftrain.tasks.commutative import question_keys

Entry = dict[str, Any]
"""Question, answer and metadata as JSON values."""

CHUNK = 1000
"""Items a dataset is created for at a time; some families do work in proportion to their size up front."""
LEAST_PATIENCE = 2_000
PATIENCE_PER_QUESTION = 10
MOST_PATIENCE = 100_000


class Stream:
    """Distinct entries of one family with one set of options.

    `seen` holds the keys of the questions already given out; streams of one family that share it have no
    question in common. The stream is fixed by family, options, `seed` and what others put into `seen`.
    """

    def __init__(self, family: str, options: Mapping[str, Any], seed: int, seen: set[Hashable]) -> None:
        self._family = family
        self._entries = _entries(family, options, seed)
        self._seen = seen
        self.found = 0
        """Distinct questions given out by this stream."""

    def take(self, number: int) -> list[Entry] | None:
        """The next `number` new entries, in stream order; None when the stream has run dry.

        It has run dry after 10 repeats in a row for every question seen (at least 2,000, at most 100,000):
        where questions are drawn evenly, one that is left is missed with probability e^-10.
        """
        taken: list[Entry] = []
        repeats = 0
        while len(taken) < number:
            entry = next(self._entries)
            keys = question_keys(self._family, entry)
            if self._seen.isdisjoint(keys):
                taken.append(_plain(entry))
                self.found += 1
                self._seen.update(keys)
                repeats = 0
            elif (repeats := repeats + 1) > _patience(len(self._seen) // len(keys)):
                return None
        return taken


def check_family(family: str, options: Mapping[str, Any]) -> None:
    """Raise ConfigError unless `family` exists, is safe to judge, and knows every option."""
    reason = refusal(family)
    if reason is not None:
        raise ConfigError(reason)
    datasets = _registry()
    if family not in datasets:
        raise ConfigError(f"the installed reasoning-gym has no family {family!r}: upgrade it or use another")
    known = [field.name for field in fields(datasets[family][1]) if field.name not in ("seed", "size")]
    unknown = [key for key in options if key not in known]
    if unknown:
        raise ConfigError(f"{family} has no option {unknown[0]!r}: known options are {', '.join(known)}")


def exhausted(family: str, found: int, asked: int, suite: str | None) -> DataError:
    """The error for asking more distinct questions of a family than exist; `suite` is None for the splits."""
    sizes = "train, valid, labelled, select, test or shots" if suite is None else "its select or test"
    where = "" if suite is None else f" in suite {suite}, besides the questions of other parts,"
    return DataError(
        f"{family}{where} with these settings holds {found} distinct questions, {asked} were asked: "
        f"lower {sizes}, or widen the settings"
    )


def _patience(questions: int) -> int:
    return min(max(LEAST_PATIENCE, PATIENCE_PER_QUESTION * questions), MOST_PATIENCE)


def _registry() -> dict[str, Any]:
    try:
        from reasoning_gym.factory import DATASETS
    except ImportError:
        raise MissingExtraError("reasoning-gym", "tasks") from None
    registry: dict[str, Any] = DATASETS
    return registry


def _entries(family: str, options: Mapping[str, Any], seed: int) -> Iterator[Mapping[str, Any]]:
    """Entries without end, repeats included; reasoning-gym seeds item i of a dataset with `seed + i`."""
    from reasoning_gym import create_dataset

    start = seed_from(["reasoning_gym", family, seed]) % 2**31  # numpy takes seeds below 2**32
    for chunk in itertools.count():
        try:
            dataset = create_dataset(family, seed=start + chunk * CHUNK, size=CHUNK, **options)
            for index in range(CHUNK):
                yield dataset[index]
        except Exception as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise ConfigError(f"{family} cannot make questions with these settings: {text}") from error


def _plain(entry: Mapping[str, Any]) -> Entry:
    """The entry as JSON values: tuples as lists, numpy scalars as numbers, anything else as its text."""
    facts = {key: entry[key] for key in ("question", "answer", "metadata")}
    plain: Entry = json.loads(json.dumps(facts, default=_plain_value))
    return plain


def _plain_value(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
