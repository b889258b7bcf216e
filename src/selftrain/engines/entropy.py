"""The entropy of predictive distributions, without all their logits at once."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

VALUES_AT_ONCE = 2**20
"""Logits looked at together, so that they stay in a processor's cache; those of one token are always together."""
LEAST = -1e30
"""In the place of a logit below it, minus infinity among them: 0 x infinity is no number, the probability is 0."""


def entropies(logits: Tensor) -> Tensor:
    """Entropies [n] in nats of the distributions with logits [n, vocabulary], in float32."""
    return _entropies(torch.split(logits, _columns(len(logits)), dim=1))


def head_entropies(head: Any, states: Tensor) -> Tensor:
    """Entropies [n] of what an output head (a linear layer) makes of hidden states [n, width].

    Products are of the states' type, sums in float32; there are never more than a few columns of the logits.
    """
    return _entropies(_head_logits(head, states))


def _head_logits(head: Any, states: Tensor) -> Iterator[Tensor]:
    size = _columns(len(states))
    for start in range(0, head.weight.shape[0], size):
        part = slice(start, start + size)
        yield linear(states, head.weight[part], None if head.bias is None else head.bias[part])


def _entropies(parts: Iterable[Tensor]) -> Tensor:
    """Entropies [n] of distributions whose logits come as [n, some of the vocabulary].

    With l' = l - max l, Z = sum exp l' and T = sum l' exp l', the entropy is log Z - T / Z. Each part is summed below
    its own maximum and then moved below that of all.
    """
    sums = [_sums(part) for part in parts]
    maxima, masses, moments = (torch.stack(column, dim=1) for column in zip(*sums, strict=True))
    moves = maxima - maxima.amax(dim=1, keepdim=True)
    scales = moves.exp()
    mass = (scales * masses).sum(dim=1)
    moment = (scales * (moments + moves * masses)).sum(dim=1)
    return mass.log() - moment / mass


def _sums(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each row its maximum, the sum of exp l' and the sum of l' exp l', each [n]."""
    below = logits.to(torch.float32, copy=True).clamp_(min=LEAST)
    maximum = below.amax(dim=1, keepdim=True)
    below -= maximum
    masses = below.exp()
    mass = masses.sum(dim=1)
    return maximum[:, 0], mass, masses.mul_(below).sum(dim=1)


def _columns(rows: int) -> int:
    return max(1, VALUES_AT_ONCE // max(1, rows))
