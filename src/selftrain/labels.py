"""What of a task's labels a recipe may read: what it was not promised is not there."""

import reprlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from selftrain.errors import ConfigError
from selftrain.records import Problem
from selftrain.tasks import Task
from selftrain.tasks.task import GOLD_JUDGES

Label = Literal["gold", "rationales", "valid", "labelled"]
"""The gold answers of the training problems, their rationales (where there is none, the gold answer), the valid split's
rationales, and the labelled split."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels a recipe reads."""

    gold: Mapping[str, Problem] = field(default_factory=dict)
    """The training problems by id, for the judge; empty for a recipe that reads no gold answers."""
    given: tuple[Problem, ...] = ()
    """The training problems, for a recipe that learns from their rationales."""
    valid: tuple[Problem, ...] = ()
    """The problems of the valid split, for a recipe that reads it."""
    labelled: tuple[Problem, ...] = ()
    """The problems of the labelled split, for a recipe that learns from few labels; those to train on have none."""

    @classmethod
    def of(cls, task: Task, reads: Collection[Label], recipe: str, judge: str) -> "Labels":
        """The labels of a task that a recipe reads; raises ConfigError for one that the task has not, or nobody has.

        `judge` is the one that marks the responses.
        """
        if not isinstance(reads, Collection) or not set(reads) <= set(get_args(Label)):
            raise ConfigError(
                f"the recipe {recipe} reads {reprlib.repr(reads)}: `reads` of its options is a frozenset among "
                f"{', '.join(get_args(Label))}"
            )
        if "labelled" in reads and {"gold", "rationales"} & set(reads):
            raise ConfigError(
                f"the recipe {recipe} reads the labelled split and the training problems' labels, too: beside labelled "
                "problems these are unlabelled, take gold and rationales out of `reads`"
            )
        train, valid, labelled = (task.splits.get(split, ()) for split in ("train", "valid", "labelled"))
        if "gold" in reads and judge in GOLD_JUDGES and all(problem.gold is None for problem in train):
            raise ConfigError(
                f"the recipe {recipe} reads gold answers, the training problems have none: "
                "give them answers or use a recipe that votes, such as lmsi or iwsi"
            )
        lacking = sum(problem.rationale is None and problem.gold is None for problem in train)
        if "rationales" in reads and lacking:
            raise ConfigError(
                f"the recipe {recipe} learns from labels, {lacking} training problems have neither a rationale nor an "
                "answer: give them one"
            )
        if "valid" in reads and not valid:
            raise ConfigError(
                f"the recipe {recipe} compares with the rationales of a valid split, the task {task.name} has none: "
                "give it one, such as task.options.valid of gsm8k or files"
            )
        if "labelled" in reads and not labelled:
            raise ConfigError(
                f"the recipe {recipe} learns from labelled problems, the task {task.name} has no labelled rows: "
                "give it some, such as task.options.labelled"
            )
        return cls(
            gold={problem.id: problem for problem in train} if "gold" in reads else {},
            given=train if "rationales" in reads else (),
            valid=valid if "valid" in reads else (),
            labelled=labelled if "labelled" in reads else (),
        )
