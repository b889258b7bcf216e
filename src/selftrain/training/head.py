"""The loss of completion tokens without the logits of all the others."""

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from selftrain.models.head import logits_are_bare
from selftrain.training.packing import hidden_states, is_packable

PACKED_INPUTS = {"input_ids", "attention_mask"}
"""What a forward pass may be given to pass its rows without padding; with anything else they stay padded."""
LOGITS_AT_ONCE = 2**26
"""Logits kept for the backward pass; more of them are made in chunks, and made again when it needs them."""


def add_completion_nll(model: Any) -> None:
    """Teach the forward of a transformers causal language model the argument `completion_labels`.

    `model(input_ids=..., attention_mask=..., completion_labels=labels)` returns the negative log-likelihood
    of each label, shape [rows, tokens - 1], in float32 and 0 where the next label is -100; rows are padded on
    the right. Only the positions before a label pass through the output head, and where the model allows it,
    no padding and nothing twice that all rows begin with passes through the model. It lives in `forward` so that
    wrappers (adapters, autocast, data parallel) still see one call; without the argument nothing changes.
    """
    plain = model.forward
    bare = logits_are_bare(model)
    packable = bare and is_packable(model.base_model)

    @functools.wraps(type(model).forward)
    def forward(*args: Any, completion_labels: Tensor | None = None, **kwargs: Any) -> Any:
        if completion_labels is None:
            return plain(*args, **kwargs)
        mask = completion_labels[:, 1:] != -100
        targets = completion_labels[:, 1:][mask]
        given = {name: value for name, value in kwargs.items() if value is not None}
        if packable and given.keys() == PACKED_INPUTS and not _is_noisy(model):
            hidden = hidden_states(model.base_model, **given)[:, :-1][mask]
            nll = head_nll(model.get_output_embeddings(), hidden, targets)
        elif bare:
            hidden = model.base_model(*args, **{**kwargs, "use_cache": False}).last_hidden_state[:, :-1][mask]
            nll = head_nll(model.get_output_embeddings(), hidden, targets)
        else:
            logits = plain(*args, **{**kwargs, "use_cache": False}).logits[:, :-1][mask]
            nll = cross_entropy(logits.float(), targets, reduction="none")
        return nll.new_zeros(mask.shape).masked_scatter(mask, nll)

    model.forward = forward


def _is_noisy(model: Any) -> bool:
    """Whether embeddings get noise (NEFTune), which transformers scales by the length of what it takes for a row."""
    return hasattr(model.get_input_embeddings(), "neftune_noise_alpha")


def head_nll(head: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of `targets` [n] given `hidden` [n, width], in float32."""
    size = max(1, LOGITS_AT_ONCE // int(head.weight.shape[0]))
    if len(targets) <= size:
        return _chunk_nll(head, hidden, targets)
    chunks = zip(torch.split(hidden, size), torch.split(targets, size), strict=True)
    return torch.cat(
        [checkpoint(_chunk_nll, head, h, t, use_reentrant=False, preserve_rng_state=False) for h, t in chunks]
    )


def _chunk_nll(head: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(head(hidden).float(), targets, reduction="none")
