"""Published multiple-choice questions: CommonsenseQA, MMLU and ARC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, model_validator

from selftrain.errors import ConfigError, DataError
from selftrain.records import Problem
from selftrain.tasks.choices import choice_problem
from selftrain.tasks.cut import CutOptions, cut, missing_split, pooled
from selftrain.tasks.published import local_folder, published_rows
from selftrain.tasks.tables import Row, text_value
from selftrain.tasks.task import Task, count, make_task
from selftrain.validation import parse

RATIOS = {"labelled": 0.2, "train": 0.6, "select": 0.05, "test": 0.15}
"""Labelled : unlabelled : test is 2:6:2, and what promotion reads is taken from the test part. Source: SemiEvol, arXiv
2410.14745."""
MOST_REFUSED = 0.05
"""Share of rows above which they are no slips in a published data set: something else was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a data set is published, and which of its splits have answers."""

    hub: str
    config: str | None
    splits: Sequence[str]


SOURCES = {
    "arc": Source(hub="allenai/ai2_arc", config="ARC-Challenge", splits=("train", "validation", "test")),
    "commonsense_qa": Source(hub="tau/commonsense_qa", config=None, splits=("train", "validation")),
    "mmlu": Source(hub="cais/mmlu", config="all", splits=("test",)),
}


class ChoiceSetOptions(CutOptions):
    """Where the questions come from and how they are cut."""

    path: str | None = None
    """Name of a data set on the hub (the published one if not given), or a local folder with a .jsonl file for each
    split that is read, such as `train.jsonl` and `validation.jsonl` (or `dev.jsonl`)."""
    ratios: dict[str, float] = Field(default_factory=lambda: dict(RATIOS))
    """Share of each split; they add up to 1. `unlabelled` is another name of `train`."""

    @model_validator(mode="after")
    def _whole(self) -> "ChoiceSetOptions":
        if missing := missing_split(self.parts):
            raise ValueError(f"{missing} is missing: ratios and sizes name train (or unlabelled), select and test")
        return self


class ArcOptions(ChoiceSetOptions):
    """Where the questions of ARC come from and how they are cut."""

    subset: Literal["ARC-Challenge", "ARC-Easy"] | None = None
    """Which of the two sets to read from the hub, ARC-Challenge if not given; a local folder holds one of them."""


def arc_task(options: Mapping[str, Any], seed: int) -> Task:
    """ARC: grade-school science questions. Source: arXiv 1803.05457."""
    chosen = parse(ArcOptions, options, "task.options")
    return _task("arc", chosen, seed, chosen.subset)


def commonsense_qa_task(options: Mapping[str, Any], seed: int) -> Task:
    """CommonsenseQA: questions of common sense; its own test split has no answers. Source: arXiv 1811.00937."""
    return _task("commonsense_qa", parse(ChoiceSetOptions, options, "task.options"), seed)


def mmlu_task(options: Mapping[str, Any], seed: int) -> Task:
    """MMLU: exam questions of 57 subjects, which are the problems' levels. Source: arXiv 2009.03300."""
    return _task("mmlu", parse(ChoiceSetOptions, options, "task.options"), seed)


def _task(name: str, chosen: ChoiceSetOptions, seed: int, subset: str | None = None) -> Task:
    """The splits of a data set pooled, each question once, put in a seeded order and cut."""
    source = SOURCES[name]
    path = chosen.path or source.hub
    files = {split: [f"{split}.jsonl", *(["dev.jsonl"] if split == "validation" else [])] for split in source.splits}
    if subset and local_folder(path, files):
        raise ConfigError(f"task.options.subset chooses on the hub, {path} is a folder: remove subset, or path")
    rows = [row for split in source.splits for row in published_rows(path, subset or source.config, split, files)]
    problems, notes = _problems(rows)
    pool, more = pooled(problems, path, seed)
    return make_task(name, splits=cut(pool, chosen, path), judge="choice", notes=[*notes, *more])


def _problems(rows: Sequence[tuple[str, Row]]) -> tuple[list[Problem], list[str]]:
    """The problems of the rows, and a note when some were dropped: published sets have a few with an option twice."""
    problems: list[Problem] = []
    refused: list[DataError] = []
    for place, row in rows:
        try:
            problems.append(_problem(row, place))
        except DataError as error:
            refused.append(error)
    if len(refused) > MOST_REFUSED * len(rows):
        raise refused[0]
    note = f"dropped {count(len(refused), 'row')} that cannot be asked"
    return problems, [f"{note}, such as {refused[0]}"] if refused else []


def _problem(row: Row, place: str) -> Problem:
    """A row as the hub has it, or as CommonsenseQA and ARC are published: `{question: {stem, choices}, answerKey}`."""
    asked = row.get("question")
    asked = asked if isinstance(asked, Mapping) else {"stem": asked, "choices": row.get("choices")}
    stem = text_value(asked.get("stem"), f"{place}, the question")
    if stem is None:
        raise DataError(f"{place} has no question: wanted a text")
    answer = row.get("answerKey", row.get("answer"))
    if answer in (None, ""):
        raise DataError(f"{place} has no answer: wanted a label of its options")
    level = text_value(row.get("subject"), f"{place}, the subject")
    return choice_problem([{"role": "user", "content": stem}], asked.get("choices"), answer, place, level=level)
