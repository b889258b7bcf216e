"""Judges a file of responses from anywhere: JSON lines in, JSON lines with judgements out."""

import json
import os
import tempfile
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selftrain.errors import DataError
from selftrain.judges.pool import JudgePool
from selftrain.records import Problem

_LONGEST_LINE = 10_000_000


def judge_file(source: Path, judge: str, out: Path, workers: int = 2) -> dict[str, int]:
    """Judge every row of a JSON-lines file and write the rows with `answer`, `judgement` and `reason` added.

    A row has `response` (text) and `gold` (text, number or null), maybe `question` (text); the rest passes
    through. `out` appears whole or not at all and may be `source`. Returns the counts of `right`, `wrong` and
    `unjudged`. Raises DataError, naming the line, for a row that cannot be used; ConfigError for an unknown
    judge.
    """
    if not source.is_file():
        raise DataError(f"there is no file {source}: name a file of JSON lines with 'response' and 'gold'")
    counts: Counter[str] = Counter(right=0, wrong=0, unjudged=0)
    waiting: deque[dict[str, Any]] = deque()

    def items() -> Iterator[tuple[str, Problem, str]]:
        for row in _rows(source):
            waiting.append(row)
            gold = None if row["gold"] is None else str(row["gold"])
            yield "", Problem.make(row.get("question") or "", gold=gold), row["response"]

    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        # A lone surrogate, which UTF-8 cannot hold, is written as the JSON escape it came from.
        with (
            os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file,
            JudgePool(judge, workers) as pool,
        ):
            for _, found in pool.judge(items()):
                counts[found.judgement] += 1
                row = waiting.popleft()
                row |= {"answer": found.answer, "judgement": found.judgement, "reason": found.reason}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        os.replace(name, out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return dict(counts)


def _rows(source: Path) -> Iterator[dict[str, Any]]:
    with source.open("rb") as file:
        number = 0
        while line := file.readline(_LONGEST_LINE + 1):
            number += 1
            if len(line) > _LONGEST_LINE:
                raise DataError(f"{source} line {number} is longer than {_LONGEST_LINE:,} bytes: split it")
            if line.strip():
                yield _row(line, f"{source} line {number}")


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
    return row
