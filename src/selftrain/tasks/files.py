"""Problems from a user's own JSONL, CSV or Parquet files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from selftrain.errors import DataError
from selftrain.records import Problem
from selftrain.tasks.tables import number_text, read_rows
from selftrain.tasks.task import REQUIRED, SPLITS, Suite, Task, make_task, shuffled, unique
from selftrain.validation import Options, parse

ROLES = ("system", "user", "assistant")


class Columns(Options):
    """What the columns are called in the files."""

    question: str = "question"
    """Text, or in JSONL and Parquet a list of chat messages (`role`, `content`), the last by the user."""
    answer: str = "answer"
    """The gold answer, a text or a number."""
    level: str = "level"
    """A label of difficulty."""
    rationale: str = "rationale"
    """A worked solution that ends in the answer."""


class FilesOptions(Options):
    """Files of problems: one for each split, or one `path` cut up by `ratios`."""

    path: Path | None = None
    """One file of all problems."""
    ratios: dict[str, float] = Field(default_factory=dict)
    """Share of each split of `path`, such as `{train: .6, select: .1, test: .3}`; they add up to 1."""
    train: Path | None = None
    """File of the training problems."""
    select: Path | None = None
    """File of the problems for promotion and choices."""
    test: Path | None = None
    """File of the problems for the final comparison."""
    shots: Path | None = None
    """File of demonstrations."""
    valid: Path | None = None
    """File of problems with rationales, for the valid loss of IWSI."""
    suites: dict[str, Path] = Field(default_factory=dict)
    """Files of out-of-distribution problems by suite name; each is halved into select and test."""
    judge: str = "exact"
    """Judge of the answers: `exact`, `number`, `math`, or the import path of your own."""
    columns: Columns = Columns()
    """Names of the columns."""

    @model_validator(mode="after")
    def _one_way(self) -> "FilesOptions":
        given = self.split_files()
        unknown = [split for split in self.ratios if split not in SPLITS]
        if unknown:
            raise ValueError(f"ratios has an unknown split {unknown[0]}: known are {', '.join(SPLITS)}")
        if self.path is not None and (given or not self.ratios):
            raise ValueError("path goes with ratios, and not with files for splits")
        if self.path is None and self.ratios:
            raise ValueError("ratios need a path: the one file they cut up")
        missing = [split for split in REQUIRED if split not in (self.ratios or given)]
        if missing:
            raise ValueError(f"{missing[0]} is missing: give train, select and test, or path and ratios")
        shares = self.ratios.values()
        if shares and not (min(shares) > 0 and abs(sum(shares) - 1) < 1e-6):
            raise ValueError(f"ratios must be above 0 and add up to 1, they add up to {sum(shares):g}")
        return self

    def split_files(self) -> dict[str, Path]:
        """The files given for splits."""
        files = {split: getattr(self, split) for split in SPLITS}
        return {split: file for split, file in files.items() if file is not None}


def files_task(options: Mapping[str, Any], seed: int) -> Task:
    """Problems from files; a question twice in one file is dropped, one in two split files is a DataError.

    What is cut up (`path` by `ratios`, a suite into halves) is first put in an order fixed by seed and
    questions, so that the order of the rows does not matter.

    Raises ConfigError for options, DataError for files.
    """
    chosen = parse(FilesOptions, options, "task.options")
    notes: list[str] = []
    if chosen.path is not None:
        splits = _cut(_in_order(chosen.path, chosen.columns, seed, notes), chosen.ratios)
    else:
        files = chosen.split_files()
        splits = {split: list(read_problems(file, chosen.columns)) for split, file in files.items()}
    suites = {name: _halves(_in_order(file, chosen.columns, seed, notes)) for name, file in chosen.suites.items()}
    return make_task("files", splits=splits, suites=suites, judge=chosen.judge, notes=notes)


def _in_order(path: Path, columns: Columns, seed: int, notes: list[str]) -> list[Problem]:
    problems, more = unique(list(read_problems(path, columns)), str(path))
    notes += more
    return shuffled(problems, seed)


def _cut(problems: list[Problem], ratios: Mapping[str, float]) -> dict[str, list[Problem]]:
    """Consecutive slices whose sizes follow the ratios to within one problem."""
    cut: dict[str, list[Problem]] = {}
    share, start = 0.0, 0
    for split, ratio in ratios.items():
        share += ratio
        end = round(share * len(problems))
        cut[split] = problems[start:end]
        start = end
    return cut


def _halves(problems: list[Problem]) -> Suite:
    middle = len(problems) // 2
    return Suite(select=tuple(problems[:middle]), test=tuple(problems[middle:]))


def read_problems(path: Path, columns: Columns | None = None) -> Iterable[Problem]:
    """The problems of a file, in the order of its rows. Raises DataError for a row that is none."""
    columns = columns or Columns()
    for place, row in read_rows(path):
        question = row.get(columns.question)
        if question is None:
            raise DataError(_without_question(place, row, columns.question))
        turns = _turns(question, place)
        answer = _gold(row.get(columns.answer), f"{place}, column {columns.answer}")
        level = _text(row.get(columns.level), f"{place}, column {columns.level}")
        rationale = _text(row.get(columns.rationale), f"{place}, column {columns.rationale}")
        yield Problem.make(turns, gold=answer, level=level, rationale=rationale)


def _without_question(place: str, row: Mapping[str, Any], column: str) -> str:
    if column in row:
        return f"{place} has no question: column {column} is empty"
    found = ", ".join(str(key) for key in list(row)[:6]) or "none"
    return f"{place} has no column {column} (columns: {found}): name yours with columns: {{question: NAME}}"


def _turns(question: object, place: str) -> list[dict[str, str]]:
    if not isinstance(question, list):
        content = _text(question, f"{place}, the question")
        if content is None:
            raise DataError(f"{place} has no question: it is empty")
        return [{"role": "user", "content": content}]
    turns = [_turn(message, place) for message in question]
    if not turns or turns[-1]["role"] != "user":
        raise DataError(f"{place}: the last message of a question must be by the user")
    return turns


def _turn(message: object, place: str) -> dict[str, str]:
    role = message.get("role") if isinstance(message, Mapping) else None
    content = _text(message.get("content"), f"{place}, a message") if isinstance(message, Mapping) else None
    if role not in ROLES or content is None:
        raise DataError(f"{place}: a message needs a text and a role among {', '.join(ROLES)}")
    return {"role": str(role), "content": content}


def _gold(value: object, place: str) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(value, place)
    return _text(value, place)


def _text(value: object, place: str) -> str | None:
    """A non-empty text, or None for nothing; anything else, and what no tokenizer takes, is refused."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise DataError(f"{place} holds {type(value).__name__} {str(value)[:40]!r}: wanted text in quotes")
    if "\0" in value:
        raise DataError(f"{place} holds a null character: remove it")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(f"{place} holds half a surrogate pair: write the character whole")
    return value if value.strip() else None
