"""One request being decoded: its random draws, its text so far and when it ends."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from selftrain.engines.base import Completion, Request, Sampling
from selftrain.records import Finish


class Decoder(Protocol):
    """The part of a tokenizer that is needed here."""

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> str: ...


@dataclass(slots=True)
class Draft:
    """A completion in the making."""

    request: Request
    sampling: Sampling
    decoder: Decoder
    context: int | None = None
    """Tokens that the model can hold, prompt and completion together; None: no limit."""
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    _rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._rng = np.random.Generator(np.random.Philox(self.request.seed))

    @property
    def length(self) -> int:
        """Tokens of the prompt and of the completion so far."""
        return len(self.request.prompt) + len(self.tokens)

    def uniform(self) -> float:
        """A number in [0, 1) to draw the next token with; the series is fixed by the request's seed."""
        return float(self._rng.random())

    def add(self, token: int, logprob: float) -> Completion | None:
        """Takes the next token; the completion if it is the last one."""
        self.tokens.append(token)
        self.logprobs.append(logprob)
        if token in self.sampling.end_ids:
            return self._finish(self._text(self.tokens[:-1]), "stop")
        if self.sampling.stop:
            text = self._text(self.tokens)
            ends = [place for place in map(text.find, self.sampling.stop) if place >= 0]
            if ends:
                return self._finish(text[: min(ends)], "stop")
        if len(self.tokens) == self.sampling.max_tokens or self.length == self.context:
            return self._finish(self._text(self.tokens), "length")
        return None

    def _text(self, tokens: list[int]) -> str:
        return self.decoder.decode(tokens, skip_special_tokens=True)

    def _finish(self, text: str, finish: Finish) -> Completion:
        return Completion(self.request.id, text, tuple(self.tokens), tuple(self.logprobs), finish)
