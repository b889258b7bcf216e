"""What is asked of a model: which responses, how they are drawn, and the identity and seed of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from selftrain.digest import digest, seed_from
from selftrain.engines.base import Completion, Request
from selftrain.prompts import Renderer
from selftrain.records import Question, Response
from selftrain.validation import Options


class SamplingConfig(Options):
    """How responses are drawn."""

    temperature: float = Field(0.7, ge=0, le=10)
    """0 is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(64, ge=1)
    """Longest response in tokens; longer ones are cut and counted as truncated."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Which of a model's possible responses are meant: `purpose` is train, select, test or null."""

    purpose: str
    number: int = 0
    """The round for `train`, so that a round after a refused candidate draws afresh."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The responses to some problems, in problem order, each list in index order."""

    problems: tuple[Question, ...]
    responses: tuple[tuple[Response, ...], ...]
    cell: str
    """Digest of model, prompt, sampling settings and draw."""

    @classmethod
    def gathered(cls, problems: Sequence[Question], responses: Sequence[Sequence[Response]]) -> "Samples":
        """Responses drawn in several ways, put together: some to each problem."""
        named = [[response.id for response in group] for group in responses]
        return cls(tuple(problems), tuple(tuple(group) for group in responses), digest(["gathered", named]))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and what it is for."""

    request: Request
    problem: str
    index: int

    def row(self, completion: Completion) -> dict[str, Any]:
        """What is kept of its completion."""
        return {
            "id": completion.id,
            "problem": self.problem,
            "index": self.index,
            "text": completion.text,
            "tokens": list(completion.tokens),
            "logprobs": [round(value, 6) for value in completion.logprobs],
            "finish": completion.finish,
            "prompt_tokens": len(self.request.prompt),
        }


def requests(problems: Sequence[Question], n: int, renderer: Renderer, cell: str) -> dict[str, Asked]:
    """The requests by response id, in problem and index order."""
    if len({problem.id for problem in problems}) < len(problems):
        raise ValueError("problems: one of them is named twice, ask for each once")
    owed: dict[str, Asked] = {}
    for problem in problems:
        prompt = renderer.prompt(problem)
        content = digest([cell, problem.id, list(prompt)])
        for index in range(n):
            identity = digest([content, index])
            owed[identity] = Asked(Request(identity, prompt, seed_from([content, index])), problem.id, index)
    return owed


def response_of(row: dict[str, Any]) -> Response:
    """The response of a kept row."""
    return Response(
        id=row["id"],
        problem=row["problem"],
        index=row["index"],
        text=row["text"],
        tokens=tuple(row["tokens"]),
        logprobs=tuple(row["logprobs"]),
        finish=row["finish"],
    )
