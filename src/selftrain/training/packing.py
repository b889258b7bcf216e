"""Rows of a batch as one sequence: no padding, and what all rows share at their beginning only once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from selftrain.training.row_attention import Group, RowAttention, groups_of

NAME = "selftrain_packed"
BY_PRODUCTS = {"cpu"}
"""Devices that are faster with plain matrix products than with the fused kernel, whose backward is slow on a CPU."""
RUNNER = "_gradient_checkpointing_func"
"""Where transformers keeps, on each layer, the function that checkpoints it."""
OTHER_ATTENTION = ("position_bias", "s_aux", "sliding_window", "softcap")
"""Arguments of transformers' attention functions that would change its result."""


@dataclass(frozen=True)
class Packing:
    """Where the tokens of padded rows are in one sequence: first the shared ones, then the rest of row after row."""

    shared: int
    """Tokens that all rows begin with; each row has at least one more."""
    rest: Tensor
    """[rows, tokens - shared], true where there is a token and no padding."""
    flat: Tensor
    """[packed tokens - shared], where the rest of the packed tokens are in `rest` made flat."""
    groups: Sequence[Group]
    """The rows in groups of similar lengths."""

    @classmethod
    def of(cls, ids: Tensor, mask: Tensor) -> "Packing":
        """The packing of `ids` [rows, tokens], padded on the right where `mask` is 0."""
        common = int((ids == ids[:1]).all(0).long().cumprod(0).sum())
        shared = min(common, int(mask.sum(1).min()) - 1)
        rest = mask[:, shared:].bool()
        groups = groups_of(shared, rest.sum(1).tolist(), ids.device)
        return cls(shared, rest, rest.flatten().nonzero()[:, 0], groups)

    def pack(self, values: Tensor) -> Tensor:
        """From [rows, tokens] to [1, packed tokens]."""
        return torch.cat([values[0, : self.shared], values[:, self.shared :][self.rest]])[None]

    def places(self) -> Tensor:
        """[rows, tokens]: where each token is in the packed sequence; anywhere for padding."""
        rest = self.rest.flatten().cumsum(0).view_as(self.rest) - 1 + self.shared
        shared = torch.arange(self.shared, device=rest.device).expand(len(rest), -1)
        return torch.cat([shared, rest], 1)


def hidden_states(model: Any, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """The last hidden states [rows, tokens, width] of a transformers base model; anything where the padding is.

    `input_ids` [rows, tokens] is padded on the right where `attention_mask` is 0.
    """
    packing = Packing.of(input_ids, attention_mask)
    positions = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
    with _attention(model):
        packed = model(
            input_ids=packing.pack(input_ids), position_ids=packing.pack(positions), use_cache=False, packing=packing
        )
    states: Tensor = packed.last_hidden_state[0]
    return states.index_select(0, packing.places().flatten()).view(*input_ids.shape, -1)


def is_packable(model: Any) -> bool:
    """Whether packing leaves the hidden states of a transformers base model as they are, tried out on two rows.

    It does not where tokens see each other by other means than full attention. Dropout is no case for it either:
    all rows would lose the same numbers of what they share.
    """
    rates = (value for key, value in model.config.to_dict().items() if "drop" in key)
    if any(isinstance(rate, float) and rate > 0 for rate in rates) or any(map(_drops, model.modules())):
        return False
    if set(getattr(model.config, "layer_types", None) or ()) - {"full_attention"}:
        return False
    ids = torch.tensor([[0, 1, 2, 3], [0, 1, 3, 0]], device=model.device)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]], device=model.device)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            found = hidden_states(model, ids, mask)[mask.bool()]
            wanted = model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state[mask.bool()]
        return bool((found - wanted).abs().max() <= 1e-3 * wanted.abs().max())
    except Exception:  # a model that knows nothing of packing refuses it in its own way
        return False
    finally:
        model.train(training)


def _drops(module: torch.nn.Module) -> bool:
    return "Dropout" in type(module).__name__ and getattr(module, "p", 0) > 0


@contextmanager
def _attention(model: Any) -> Iterator[None]:
    """Attention within packed rows, also where checkpointing runs a layer once more in the backward pass."""
    kept = {module: found for module in model.modules() if (found := vars(module).get(RUNNER))}
    for module, found in kept.items():
        setattr(module, RUNNER, partial(_checkpoint, found, model.config))
    try:
        with _switched(model.config):
            yield
    finally:
        for module, found in kept.items():
            setattr(module, RUNNER, found)


def _checkpoint(
    checkpoint: Callable[..., Any], config: Any, run: Callable[..., Any], *args: Any, **options: Any
) -> Any:
    def packed(*inputs: Any, **others: Any) -> Any:
        with _switched(config):
            return run(*inputs, **others)

    return checkpoint(packed, *args, **options)


@contextmanager
def _switched(config: Any) -> Iterator[None]:
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Any,
    packing: Packing,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Causal attention within rows of `query` [1, heads, packed tokens, size], shaped [1, tokens, heads, size]."""
    if found := [name for name in OTHER_ATTENTION if others.get(name) is not None]:
        raise NotImplementedError(f"packed rows have no attention with {found[0]}")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # Rotated queries and keys come in float32 even where products are bfloat16, as does all from layers of 4 bits.
    kind = query.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else value.dtype
    query, key, value = (item[0].transpose(0, 1).to(dtype) for item in (query, key, value))
    if query.device.type in BY_PRODUCTS:
        out: Tensor = RowAttention.apply(query, key, value, packing.groups, scale)  # type: ignore[no-untyped-call]
    else:
        out = _kernel_attention(query, key, value, packing, scale)
    return out[None], None


def _kernel_attention(query: Tensor, key: Tensor, value: Tensor, packing: Packing, scale: float) -> Tensor:
    """Attention of `query` [tokens, heads, size] to `key` and `value` [tokens, key heads, size] by a fused kernel."""
    shared, rows = packing.shared, len(packing.rest)
    q, k, v = (_padded(item[shared:], packing) for item in (query, key, value))
    if shared:
        before = (item[:shared].expand(rows, -1, -1, -1) for item in (key, value))
        k, v = (torch.cat(parts, 1) for parts in zip(before, (k, v), strict=True))
    seen = torch.ones(q.shape[1], k.shape[1], dtype=torch.bool, device=q.device).tril(shared)
    q, k, v = (item.transpose(1, 2) for item in (q, k, v))
    out = scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale, enable_gqa=True)
    out = out.transpose(1, 2).flatten(0, 1).index_select(0, packing.flat)
    if shared:
        q, k, v = (item[None, :shared].transpose(1, 2) for item in (query, key, value))
        first = scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale, enable_gqa=True)
        out = torch.cat([first[0].transpose(0, 1), out])
    return out


def _padded(tokens: Tensor, packing: Packing) -> Tensor:
    """From [tokens, heads, size] to [rows, longest, heads, size], 0 where there is no token."""
    rows, longest = packing.rest.shape
    empty = tokens.new_zeros(rows * longest, *tokens.shape[1:])
    return empty.index_copy(0, packing.flat, tokens).view(rows, longest, *tokens.shape[1:])


AttentionInterface.register(NAME, _attend)
