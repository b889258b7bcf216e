"""Responses in consecutive parts, and which of them a model reads in one pass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from selftrain.prompts import Ids, Renderer
from selftrain.records import Question, Response

TokenValue = Literal["entropy", "loss"]
"""What a model makes of a token: the entropy of what it expects in its place, or the loss, both in nats."""
Given = Literal["prefix", "question"]
"""What a part is read after: the question and all parts before it, or the question alone."""
Pair = tuple[Ids, Ids]
"""A context and the tokens read after it."""


@dataclass(frozen=True, slots=True)
class Parted:
    """A response with its text in consecutive parts."""

    question: Question
    response: Response
    parts: tuple[str, ...]


def in_passes(renderer: Renderer, chain: Parted, given: Given) -> list[tuple[Ids, list[Ids]]]:
    """What is read together of a response: contexts, each with the tokens of the parts read after it.

    Parts hold the white space between them. All are read in one pass where each is given those before it, unless an
    encoder reads these.
    """
    texts = [part.strip() for part in chain.parts]
    if given == "question":
        return [(renderer.prompt(chain.question), renderer.parts([text], finished=False)) for text in texts]
    if renderer.encoder:
        prompts = [renderer.prompt(chain.question, texts[:place]) for place in range(len(texts))]
        return [(prompt, renderer.parts([text], finished=False)) for prompt, text in zip(prompts, texts, strict=True)]
    return [(renderer.prompt(chain.question), renderer.parts(chain.parts, finished=False))]


def cut_up(values: Sequence[float], parts: Sequence[Ids]) -> Iterator[list[float]]:
    """The values of tokens by part; a part has none where there are no values at all."""
    place = 0
    for part in parts:
        yield list(values[place : place + len(part)])
        place += len(part)
