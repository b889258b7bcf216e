"""Sampling in turns: responses drawn segment by segment, all of them together, with whatever engine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from selftrain.digest import digest, seed_from
from selftrain.engines.base import Request, Sampling
from selftrain.prompts import Renderer
from selftrain.records import Finish, Question
from selftrain.sampling import Asked
from selftrain.segments.alternation import Kind, Written, alternate

Draw = Callable[[Kind, Sequence[Asked], Sampling], Mapping[str, dict[str, Any]]]
"""Has segments drawn by the writer of a kind; gives what is kept of each, by its id."""


@dataclass(slots=True, kw_only=True)
class _Draft(Written):
    """A response in the making."""

    asked: Asked
    question: Question
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    turns: int = 0
    cut: bool = False
    """Whether there is no room for more."""

    def next(self, prompt: tuple[int, ...]) -> Asked:
        """What to ask for its next segment; the turn has a part in its identity, as a segment may be blank."""
        self.turns += 1
        identity = digest([self.asked.request.id, self.turns, list(prompt)])
        return Asked(Request(identity, prompt, seed_from(identity)), self.question.id, self.asked.index)

    @property
    def finish(self) -> Finish:
        """How it ended."""
        return "stop" if self.done and not self.cut else "length"

    @property
    def row(self) -> dict[str, Any]:
        """What is kept of it, as of a response drawn in one pass."""
        return {
            "id": self.asked.request.id,
            "problem": self.asked.problem,
            "index": self.asked.index,
            "text": self.text,
            "tokens": self.tokens,
            "logprobs": self.logprobs,
            "finish": self.finish,
            "prompt_tokens": len(self.asked.request.prompt),
        }


def drawn_in_turns(
    asked: Sequence[Asked],
    questions: Mapping[str, Question],
    renderer: Renderer,
    sampling: Sampling,
    draw: Draw,
    *,
    context: int | None,
) -> Iterator[dict[str, Any]]:
    """The rows of responses whose segments `draw` draws, batch by batch over all that are unfinished.

    `questions` are those asked, by id; the renderer's prompt says how long segments are and how many there may be. A
    response ends at its end marker (the decoder of an encoder ends it by a blank segment), once it states an answer, at
    `max_tokens`, or where the model's `context` does.
    """
    settings = renderer.config.alternate
    if settings is None:
        raise ValueError("the prompt has no `alternate`: its responses are drawn in one pass")
    drafts = [_Draft(asked=one, question=questions[one.problem]) for one in asked]
    longest = min(settings.segment_tokens, sampling.max_tokens)
    segment = replace(sampling, max_tokens=longest, stop=renderer.segment_stop)

    def write(kind: Kind, unfinished: Sequence[_Draft]) -> None:
        wanted: list[tuple[_Draft, Asked]] = []
        for draft in unfinished:
            prompt = renderer.prompt(draft.question, draft.segments)
            if draft.turns and context is not None and len(prompt) >= context:
                draft.cut = draft.ended = True
            else:
                wanted.append((draft, draft.next(prompt)))
        rows = draw(kind, [one for _, one in wanted], segment)
        for draft, one in wanted:
            _take(draft, rows[one.request.id], renderer, sampling)

    alternate(drafts, write, loops=settings.loops)
    for draft in drafts:
        yield draft.row


def _take(draft: _Draft, row: Mapping[str, Any], renderer: Renderer, sampling: Sampling) -> None:
    """Adds a drawn segment to a response, cut where the response is as long as it may be."""
    room = sampling.max_tokens - len(draft.tokens)
    tokens, logprobs = row["tokens"], row["logprobs"]
    draft.cut = len(tokens) > room or (len(tokens) == room and row["finish"] == "length")
    draft.tokens += tokens[:room]
    draft.logprobs += logprobs[:room]
    draft.add(renderer.text(tokens[:room]) if len(tokens) > room else row["text"])
    begun = bool(draft.segments)
    ended = begun and not row["text"].strip() if renderer.encoder else tokens[-1] in sampling.end_ids
    draft.ended = draft.cut or len(tokens) == room or ended
