"""Causal attention within packed rows, in plain matrix products: on a CPU faster than the fused kernel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

BLOCK = 128
"""Queries whose attention is computed at once: what no query of a block sees, after it, is never computed."""
TOGETHER = 1024
"""Tokens, padding included, of several rows that are computed at once."""
SLACK = 16
"""Tokens of padding that are always worth it."""


@dataclass(frozen=True)
class Group:
    """Rows of similar lengths, padded to the longest; each sees itself and the packed tokens before `shared`."""

    shared: int
    places: Tensor
    """[rows, longest], where each token is in the packed sequence, and for padding a token after its last one."""

    def blocks(self) -> Iterator[tuple[slice, int]]:
        """Of each block its queries, and the number of keys that they see, `shared` included."""
        longest = self.places.shape[1]
        for start in range(0, longest, BLOCK):
            stop = min(start + BLOCK, longest)
            yield slice(start, stop), self.shared + stop

    def queries(self, states: Tensor, block: slice, heads: int) -> Tensor:
        """From [tokens, all heads, size] to [rows * heads, parts * queries, size].

        The heads that share keys stand below each other, so that the keys need no copies.
        """
        found = states[self.places[:, block]]
        rows, length, _, size = found.shape
        return found.view(rows, length, heads, -1, size).permute(0, 2, 3, 1, 4).reshape(rows * heads, -1, size)

    def keys(self, states: Tensor) -> Tensor:
        """From [tokens, heads, size] to [rows * heads, shared + longest, size]."""
        return states[self.seen()].transpose(1, 2).flatten(0, 1)

    def seen(self) -> Tensor:
        """[rows, shared + longest], where what a row sees is in the packed sequence."""
        shared = torch.arange(self.shared, device=self.places.device).expand(len(self.places), -1)
        return torch.cat([shared, self.places], 1)

    def put(self, into: Tensor, block: slice, values: Tensor) -> None:
        """The inverse of `queries`: `values` of a block to their places in `into` [tokens, all heads, size]."""
        rows, length = self.places[:, block].shape
        values = values.view(rows, len(values) // rows, -1, length, values.shape[-1]).permute(0, 3, 1, 2, 4)
        into[self.places[:, block]] = values.flatten(2, 3)


def groups_of(shared: int, lengths: Sequence[int], device: torch.device) -> list[Group]:
    """The groups of rows that follow `shared` tokens one after the other, and those tokens as a row of their own."""
    starts = [shared + sum(lengths[:row]) for row in range(len(lengths))]
    total = shared + sum(lengths)
    groups = [_group(0, [0], [shared], total, device)] if shared else []
    rows = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    while rows:
        longest = lengths[rows[0]]
        fit = [row for row in rows[: max(1, TOGETHER // longest)] if longest - lengths[row] <= max(SLACK, longest // 4)]
        rows = rows[len(fit) :]
        groups.append(_group(shared, [starts[row] for row in fit], [lengths[row] for row in fit], total, device))
    return groups


def _group(shared: int, starts: Sequence[int], lengths: Sequence[int], total: int, device: torch.device) -> Group:
    first, count = torch.tensor([starts, lengths], device=device)[..., None]
    steps = torch.arange(max(lengths), device=device)
    return Group(shared, torch.where(steps < count, first + steps, total))


class RowAttention(torch.autograd.Function):
    """Attention of `query` [tokens, heads, size] to `key` and `value` [tokens, key heads, size], shaped as `query`.

    The backward pass computes the attention weights once more instead of keeping them.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, groups: Sequence[Group], scale: float) -> Tensor:
        query, key, value = (_with_padding(item) for item in (query, key, value))
        out, heads = torch.empty_like(query), key.shape[1]
        for group in groups:
            k, v = group.keys(key), group.keys(value)
            for block, seen in group.blocks():
                weights = _weights(group.queries(query, block, heads) * scale, k[:, :seen], block)
                group.put(out, block, torch.bmm(weights.to(v.dtype), v[:, :seen]))
        ctx.save_for_backward(query, key, value, out)
        ctx.groups, ctx.scale = groups, scale
        return out[:-1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out = ctx.saved_tensors
        grad_query, heads = torch.empty_like(query), key.shape[1]
        # Padding has no gradient, so what its queries see does not matter.
        grad = _with_padding(grad)
        # How far the mean of what a query sees already moves along its gradient.
        common = (grad.float() * out).sum(-1, keepdim=True)
        # What many rows share is a sum of many terms.
        grad_key, grad_value = (torch.zeros_like(item, dtype=torch.float32) for item in (key, value))
        for group in ctx.groups:
            k, v = group.keys(key), group.keys(value)
            sums = [torch.zeros_like(item, dtype=torch.float32) for item in (k, v)]
            for block, seen in group.blocks():
                q = group.queries(query, block, heads) * ctx.scale
                g, c = group.queries(grad, block, heads), group.queries(common, block, heads)
                weights = _weights(q, k[:, :seen], block)
                sums[1][:, :seen] += torch.bmm(weights.to(g.dtype).transpose(1, 2), g)
                scores = torch.bmm(g, v[:, :seen].transpose(1, 2)).float().sub_(c).mul_(weights).to(g.dtype)
                sums[0][:, :seen] += torch.bmm(scores.transpose(1, 2), q)
                group.put(grad_query, block, torch.bmm(scores, k[:, :seen]) * ctx.scale)
            places = group.seen().flatten()
            for into, total in zip((grad_key, grad_value), sums, strict=True):
                into.index_add_(0, places, total.view(-1, heads, *total.shape[1:]).transpose(1, 2).flatten(0, 1))
        return grad_query[:-1], grad_key[:-1].to(key.dtype), grad_value[:-1].to(value.dtype), None, None


def _with_padding(states: Tensor) -> Tensor:
    """With one more token, of zeros, after the last one."""
    return torch.cat([states, states.new_zeros(1, *states.shape[1:])])


def _weights(q: Tensor, k: Tensor, block: slice) -> Tensor:
    """Attention weights in float32 of a block of scaled queries; of its keys, only the block's own can be hidden."""
    length = block.stop - block.start
    scores = torch.bmm(q, k.transpose(1, 2))
    hidden = torch.ones(length, length, dtype=torch.bool, device=q.device).triu(1)
    own = scores.view(len(q), -1, length, k.shape[1])[..., -length:]
    own.masked_fill_(hidden, float("-inf"))
    return scores.softmax(-1, dtype=torch.float32)
