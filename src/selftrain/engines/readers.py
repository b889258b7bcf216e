"""Readers: what is told of each token of a given text, from what a model makes of the tokens before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache

from selftrain.engines.entropy import entropies, head_entropies
from selftrain.models.head import logits_are_bare

VALUES_AT_ONCE = 2**22
"""Numbers made by a forward pass that are looked at together; those of one token always are."""


class Run(Protocol):
    """A forward pass: what it makes of each of the last `keep` tokens, [rows, keep, *]."""

    def __call__(self, ids: Tensor, mask: Tensor, cache: DynamicCache | None, keep: int = 1) -> Tensor: ...


class Tell(Protocol):
    """Values [n] from what was made, [n, *], and the tokens [n] that follow."""

    def __call__(self, made: Tensor, tokens: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Reader:
    """A forward pass, and what is told of what it makes."""

    run: Run
    tell: Tell

    @torch.inference_mode()
    def values(self, made: Tensor, places: Sequence[int], tokens: Sequence[int]) -> list[float]:
        """What is told of tokens [n], given what was made before them: at `places` [n] of `made`, [tokens, *]."""
        size = max(1, VALUES_AT_ONCE // made.shape[-1])
        where, followed = (torch.tensor(each, dtype=torch.long, device=made.device) for each in (places, tokens))
        parts = zip(torch.split(where, size), torch.split(followed, size), strict=True)
        return [value for part, follow in parts for value in self.tell(made[part], follow).tolist()]


def logprob_reader(logits: Run) -> Reader:
    """Tells the log-probability of each token."""
    return Reader(logits, _logprobs)


def entropy_reader(model: Any, logits: Run, states: Run) -> Reader:
    """Tells the entropy of the distribution that each token comes of.

    From hidden `states` where the output head alone makes logits of them, so that the logits of a text are never
    there; from `logits` where there is a cap or a scale.
    """
    if not logits_are_bare(model):
        return Reader(logits, lambda made, tokens: entropies(made))
    head = model.get_output_embeddings()
    return Reader(states, lambda made, tokens: head_entropies(head, made))


def _logprobs(made: Tensor, tokens: Tensor) -> Tensor:
    return torch.log_softmax(made.float(), dim=-1).gather(1, tokens[:, None])[:, 0]
