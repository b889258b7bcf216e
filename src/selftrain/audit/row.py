"""One logged response: what a row of a log may say, checked."""

import reprlib
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from selftrain.errors import DataError
from selftrain.scores import read_scores

_MARKS = {"right": 1, "wrong": 0, "unjudged": -1}
_FINISHES = ("stop", "length")
_LARGEST = 1e300
_CLUSTERS = (int, str)
_NONE: Mapping[str, float] = {}
_NUMBERS: tuple[type[Any], ...] = (float, int, np.floating, np.integer)


class Row(NamedTuple):
    """A response. `problem` and `judgement` are in every log; None means that the log does not say."""

    problem: str
    """Id of the problem."""
    mark: int
    """The judgement: 1 right, 0 wrong, -1 unjudged."""
    response: str | None
    """The text."""
    answer: str | None
    """Without white space around it."""
    answered: bool
    """Whether the log speaks of the answer: with None it says that none was found."""
    cluster: int | str | None
    """Alike for answers that count as equal."""
    truncated: bool | None
    """`finish`: cut at the token cap (length) or not (stop)."""
    tokens: float | None
    """Length."""
    nll: float | None
    """Mean negative log-likelihood a sampled token, nats."""
    level: str | None
    question: str | None
    position: int | None
    """`index`: which response of its problem it is."""
    scores: Mapping[str, float]
    """Graded scores by name, see `selftrain.scores`."""


def read_row(row: Mapping[str, Any], number: int) -> Row:
    """The row of this number as a `Row`; DataError, naming number and key, when it cannot be used."""
    judgement, finish, cluster, index = row.get("judgement"), row.get("finish"), row.get("cluster"), row.get("index")
    problem, answer = _text(row, "problem", number), _text(row, "answer", number)
    mark = _MARKS.get(judgement) if isinstance(judgement, str) else None
    if problem is None:
        _refuse(row, number, "problem", "a text, the problem's id")
    if mark is None:
        _refuse(row, number, "judgement", f"one of {', '.join(_MARKS)}")
    if finish is not None and finish not in _FINISHES:
        _refuse(row, number, "finish", f"one of {', '.join(_FINISHES)}")
    if cluster is not None and not isinstance(cluster, _CLUSTERS):
        _refuse(row, number, "cluster", "a whole number or a text")
    if index is not None and not isinstance(index, int):
        _refuse(row, number, "index", "a whole number")
    return Row(
        problem,
        mark,
        _text(row, "response", number),
        None if answer is None else answer.strip(),
        "answer" in row,
        cluster,
        None if finish is None else finish == "length",
        _number(row, "tokens", number),
        _number(row, "nll", number),
        _text(row, "level", number),
        _text(row, "question", number),
        index,
        _scores(row, number),
    )


def _text(row: Mapping[str, Any], key: str, number: int) -> str | None:
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        _refuse(row, number, key, "a text")
    return value


def _number(row: Mapping[str, Any], key: str, number: int) -> float | None:
    value = row.get(key)
    if value is None:
        return None
    if not (isinstance(value, _NUMBERS) and abs(value) < _LARGEST):
        _refuse(row, number, key, "a finite number")
    return float(value)


def _scores(row: Mapping[str, Any], number: int) -> Mapping[str, float]:
    given = row.get("scores")
    if given is None:
        return _NONE
    try:
        return read_scores(given)
    except ValueError as error:
        raise DataError(f"row {number} has {error}") from None


def _refuse(row: Mapping[str, Any], number: int, key: str, wanted: str) -> NoReturn:
    value = row.get(key)
    if value is None:
        raise DataError(f"row {number} has no {key}: every logged response needs one, {wanted}")
    raise DataError(f"row {number} has {key} {_shown(value)}: it must be {wanted}")


def _shown(value: object) -> str:
    try:
        return " ".join(reprlib.repr(value).split())
    except ValueError:
        # Python does not write whole numbers of thousands of digits.
        return "a huge number"
