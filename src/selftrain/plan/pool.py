"""Calibration responses: what a model says under a prompt, dealt out again for problems it was never asked."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TypeVar

from selftrain.digest import seed_from
from selftrain.prompts import PromptConfig
from selftrain.records import Group, Judgement, Question
from selftrain.sampling import SamplingConfig

Q = TypeVar("Q", bound=Question)
ASSUMED = "assumed by the plan"


@dataclass(frozen=True, slots=True)
class Pool:
    """The judged responses of a model to a few problems under one prompt."""

    prompt: PromptConfig
    sampling: SamplingConfig
    n: int
    """Responses to each problem."""
    groups: tuple[Group, ...]
    seconds: float
    """What drawing them took."""

    def serves(self, prompt: PromptConfig, sampling: SamplingConfig, n: int) -> bool:
        """Whether it tells what `n` responses to a problem would be; greedy ones pass for like the others."""
        asked = sampling if sampling.temperature else sampling.model_copy(update={"temperature": self.temperature})
        return (self.prompt, self.sampling) == (prompt, asked) and n <= self.n

    @property
    def temperature(self) -> float:
        """The temperature of the responses."""
        return self.sampling.temperature

    def deal(self, problems: Sequence[Question]) -> Iterator[Group]:
        """A group for each problem: those of its family in turn, of any family if it has none here."""
        place: Counter[str | None] = Counter()
        for problem in problems:
            same = [group for group in self.groups if group.problem.family == problem.family] or self.groups
            yield same[place[problem.family] % len(same)]
            place[problem.family] += 1

    @property
    def responses(self) -> int:
        """How many responses there are."""
        return sum(len(group.responses) for group in self.groups)

    @property
    def tokens(self) -> int:
        """Tokens of all responses."""
        return sum(len(response.tokens) for group in self.groups for response in group.responses)

    @property
    def finished(self) -> int:
        """How many of the responses finished."""
        return sum(response.finish == "stop" for group in self.groups for response in group.responses)

    @property
    def right(self) -> int:
        """How many of the responses were judged right."""
        return sum(len(group.right) for group in self.groups) - self.never_right

    @property
    def never_right(self) -> bool:
        """Whether none was, so that one was taken for right."""
        return any(judgement.reason == ASSUMED for group in self.groups for judgement in group.judgements)


def with_one_right(groups: Sequence[Group]) -> tuple[Group, ...]:
    """The groups, the first response taken for right if all are wrong: a run draws more, and may find some."""
    if not any(group.marked("wrong") for group in groups) or any(group.right for group in groups):
        return tuple(groups)
    first, *rest = groups
    right = Judgement(judgement="right", answer=first.judgements[0].answer, reason=ASSUMED)
    return (replace(first, judgements=(right, *first.judgements[1:])), *rest)


def batches(problems: Sequence[Q], size: int, most: int, *, by_family: bool) -> list[list[Q]]:
    """At most so many batches of problems, in an order fixed by themselves.

    Families take turns: within a batch, or `by_family` from batch to batch. The latter is how a run's prompts come
    where demonstrations differ by family, for a sample step sorts its prompts.
    """
    families: dict[str | None, list[Q]] = {}
    for problem in sorted(problems, key=lambda problem: seed_from(problem.id)):
        families.setdefault(problem.family, []).append(problem)
    lanes: list[list[list[Q]]] = [_cut(own, size) for own in families.values()]
    if not by_family:
        lanes = [_cut([problem for turn in zip_longest(*families.values()) for problem in turn if problem], size)]
    return [batch for turn in zip_longest(*lanes) for batch in turn if batch][:most]


def _cut(problems: list[Q], size: int) -> list[list[Q]]:
    return [problems[start : start + size] for start in range(0, len(problems), size)]
