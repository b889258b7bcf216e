"""Anybody's rows of sampled answers, from JSONL, CSV or Parquet: checked and put under the row contract."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from selftrain.digest import normal_text
from selftrain.errors import DataError
from selftrain.logs.log import NUMBERS, Row, Source, is_number, whole_text
from selftrain.scores import read_scores
from selftrain.tasks.tables import number_text, read_rows

SHOWN = 3
"""Different values of a setting that a note names."""
LONGEST_LABEL = 200


def source(path: Path) -> Source:
    """The responses of a .jsonl, .csv or .parquet file, a row each, streamed.

    A row has `problem` (an id or the question's text) or `question`, and `judgement` (right, wrong, unjudged) or
    `correct` (true, false, null: unjudged); where it says both, they agree. It may have `response`, `answer`,
    `cluster`, `level`, `suite`, `finish` (stop, length), `tokens`, `nll` or `logprobs`, `index`, `scores` (numbers by
    name), and what it was sampled with: `model`, `prompt`, `temperature`, `top_p`, `max_tokens`. Other columns are
    passed over. Reading raises DataError, naming the line, for a value that is none of these.
    """
    labels: dict[str, Any] = {}
    notes: list[str] = []
    return Source(labels, _rows(path, labels, notes), notes)


def _rows(path: Path, labels: dict[str, Any], notes: list[str]) -> Iterator[tuple[str | None, Row]]:
    settings: dict[str, list[Any]] = {}
    of_text = path.suffix.lower() == ".csv"
    for place, given in read_rows(path, COLUMNS):
        row, suite = _row(_values(given) if of_text else given, place, settings)
        yield suite, row
    labels.update((name, values[0]) for name, values in settings.items() if len(values) == 1)
    notes += [_varies(name, values) for name, values in settings.items() if len(values) > 1]


def _row(given: Mapping[str, Any], place: str, settings: dict[str, list[Any]]) -> tuple[Row, str | None]:
    """A row under the row contract, and its suite; the settings in it are noted."""
    row: Row = {}
    for name, value in given.items():
        if value is None:
            if name == "answer":
                row[name] = None
        elif check := _CHECKS.get(name):
            row[name] = check(value, name, place)
        elif (check := _SETTINGS.get(name)) and value not in settings.get(name, ()):
            _see(settings.setdefault(name, []), check(value, name, place))
    row["judgement"] = _judgement(given, row.get("judgement"), place)
    if "problem" not in row:
        row["problem"] = _from_question(row, place)
    if "logprobs" in row:
        tokens, nll = row.pop("logprobs")
        row.setdefault("tokens", tokens)
        if tokens:
            row.setdefault("nll", nll)
    return row, row.pop("suite", None) or None


def _judgement(given: Mapping[str, Any], judgement: str | None, place: str) -> str:
    correct = given.get("correct")
    if correct is not None or (judgement is None and "correct" in given):
        if not isinstance(correct, _CORRECT_TYPES) or correct not in _CORRECT:
            raise _wrong(place, "correct", correct, "true, false or null (unjudged)")
        if judgement is None or judgement == _CORRECT[correct]:
            return _CORRECT[correct]
        raise DataError(f"{place} has judgement {judgement!r} but correct {correct}: make them agree, or drop one")
    if judgement is None:
        raise DataError(
            f"{place} has neither a judgement (right, wrong, unjudged) nor correct (true, false, null): "
            "add one, or let selftrain judge mark the log"
        )
    return judgement


def _from_question(row: Row, place: str) -> str:
    found = normal_text(row.get("question", ""))
    if not found:
        raise DataError(f"{place} has no problem: wanted an id or the text of the question")
    return found


def _see(values: list[Any], value: Any) -> None:
    if value not in values and len(values) <= SHOWN:
        values.append(value)


def _varies(name: str, values: list[Any]) -> str:
    more = ", ..." if len(values) > SHOWN else ""
    return f"{name} varies: {', '.join(str(value)[:40] for value in values[:SHOWN])}{more}"


def _values(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of CSV, where all is text, with the values of the columns that are more than text."""
    found = dict(given)
    for name in _VALUES & found.keys():
        try:
            text = found[name] and found[name].strip()
            found[name] = text and json.loads(text if name == "scores" else text.lower())
        except (ValueError, RecursionError):
            continue  # its check says what is wrong with the text
    return found


def _wrong(place: str, name: str, value: Any, wanted: str) -> DataError:
    return DataError(f"{place} has {name} {repr(value)[:40]}: wanted {wanted}")


def _text(value: Any, name: str, place: str) -> str:
    if type(value) is not str:
        raise _wrong(place, name, value, "text")
    return value


def _label(value: Any, name: str, place: str) -> str:
    return whole_text(_text(value, name, place))[:LONGEST_LABEL]


def _identity(value: Any, name: str, place: str) -> str:
    if type(value) is str and value.strip():
        return value
    if type(value) is int or (is_number(value) and value == int(value)):
        return str(int(value))
    raise _wrong(place, name, value, "an id (text or a whole number) or the text of the question")


def _level(value: Any, name: str, place: str) -> str | None:
    if is_number(value):
        return number_text(value, place)
    return whole_text(_text(value, name, place)) or None


def _answer(value: Any, name: str, place: str) -> str | None:
    if type(value) is str:
        return value.strip() or None
    if isinstance(value, bool):
        return str(value).lower()
    if type(value) in NUMBERS:
        return number_text(value, f"{place}, {name}")
    raise _wrong(place, name, value, "text, a number, true, false, or null where no answer was found")


def _cluster(value: Any, name: str, place: str) -> int | str:
    if type(value) is str or type(value) is int:
        return value
    raise _wrong(place, name, value, "a number or text that is the same for answers that count as equal")


def _judged(value: Any, name: str, place: str) -> str:
    if value in ("right", "wrong", "unjudged"):
        return str(value)
    raise _wrong(place, name, value, "right, wrong or unjudged")


def _finish(value: Any, name: str, place: str) -> str:
    if value in ("stop", "length"):
        return str(value)
    raise _wrong(place, name, value, "stop, or length where the text was cut at the token limit")


def _count(value: Any, name: str, place: str) -> int:
    if is_number(value) and value == int(value) and value >= 0:
        return int(value)
    raise _wrong(place, name, value, "a whole number of 0 or more")


def _setting(value: Any, name: str, place: str) -> float:
    if is_number(value) and value >= 0:
        return float(value)
    raise _wrong(place, name, value, "a number of 0 or more")


def _nll(value: Any, name: str, place: str) -> float:
    if is_number(value) and value >= -_ROUNDED:
        return max(0.0, float(value))
    raise _wrong(place, name, value, "a mean negative log-likelihood of 0 or more, in nats a token")


def _logprobs(value: Any, name: str, place: str) -> tuple[int, float]:
    """How many tokens there are, and their mean negative log-likelihood, 0 for none."""
    try:
        mean = math.fsum(value) / max(1, len(value)) if type(value) is list else math.nan
    except (TypeError, ValueError, OverflowError):
        mean = math.nan
    if not -math.inf < mean <= _ROUNDED:
        raise _wrong(place, name, value, "a list of log-probabilities, finite numbers of 0 or less, one for each token")
    return len(value), max(0.0, -mean)


def _scores(value: Any, name: str, place: str) -> dict[str, float]:
    try:
        return read_scores(value)
    except ValueError as error:
        raise DataError(f"{place} has {error}") from None


Check = Callable[[Any, str, str], Any]
_ROUNDED = 1e-3
"""How far a log-probability may lie above 0 by rounding."""
_CORRECT_TYPES = (bool, int, float, type(None))
_CORRECT: Mapping[Any, str] = {True: "right", False: "wrong", None: "unjudged"}
_CHECKS: Mapping[str, Check] = {
    "problem": _identity,
    "question": _text,
    "response": _text,
    "answer": _answer,
    "cluster": _cluster,
    "judgement": _judged,
    "finish": _finish,
    "level": _level,
    "suite": _label,
    "tokens": _count,
    "nll": _nll,
    "logprobs": _logprobs,
    "index": _count,
    "scores": _scores,
}
_SETTINGS: Mapping[str, Check] = {
    "model": _label,
    "prompt": _label,
    "temperature": _setting,
    "top_p": _setting,
    "max_tokens": _count,
}
_VALUES = {"correct", "tokens", "nll", "logprobs", "index", "scores", "temperature", "top_p", "max_tokens"}
COLUMNS = (*_CHECKS, *_SETTINGS, "correct")
"""What is read of a row."""
