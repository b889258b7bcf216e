"""Alternation: responses written segment by segment, an extractive and an abstractive writer in turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, get_args

from selftrain.judges.stated import after_thinking, statements

Kind = Literal["E", "A"]
"""Of a segment: extractive or abstractive."""


class Unfinished(Protocol):
    """Something that is written segment by segment."""

    @property
    def done(self) -> bool:
        """Whether it ends here."""


Draft = TypeVar("Draft", bound=Unfinished)


def alternate(drafts: Sequence[Draft], write: Callable[[Kind, Sequence[Draft]], None], *, loops: int = 5) -> None:
    """Has every draft written until it is done: by the extractive writer, by the abstractive one, and again.

    `write(kind, drafts)` adds a segment to each of the drafts that it gets, those not done; each writer is asked at
    most `loops` times. Source: AS-ES, arXiv 2403.01969, the generation by two models in turn.
    """
    for _ in range(loops):
        for kind in get_args(Kind):
            unfinished = [draft for draft in drafts if not draft.done]
            if unfinished:
                write(kind, unfinished)


@dataclass(slots=True)
class Written:
    """The segments of a response so far. It ends where its writer ends it, or once it has stated an answer."""

    segments: list[str] = field(default_factory=list)
    ended: bool = False

    @property
    def done(self) -> bool:
        """Whether nothing is to be added."""
        return self.ended or states_answer(self.text)

    @property
    def text(self) -> str:
        """All segments, a line each."""
        return "\n".join(self.segments)

    def add(self, segment: str) -> None:
        """Adds a segment; a blank one is none."""
        if segment.strip():
            self.segments.append(segment.strip())


def states_answer(text: str) -> bool:
    """Whether a text states an answer in the words or signs that judges look for; the question has no part in it."""
    found = after_thinking(text)
    return found is not None and any(True for _ in statements(found))
