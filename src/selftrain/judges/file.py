"""Judges a file of responses from anywhere: JSON lines in, JSON lines with judgements out."""

import json
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from selftrain.errors import DataError
from selftrain.files import atomic_path
from selftrain.judges.pool import JudgePool
from selftrain.records import Problem
from selftrain.tasks.choices import choice_problem
from selftrain.tasks.tables import number_text

_LONGEST_LINE = 10_000_000


def judge_file(source: Path, judge: str, out: Path, workers: int = 2) -> dict[str, int]:
    """Judge every row of a JSON-lines file and write the rows with `answer`, `judgement` and `reason` added.

    A row has `response` (text) and `gold` (text, number or null), maybe `question` (text), `reference` (an object of
    further facts for the judge) and, read by the judge `choice` alone, `options` (see
    `tasks.choices.choice_problem`); the rest passes through. `out` appears whole or not at all and may
    be `source`. Returns the counts of `right`, `wrong` and `unjudged`. Raises DataError, naming the line, for
    a row that cannot be used; ConfigError for an unknown judge.
    """
    if not source.is_file():
        raise DataError(f"there is no file {source}: name a file of JSON lines with 'response' and 'gold'")
    counts: Counter[str] = Counter(right=0, wrong=0, unjudged=0)
    waiting: deque[dict[str, Any]] = deque()

    def items() -> Iterator[tuple[str, Problem, str]]:
        for row, problem in _rows(source, judge):
            waiting.append(row)
            yield "", problem, row["response"]

    # A lone surrogate, which UTF-8 cannot hold, is written as the JSON escape it came from.
    with (
        atomic_path(out, replace=True) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace") as file,
        JudgePool(judge, workers) as pool,
    ):
        for _, found in pool.judge(items()):
            counts[found.judgement] += 1
            row = waiting.popleft()
            row |= {"answer": found.answer, **found.row()}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return dict(counts)


def _rows(source: Path, judge: str) -> Iterator[tuple[dict[str, Any], Problem]]:
    with source.open("rb") as file:
        number = 0
        while line := file.readline(_LONGEST_LINE + 1):
            number += 1
            if len(line) > _LONGEST_LINE:
                raise DataError(f"{source} line {number} is longer than {_LONGEST_LINE:,} bytes: split it")
            if line.strip():
                row = _row(line, f"{source} line {number}")
                yield row, _problem(row, judge, f"{source} line {number}")


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON ({error}): write one JSON object a line") from error
    if not isinstance(row, dict):
        raise DataError(f"{where} is a {type(row).__name__}: write one JSON object a line")
    kinds: dict[str, tuple[type, ...]] = {"response": (str,), "gold": (str, int, float, type(None))}
    for field, allowed in kinds.items():
        if field not in row:
            raise DataError(f"{where} has no '{field}': every row needs 'response' and 'gold'")
        if not isinstance(row[field], allowed) or isinstance(row[field], bool):
            raise DataError(f"{where} has a '{field}' of type {type(row[field]).__name__}: make it a text")
    if not isinstance(row.get("question", ""), str):
        raise DataError(f"{where} has a 'question' of type {type(row['question']).__name__}: make it a text")
    if not isinstance(row.get("reference"), dict | None):
        raise DataError(f"{where} has a 'reference' of type {type(row['reference']).__name__}: make it an object")
    return row


def _problem(row: dict[str, Any], judge: str, where: str) -> Problem:
    gold, reference = row["gold"], row.get("reference") or {}
    if judge == "choice" and row.get("options") is not None:
        turns = [{"role": "user", "content": row.get("question", "")}]
        return replace(choice_problem(turns, row["options"], gold, where), reference=reference)
    if isinstance(gold, int | float):
        gold = number_text(gold, f"{where}, gold")
    return Problem.make(row.get("question", ""), gold=gold, reference=reference)
