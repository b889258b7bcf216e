"""The nouns that cross walls: problems, responses, judgements and groups."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from selftrain.digest import digest, normal_text
from selftrain.signals import answer_entropy, majority_answer, mean_nll

Finish = Literal["stop", "length"]
Mark = Literal["right", "wrong", "unjudged"]
Unparsed = Literal["cluster", "drop"]


class Message(NamedTuple):
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A problem as a label-free recipe receives it: this type has no gold answer."""

    id: str
    """Hash of the messages; the gold answer has no part in it."""
    messages: tuple[Message, ...]
    level: str | None = None
    family: str | None = None
    options: tuple[str, ...] = ()
    """Of a multiple-choice question the texts to choose from, A, B, C ... by place; the messages show them, too."""

    @property
    def text(self) -> str:
        """The last user message."""
        return self.messages[-1].content

    @property
    def whole(self) -> str:
        """All turns as one text."""
        return "\n\n".join(message.content for message in self.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Question):
    """A question with what a judge needs to mark an answer to it."""

    gold: str | None = None
    rationale: str | None = None
    """A person's worked solution that ends in the answer, as a response should read."""
    reference: Mapping[str, Any] = field(default_factory=dict)
    """Further facts for the judge (JSON values), never shown to a recipe or a model."""

    @classmethod
    def make(
        cls,
        question: str | Sequence[Mapping[str, str]],
        *,
        gold: str | None = None,
        level: str | None = None,
        family: str | None = None,
        rationale: str | None = None,
        reference: Mapping[str, Any] | None = None,
        options: Sequence[str] = (),
    ) -> "Problem":
        """A problem from a question text or a list of chat messages (`role`, `content`), the last by the user."""
        turns = [{"role": "user", "content": question}] if isinstance(question, str) else question
        messages = tuple(Message(turn["role"], turn["content"]) for turn in turns)
        key = [[m.role, normal_text(m.content)] for m in messages]
        return cls(
            id=digest(key),
            messages=messages,
            gold=gold,
            level=level,
            family=family,
            rationale=rationale,
            reference=reference or {},
            options=tuple(options),
        )

    def without_gold(self) -> Question:
        """The same problem with the gold answer, rationale and reference gone."""
        return Question(id=self.id, messages=self.messages, level=self.level, family=self.family, options=self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One sampled completion of a problem."""

    id: str
    problem: str
    index: int
    text: str
    """Decoded text, without the end marker and without the stop string that ended it."""
    tokens: tuple[int, ...]
    """Sampled token ids, the end-of-turn token included when it was sampled."""
    logprobs: tuple[float, ...]
    """Natural-log probability of each token at temperature 1."""
    finish: Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a judge says of one response."""

    judgement: Mark
    answer: str | None
    """The canonical extracted answer; None when there is none."""
    reason: str
    scores: Mapping[str, float] = field(default_factory=dict)
    """Graded scores by name, see `selftrain.scores`; most judges give none."""

    def row(self) -> dict[str, Any]:
        """The judgement as a row of a step; the key `scores` is there only if there are some."""
        said = {"judgement": self.judgement, "answer": self.answer, "reason": self.reason}
        return {**said, "scores": dict(self.scores)} if self.scores else said

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Judgement":
        """The judgement of a row; Parquet has None for the scores that a row has not."""
        scores = {name: value for name, value in (row.get("scores") or {}).items() if value is not None}
        return cls(judgement=row["judgement"], answer=row["answer"], reason=row["reason"], scores=scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The judged responses of one problem, in index order.

    `clusters` has one number a response, equal for answers the judge calls equivalent; clusters are numbered in
    order of first appearance and all responses without an answer share one.
    """

    problem: Question
    responses: tuple[Response, ...]
    judgements: tuple[Judgement, ...]
    clusters: tuple[int, ...]

    def marked(self, mark: Mark) -> list[Response]:
        """The responses with a given judgement, in index order."""
        return [r for r, j in zip(self.responses, self.judgements, strict=True) if j.judgement == mark]

    @property
    def right(self) -> list[Response]:
        """The responses judged right, in index order."""
        return self.marked("right")

    @property
    def share_right(self) -> float:
        """Share of the judged responses that are right; nan if none was judged."""
        right, wrong = len(self.right), len(self.marked("wrong"))
        return right / (right + wrong) if right + wrong else math.nan

    def only(self, places: Sequence[int]) -> "Group":
        """The group cut down to the responses at some places, in that order."""
        return replace(
            self,
            responses=tuple(self.responses[place] for place in places),
            judgements=tuple(self.judgements[place] for place in places),
            clusters=tuple(self.clusters[place] for place in places),
        )

    def majority(self) -> list[int]:
        """Places of the responses with the most frequent answer, of equals the first seen; none without an answer."""
        votes = [c if j.answer is not None else None for c, j in zip(self.clusters, self.judgements, strict=True)]
        elected = majority_answer(votes)
        return [place for place, vote in enumerate(votes) if vote is not None and vote == elected]

    def rejected(self) -> list[int]:
        """Places of the responses with the most frequent wrong answer, of equals the first seen.

        Those without an answer only if no wrong response has one; none if no response is wrong. Source: EAST,
        arXiv 2503.23913, the rejected response.
        """
        wrong = [place for place, judgement in enumerate(self.judgements) if judgement.judgement == "wrong"]
        stated = [place for place in wrong if self.judgements[place].answer is not None] or wrong
        commonest = majority_answer([self.clusters[place] for place in stated])
        return [place for place in stated if self.clusters[place] == commonest]

    def distinct(self, mark: Mark) -> list[int]:
        """Places of the responses with a judgement, of equal texts (white space folded) the first."""
        seen: dict[str, int] = {}
        for place, (response, judgement) in enumerate(zip(self.responses, self.judgements, strict=True)):
            if judgement.judgement == mark:
                seen.setdefault(normal_text(response.text), place)
        return list(seen.values())

    def log(self) -> Iterator[dict[str, Any]]:
        """The responses as an audit tallies them, see `selftrain.audit.Tally`."""
        for response, judgement, cluster in zip(self.responses, self.judgements, self.clusters, strict=True):
            yield {
                "problem": self.problem.id,
                "question": self.problem.text,
                "level": self.problem.level,
                "index": response.index,
                "response": response.text,
                "judgement": judgement.judgement,
                "answer": judgement.answer,
                "cluster": cluster,
                "finish": response.finish,
                "tokens": len(response.tokens),
                "nll": mean_nll(response.logprobs) if response.logprobs else None,
                **({"scores": dict(judgement.scores)} if judgement.scores else {}),
            }

    def cluster_counts(self, unparsed: Unparsed = "cluster") -> list[int]:
        """Sizes of the answer clusters over the judged responses, in order of first appearance.

        Responses without an answer are one cluster, or with `drop` none.
        """
        marked = zip(self.clusters, self.judgements, strict=True)
        judged = [(cluster, j.answer) for cluster, j in marked if j.judgement != "unjudged"]
        return list(Counter(c for c, answer in judged if unparsed == "cluster" or answer is not None).values())

    def answer_counts(self) -> list[int]:
        """Sizes of the clusters of stated answers, judged or not, in order of first appearance."""
        stated = zip(self.clusters, self.judgements, strict=True)
        return list(Counter(cluster for cluster, j in stated if j.answer is not None).values())


class Groups(Sequence[Group]):
    """The groups of a round, in problem order, with the few operations that recipes share."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = tuple(groups)

    def __getitem__(self, index: Any) -> Any:
        return self._groups[index]

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups)

    def where(self, keep: Callable[[Group], bool]) -> "Groups":
        """The groups for which `keep` is true."""
        return Groups([group for group in self._groups if keep(group)])

    def where_any_right(self) -> "Groups":
        """The groups with at least one right response."""
        return self.where(lambda group: bool(group.right))

    def where_any_wrong(self) -> "Groups":
        """The groups with at least one wrong response."""
        return self.where(lambda group: bool(group.marked("wrong")))

    def where_mask(self, mask: Sequence[bool] | np.ndarray) -> "Groups":
        """The groups where `mask`, shape [groups], is true."""
        return Groups([group for group, kept in zip(self._groups, mask, strict=True) if kept])

    def right(self) -> "Groups":
        """Each group cut down to its right responses; those without one are left out."""
        return self.cut(lambda group: [p for p, j in enumerate(group.judgements) if j.judgement == "right"])

    def majority(self) -> "Groups":
        """Each group cut down to the responses with its majority answer; those without any answer are left out."""
        return self.cut(Group.majority)

    def apart(self) -> "Groups":
        """Every response as a group by itself, in order."""
        return Groups([group.only([place]) for group in self._groups for place in range(len(group.responses))])

    def answer_entropies(self, unparsed: Unparsed = "cluster") -> np.ndarray:
        """Entropy of each group's answer clusters in bits, shape [groups]; unjudged responses do not count."""
        return np.array([answer_entropy(group.cluster_counts(unparsed)) for group in self._groups], dtype=float)

    def draw_right(self, per_problem: int | None, rng: np.random.Generator) -> "Groups":
        """Each group cut down to at most `per_problem` right responses of different text, drawn with `rng`.

        Texts are compared with white space folded; of equal texts the first is kept. None keeps them all.
        """
        return Groups([group.only(draw(group.distinct("right"), per_problem, rng)) for group in self._groups])

    def cut(self, places: Callable[[Group], list[int]]) -> "Groups":
        """Each group cut down to the responses at the places that `places` gives of it; empty ones are left out."""
        cut = [group.only(places(group)) for group in self._groups]
        return Groups([group for group in cut if group.responses])


def draw(places: list[int], most: int | None, rng: np.random.Generator) -> list[int]:
    """At most so many of some places, drawn with `rng`, in their order; None takes them all."""
    if most is None or len(places) <= most:
        return places
    return sorted(int(place) for place in rng.choice(places, size=most, replace=False))


def given(problem: Problem, text: str) -> Group:
    """A label as a group: its one response is what the task gives, and right."""
    name = f"given-{digest([problem.id, text])}"
    response = Response(id=name, problem=problem.id, index=0, text=text, tokens=(), logprobs=(), finish="stop")
    judgement = Judgement(judgement="right", answer=problem.gold, reason="given by the task")
    return Group(problem=problem.without_gold(), responses=(response,), judgements=(judgement,), clusters=(0,))
