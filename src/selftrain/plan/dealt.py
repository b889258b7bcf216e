"""Responses on paper: from which of the calibration each was dealt, and what a judge would say of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from selftrain.judges.base import unjudged
from selftrain.judges.pool import NOT_COMPARED
from selftrain.models import Model
from selftrain.prompts import PromptConfig
from selftrain.records import Group, Judgement, Question, Response
from selftrain.sampling import Asked, Draw, Samples

UNKNOWN = Judgement(judgement="wrong", answer=None, reason="not judged by the plan")


class Mark(NamedTuple):
    """What is known of a response on paper."""

    judgement: Judgement
    cluster: int
    source: Group | None
    """The calibration responses it was dealt from; None for one that no model wrote."""


class Dealt:
    """The responses that were dealt so far."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}
        self._judged: set[tuple[str, bool]] = set()
        """Ids of the responses that were judged, and whether with a gold answer."""
        self._askers: dict[tuple[PromptConfig, Draw], list[str]] = {}
        self.mixed = False
        """Whether responses of several sources were compared with each other."""

    def before(self, model: Model, prompt: PromptConfig, draw: Draw) -> int:
        """How many other models had to write for this draw under a prompt: theirs are other responses."""
        askers = self._askers.setdefault((prompt, draw), [])
        if model.identity not in askers:
            askers.append(model.identity)
        return askers.index(model.identity)

    def deal(self, group: Group, owed: Sequence[tuple[str, Asked]], skipped: int) -> tuple[Response, ...]:
        """A calibration group's responses for those owed to one problem, after so many that are skipped."""
        return tuple(self._response(group, identity, asked, skipped) for identity, asked in owed)

    def _response(self, group: Group, identity: str, asked: Asked, skipped: int) -> Response:
        place = (skipped + asked.index) % len(group.responses)
        self._marks[identity] = Mark(group.judgements[place], group.clusters[place], group)
        return replace(group.responses[place], id=identity, problem=asked.problem, index=asked.index)

    def knows_any(self, samples: Samples) -> bool:
        """Whether any of the responses was dealt."""
        return any(response.id in self._marks for responses in samples.responses for response in responses)

    def fresh(self, samples: Samples, *, gold: bool) -> int:
        """How many of the responses were never judged before, with gold answers or without; now they are."""
        asked = {(response.id, gold) for responses in samples.responses for response in responses}
        rows = len(asked - self._judged)
        self._judged |= asked
        return rows

    def judged(self, problem: Question, responses: tuple[Response, ...], *, gold: bool) -> Group:
        """The responses as a judge would see them.

        Those of several calibration problems are the same answer if they are spelled so: what models answer to
        different problems agrees no more than what they answer to one.
        """
        marks = [self._marks.get(response.id, Mark(UNKNOWN, -1, None)) for response in responses]
        mixed = len({id(mark.source) for mark in marks}) > 1
        self.mixed |= mixed
        keys = [mark.judgement.answer if mixed else mark.cluster for mark in marks]
        order = list(dict.fromkeys(keys))
        judgements = [mark.judgement if gold else unjudged(NOT_COMPARED, mark.judgement.answer) for mark in marks]
        return Group(
            problem=problem,
            responses=responses,
            judgements=tuple(judgements),
            clusters=tuple(order.index(key) for key in keys),
        )
