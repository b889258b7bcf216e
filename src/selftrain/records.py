"""The nouns that cross walls: problems, responses, judgements and groups."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from selftrain.digest import digest, normal_text
from selftrain.signals import answer_entropy, mean_nll

Finish = Literal["stop", "length"]
Mark = Literal["right", "wrong", "unjudged"]


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

    @property
    def text(self) -> str:
        """The last user message."""
        return self.messages[-1].content


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Question):
    """A question with what a judge needs to mark an answer to it."""

    gold: str | None = None
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
        reference: Mapping[str, Any] | None = None,
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
            reference=reference or {},
        )

    def without_gold(self) -> Question:
        """The same problem with the gold answer and reference gone."""
        return Question(id=self.id, messages=self.messages, level=self.level, family=self.family)


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
            }

    def cluster_counts(self) -> list[int]:
        """Sizes of the answer clusters over the judged responses, in order of first appearance."""
        marks = (j.judgement for j in self.judgements)
        return list(Counter(c for c, m in zip(self.clusters, marks, strict=True) if m != "unjudged").values())


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

    def answer_entropies(self) -> np.ndarray:
        """Entropy of each group's answer clusters in bits, shape [groups]; unjudged responses do not count."""
        return np.array([answer_entropy(group.cluster_counts()) for group in self._groups], dtype=float)

    def draw_right(self, per_problem: int, rng: np.random.Generator) -> "Groups":
        """Each group cut down to at most `per_problem` right responses of different text, drawn with `rng`.

        Texts are compared with white space folded; of equal texts the first is kept.
        """
        return Groups([_draw(group, per_problem, rng) for group in self._groups])


def _draw(group: Group, per_problem: int, rng: np.random.Generator) -> Group:
    seen: dict[str, int] = {}
    for place, (response, judgement) in enumerate(zip(group.responses, group.judgements, strict=True)):
        if judgement.judgement == "right":
            seen.setdefault(normal_text(response.text), place)
    places = list(seen.values())
    if len(places) > per_problem:
        places = sorted(int(p) for p in rng.choice(places, size=per_problem, replace=False))
    return replace(
        group,
        responses=tuple(group.responses[p] for p in places),
        judgements=tuple(group.judgements[p] for p in places),
        clusters=tuple(group.clusters[p] for p in places),
    )
