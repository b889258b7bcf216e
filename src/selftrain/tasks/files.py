"""Problems from a user's own JSONL, CSV or Parquet files."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from selftrain.errors import DataError
from selftrain.records import Problem
from selftrain.scores import RIGHT_FROM
from selftrain.tasks.choices import choice_problem
from selftrain.tasks.cut import CutOptions, cut, missing_split, pooled
from selftrain.tasks.tables import answer_value, read_rows, text_value
from selftrain.tasks.task import SPLITS, Suite, Task, check_disjoint, count, make_task, shuffled, unique, without_gold
from selftrain.validation import Options, parse

ROLES = ("system", "user", "assistant")


class Columns(Options):
    """What the columns are called in the files."""

    question: str = "question"
    """Text, or in JSONL and Parquet a list of chat messages (`role`, `content`), the last by the user."""
    answer: str = "answer"
    """The gold answer, a text or a number; of a row with options, the label or the text of one of them, or its place
    counted from 0 as a whole number (see `choice_problem`)."""
    level: str = "level"
    """A label of difficulty."""
    rationale: str = "rationale"
    """A worked solution that ends in the answer."""
    options: str = "options"
    """What a multiple-choice question lets choose from: a list of texts, a mapping of labels to texts, a list of
    `{label, text}`, or `{text: [...], label: [...]}`; in CSV any of them as JSON. Read unless the task names a judge
    other than `choice`: then question and answer are as they are written."""


class FilesOptions(CutOptions):
    """Files of problems: one for each split, or one `path` cut up by `ratios` or `sizes`."""

    path: Path | None = None
    """One file of all problems."""
    train: Path | None = None
    """File of the training problems."""
    unlabelled: Path | None = None
    """Another name of `train`, beside `labelled`."""
    select: Path | None = None
    """File of the problems for promotion and choices."""
    test: Path | None = None
    """File of the problems for the final comparison."""
    shots: Path | None = None
    """File of demonstrations."""
    valid: Path | None = None
    """File of problems with rationales, for the valid loss of IWSI."""
    labelled: Path | None = None
    """File of problems whose gold answers a recipe may read, beside unlabelled training problems."""
    probe: Annotated[float, Field(ge=0, lt=1)] = 0
    """Share of the labelled problems to hold back: they become training problems whose gold answers the report alone
    reads, to tell how right the pseudo-labels are."""
    suites: dict[str, Path] = Field(default_factory=dict)
    """Files of out-of-distribution problems by suite name; each is halved into select and test."""
    judge: str | None = None
    """Judge of the answers: `choice`, `exact`, `number`, `math`, `summary`, or the import path of your own; if not
    given `choice` where questions have options, else `exact`. Only `choice`, given or not, reads a row's options."""
    right_from: Annotated[float, Field(gt=0, le=1)] = RIGHT_FROM
    """ROUGE-L with the gold summary from which the judge `summary` calls a response right."""
    columns: Columns = Columns()
    """Names of the columns."""

    @model_validator(mode="after")
    def _one_way(self) -> "FilesOptions":
        given = self.split_files()
        if self.train is not None and self.unlabelled is not None:
            raise ValueError("train and unlabelled are the same split: give one of the two")
        if self.path is not None and (given or not self.parts):
            raise ValueError("path goes with ratios or sizes, and not with files for splits")
        if self.path is None and self.parts:
            raise ValueError("ratios and sizes need a path: the one file they cut up")
        if missing := missing_split(self.parts or given):
            raise ValueError(f"{missing} is missing: give train, select and test, or path and ratios")
        if "right_from" in self.model_fields_set and self.judge != "summary":
            raise ValueError("right_from goes with judge: summary, and with no other")
        if self.probe and "labelled" not in (self.parts or given):
            raise ValueError("probe needs a labelled split: it is a share of its problems")
        return self

    def split_files(self) -> dict[str, Path]:
        """The files given for splits."""
        files = {split: getattr(self, split) for split in SPLITS} | {"train": self.train or self.unlabelled}
        return {split: file for split, file in files.items() if file is not None}

    def read(self, file: Path) -> list[Problem]:
        """The problems of a file, with options unless another judge than `choice` is named."""
        problems = read_problems(file, self.columns, choices=self.judge in (None, "choice"))
        reference = {"right_from": self.right_from} if self.judge == "summary" else {}
        return [replace(problem, reference=reference) for problem in problems]


def files_task(options: Mapping[str, Any], seed: int) -> Task:
    """Problems from files; a question twice in one file is dropped, one in two split files is a DataError.

    What is cut up (`path` by `ratios` or `sizes`, a suite into halves) is first put in an order fixed by seed and
    questions, so that the order of the rows does not matter.

    Raises ConfigError for options, DataError for files.
    """
    chosen = parse(FilesOptions, options, "task.options")
    notes: list[str] = []
    if chosen.path is not None:
        splits = cut(_in_order(chosen.path, chosen, seed, notes), chosen, str(chosen.path))
    else:
        splits = {split: chosen.read(file) for split, file in chosen.split_files().items()}
    if chosen.probe:
        check_disjoint("files", splits.items())  # a question of both splits would be dropped as a duplicate below
        splits = _held_back(splits, chosen.probe, seed, notes)
    suites = {name: _halves(_in_order(file, chosen, seed, notes)) for name, file in chosen.suites.items()}
    choices = any(problem.options for problems in splits.values() for problem in problems)
    judge = chosen.judge or ("choice" if choices else "exact")
    return make_task("files", splits=splits, suites=suites, judge=judge, notes=notes)


def _held_back(
    splits: Mapping[str, list[Problem]], probe: float, seed: int, notes: list[str]
) -> dict[str, list[Problem]]:
    """The splits with a share of the labelled problems among those of `train`, in an order fixed by the seed."""
    labelled, more = unique(splits["labelled"], "labelled")
    if bare := [problem for problem in labelled if problem.gold is None]:  # once held back they would go unnoticed
        raise without_gold("files", "labelled", bare)
    size = round(probe * len(labelled))
    if not 0 < size < len(labelled):
        raise DataError(
            f"files: a probe of {probe:g} holds back {size} of {count(len(labelled), 'labelled problem')}: "
            "it and labelled need at least one each"
        )
    held = shuffled(labelled, seed)[:size]
    taken = {problem.id for problem in held}
    left = [problem for problem in labelled if problem.id not in taken]
    notes += [*more, f"{count(size, 'labelled problem')} held back as a probe: read by the report alone"]
    return {**splits, "labelled": left, "train": shuffled([*splits["train"], *held], seed)}


def _in_order(path: Path, chosen: FilesOptions, seed: int, notes: list[str]) -> list[Problem]:
    problems, more = pooled(chosen.read(path), str(path), seed)
    notes += more
    return problems


def _halves(problems: list[Problem]) -> Suite:
    middle = len(problems) // 2
    return Suite(select=tuple(problems[:middle]), test=tuple(problems[middle:]))


def read_problems(path: Path, columns: Columns | None = None, *, choices: bool = True) -> Iterable[Problem]:
    """The problems of a file, in the order of its rows; without `choices` no row's options are read.

    Raises DataError for a row that is none.
    """
    columns = columns or Columns()
    for place, row in read_rows(path):
        question = row.get(columns.question)
        if question is None:
            raise DataError(_without_question(place, row, columns.question))
        turns = _turns(question, place)
        answer, options = row.get(columns.answer), row.get(columns.options) if choices else None
        level = text_value(row.get(columns.level), f"{place}, column {columns.level}")
        rationale = text_value(row.get(columns.rationale), f"{place}, column {columns.rationale}")
        if options is not None:
            yield choice_problem(turns, options, answer, place, level=level, rationale=rationale)
            continue
        gold = answer_value(answer, f"{place}, column {columns.answer}")
        yield Problem.make(turns, gold=gold, level=level, rationale=rationale)


def _without_question(place: str, row: Mapping[str, Any], column: str) -> str:
    if column in row:
        return f"{place} has no question: column {column} is empty"
    found = ", ".join(str(key) for key in list(row)[:6]) or "none"
    return f"{place} has no column {column} (columns: {found}): name yours with columns: {{question: NAME}}"


def _turns(question: object, place: str) -> list[dict[str, str]]:
    if not isinstance(question, list):
        content = text_value(question, f"{place}, the question")
        if content is None:
            raise DataError(f"{place} has no question: it is empty")
        return [{"role": "user", "content": content}]
    turns = [_turn(message, place) for message in question]
    if not turns or turns[-1]["role"] != "user":
        raise DataError(f"{place}: the last message of a question must be by the user")
    return turns


def _turn(message: object, place: str) -> dict[str, str]:
    role = message.get("role") if isinstance(message, Mapping) else None
    content = text_value(message.get("content"), f"{place}, a message") if isinstance(message, Mapping) else None
    if role not in ROLES or content is None:
        raise DataError(f"{place}: a message needs a text and a role among {', '.join(ROLES)}")
    return {"role": str(role), "content": content}
