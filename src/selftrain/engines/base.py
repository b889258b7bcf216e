"""The contract of a sampling engine: token ids in, completions out, one independent request each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from selftrain.errors import ConfigError
from selftrain.records import Finish


@dataclass(frozen=True, slots=True)
class Request:
    """One response to draw. The engine adds nothing to the prompt: no template, no special token."""

    id: str
    prompt: tuple[int, ...]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How to draw; the same for all requests of one call."""

    temperature: float
    """0 is greedy."""
    top_p: float
    max_tokens: int
    stop: tuple[str, ...] = ()
    """A completion ends before the first of these in its text."""
    end_ids: tuple[int, ...] = ()
    """Token ids that end a completion."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What came of a request. See `records.Response` for the fields."""

    id: str
    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: Finish


class Engine(Protocol):
    """A loaded model that can sample, and read given completions."""

    prefilled: int
    """Prompt tokens read for sampling so far; a token that several requests share is read once."""

    block: int | None
    """How many requests share their rounding: a call's requests are run in consecutive blocks of this size,
    and the same block gives the same completions. None: a completion depends on its own request alone."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yield each completion as it finishes, in any order.

        Log-probabilities are the model's at temperature 1 whatever the sampling temperature. Raises ConfigError
        for a prompt that leaves no room for one token in the model's context.
        """

    def score(self, pairs: Iterable[tuple[Sequence[int], Sequence[int]]]) -> Iterator[list[float]]:
        """Log-probability (nats) of each completion token given its prompt, one list a (prompt, completion) pair."""

    def entropies(self, pairs: Iterable[tuple[Sequence[int], Sequence[int]]]) -> Iterator[list[float]]:
        """Entropy (nats) of the distribution that each completion token comes of, one list a pair, as for `score`.

        It is the model's own, of all its tokens and at temperature 1.
        """

    def close(self) -> None:
        """Release the model's memory."""


def check_room(length: int, context: int | None) -> None:
    """Raises ConfigError for an empty prompt, and for one that fills a model's context (None: unlimited)."""
    if not length:
        raise ConfigError("a prompt has no tokens: give the question or the template some text")
    if context is not None and length >= context:
        raise ConfigError(
            f"a prompt has {length} tokens, the model's context holds {context}: use fewer shots or shorter questions"
        )
