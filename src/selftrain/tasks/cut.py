"""One pool of problems cut into splits, by ratios or by sizes."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Annotated, TypeVar

from pydantic import Field, field_validator, model_validator

from selftrain.errors import DataError
from selftrain.records import Problem
from selftrain.tasks.task import REQUIRED, SPLITS, count, shuffled, unique
from selftrain.validation import Options

V = TypeVar("V")


class CutOptions(Options):
    """How a pool is cut: `ratios` or `sizes`, in the order in which they name the splits."""

    ratios: dict[str, float] = Field(default_factory=dict)
    """Share of each split, such as `{train: .6, select: .1, test: .3}`; they add up to 1. `unlabelled` is another name
    of `train`."""
    sizes: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Problems of each split in place of ratios, such as `{test: 400, select: 60, labelled: 100, unlabelled: 600}`;
    what is over is left out, and raising one moves no question of those named before it."""

    @field_validator("ratios", "sizes")
    @classmethod
    def _known(cls, parts: dict[str, V]) -> dict[str, V]:
        if "train" in parts and "unlabelled" in parts:
            raise ValueError("train and unlabelled are the same split: give one of the two")
        named = {"train" if split == "unlabelled" else split: part for split, part in parts.items()}
        unknown = [split for split in named if split not in SPLITS]
        if unknown:
            raise ValueError(f"unknown split {unknown[0]}: known are {', '.join(SPLITS)}")
        return named

    @model_validator(mode="after")
    def _one_cut(self) -> "CutOptions":
        if self.sizes and self.ratios and "ratios" in self.model_fields_set:
            raise ValueError("ratios and sizes are two ways to cut: give one of them")
        shares = self.ratios.values()
        if shares and not (min(shares) > 0 and abs(sum(shares) - 1) < 1e-6):
            raise ValueError(f"ratios must be above 0 and add up to 1, they add up to {sum(shares):g}")
        return self

    @property
    def parts(self) -> Mapping[str, float]:
        """What is asked of each split: problems where sizes are given, else shares."""
        return self.sizes or self.ratios


def missing_split(splits: Iterable[str]) -> str | None:
    """The first split that every task has and these have not."""
    named = set(splits)
    return next((split for split in REQUIRED if split not in named), None)


def pooled(problems: Sequence[Problem], where: str, seed: int) -> tuple[list[Problem], list[str]]:
    """Each question once, in an order fixed by seed and questions, with a note of what was dropped."""
    distinct, notes = unique(problems, where)
    return shuffled(distinct, seed), notes


def cut(problems: Sequence[Problem], options: CutOptions, where: str) -> dict[str, list[Problem]]:
    """Consecutive slices of the pool: as large as `sizes` say, or following the ratios to within one problem.

    Raises DataError when the pool is smaller than the sizes together.
    """
    ends = [round(end) for end in accumulate(options.sizes.values())] or [
        round(share * len(problems)) for share in accumulate(options.ratios.values())
    ]
    if ends and ends[-1] > len(problems):
        raise DataError(f"{where} holds {count(len(problems), 'problem')}, {ends[-1]} were asked: lower sizes")
    starts = [0, *ends]
    return {split: list(problems[starts[i] : ends[i]]) for i, split in enumerate(options.parts)}
