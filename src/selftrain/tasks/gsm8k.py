"""GSM8K: grade-school word problems whose answers are one number."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from selftrain.errors import DataError
from selftrain.records import Problem
from selftrain.tasks.published import published_rows
from selftrain.tasks.task import Task, make_task, shuffled, unique
from selftrain.validation import Options, parse

FILES = {"train": ["train.jsonl"], "test": ["test.jsonl"]}
FINAL = re.compile(r"####\s*\$?(-?[\d,]*\.?\d+)\s*$")
CALCULATION = re.compile(r"<<[^<>\n]*>>")


class Gsm8kOptions(Options):
    """Where GSM8K comes from and how many of its problems are used."""

    path: str = "openai/gsm8k"
    """Name of a data set on the hub, or a local folder with `train.jsonl` and `test.jsonl`."""
    train: Annotated[int, Field(ge=1)] | None = None
    """Training problems; all that are left of the original training set when not given."""
    select: Annotated[int, Field(ge=1)] = 500
    """Problems for promotion, cut from the original training set."""
    test: Annotated[int, Field(ge=1)] | None = None
    """Problems of the original test set; all when not given."""
    shots: Annotated[int, Field(ge=0)] = 8
    """Demonstrations, cut from the original training set."""
    labelled: Annotated[int, Field(ge=0)] = 0
    """Problems whose gold answers a recipe may read, beside unlabelled ones; cut from the original training set."""
    valid: Annotated[int, Field(ge=0)] = 0
    """Problems for the valid loss of IWSI, cut from the original training set."""


def gsm8k_task(options: Mapping[str, Any], seed: int) -> Task:
    """GSM8K with `select`, `shots`, `labelled` and `valid` cut from its training set.

    The training set is put in a seeded order and cut into select, shots, labelled and train in turn; valid is cut from
    its end. So raising `train`, `valid` or `test` moves no question of another split. The gold answer is the number
    after `####` without thousands separators; the rationale is the text before it, without calculator annotations, and
    a last line that states the answer.
    """
    chosen = parse(Gsm8kOptions, options, "task.options")
    train, train_notes = unique(_problems(chosen.path, "train"), "the original training set")
    test, test_notes = unique(_problems(chosen.path, "test"), "the original test set")
    tested = {problem.id for problem in test}
    free = shuffled([problem for problem in train if problem.id not in tested], seed)
    notes = train_notes + test_notes
    if len(free) < len(train):
        notes.append(f"dropped {len(train) - len(free)} training questions that are in the test set")
    return make_task("gsm8k", splits=_splits(chosen, free, shuffled(test, seed)), judge="number", notes=notes)


def _splits(chosen: Gsm8kOptions, free: list[Problem], test: list[Problem]) -> dict[str, list[Problem]]:
    after = free[chosen.select + chosen.shots :]
    left = after[chosen.labelled :]
    splits = {
        "train": _first(left[: max(len(left) - chosen.valid, 0)], chosen.train, "train", "beside the other splits"),
        "select": _first(free, chosen.select, "select", "in the training set"),
        "test": _first(test, chosen.test, "test", "in the test set"),
        "shots": _first(free[chosen.select :], chosen.shots, "shots", "after select"),
    }
    valid = _first(left[::-1], chosen.valid, "valid", "after select, shots and labelled")
    labelled = _first(after, chosen.labelled, "labelled", "after select and shots")
    return splits | {split: part for split, part in {"valid": valid, "labelled": labelled}.items() if part}


def _first(problems: list[Problem], size: int | None, split: str, where: str) -> list[Problem]:
    if size is not None and size > len(problems):
        raise DataError(f"gsm8k: {size} problems asked for {split}, {len(problems)} are {where}: lower it")
    return problems[:size]


def _problems(path: str, split: str) -> list[Problem]:
    problems = []
    for place, row in published_rows(path, "main", split, FILES):
        question, answer = row.get("question"), row.get("answer")
        final = FINAL.search(answer) if isinstance(answer, str) else None
        if not isinstance(question, str) or not isinstance(answer, str) or final is None:
            raise DataError(f"{place}: wanted a question and an answer that ends in '#### NUMBER'")
        gold = final.group(1).replace(",", "")
        worked = CALCULATION.sub("", answer[: final.start()]).strip()
        rationale = f"{worked}\nThe answer is {gold}.".lstrip()
        problems.append(Problem.make(question, gold=gold, rationale=rationale))
    return problems
