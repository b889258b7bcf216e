"""Weighted losses as plain functions of tensors, with the weight inside the sum so that it cannot cancel."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

PairLoss: TypeAlias = Literal["sigmoid", "hinge", "ipo"]
Numbers: TypeAlias = Tensor | float | Sequence[float] | Sequence[Sequence[float]]


def weighted_token_loss(nll: Numbers, mask: Numbers, weights: Numbers) -> Tensor:
    """Token-normalised loss: `sum_i w_i sum_t nll_it / sum_i T_i`, a scalar.

    `nll` [rows, tokens] in nats, `mask` [rows, tokens] of 0 and 1, `weights` [rows], finite and not negative.
    Weights do not enter the denominator. Values of `nll` outside the mask are ignored; nan if the mask is
    empty. Raises ValueError naming the argument that does not fit.
    """
    nll, mask, weights = _rows(nll, mask, weights)
    return token_sum(nll, mask, weights) / mask.sum()


def weighted_sequence_loss(nll: Numbers, mask: Numbers, weights: Numbers) -> Tensor:
    """Sequence-normalised loss: `mean_i (w_i * mean_t nll_it)`, a scalar (EAST, arXiv:2503.23913, `f(h) L`).

    Arguments and errors as for `weighted_token_loss`; nan if a row has no token.
    """
    nll, mask, weights = _rows(nll, mask, weights)
    return sequence_sum(nll, mask, weights) / len(weights)


def weighted_preference_loss(
    chosen: Numbers,
    rejected: Numbers,
    ref_chosen: Numbers,
    ref_rejected: Numbers,
    weights: Numbers,
    beta: float,
) -> Tensor:
    """Weighted DPO loss (arXiv:2305.18290, eq. 7): `mean_i w_i * -log sigmoid(beta * margin_i)`, a scalar.

    `margin = (chosen - ref_chosen) - (rejected - ref_rejected)`; the log-probabilities of whole completions
    and the weights all have shape [pairs], `beta` is positive. Raises ValueError naming the argument that
    does not fit.
    """
    if not (0 < beta < float("inf")):
        raise ValueError(f"beta must be positive and finite, not {beta}")
    chosen = _floats(chosen)
    rejected, ref_chosen, ref_rejected, weights = (
        _like(chosen, other) for other in (rejected, ref_chosen, ref_rejected, weights)
    )
    others = {
        "rejected": rejected,
        "ref_chosen": ref_chosen,
        "ref_rejected": ref_rejected,
        "weights": weights,
    }
    for name, other in others.items():
        if other.shape != chosen.shape:
            raise ValueError(f"{name} has shape {list(other.shape)}, chosen has {list(chosen.shape)}")
    _check_weights(weights)
    return (weights * pair_losses(chosen - ref_chosen, rejected - ref_rejected, beta)).mean()


def token_sum(nll: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """`sum_i w_i sum_t nll_it`: the numerator of the token loss, additive over micro-batches."""
    return (weights * torch.where(mask, nll, 0).sum(-1)).sum()


def sequence_sum(nll: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """`sum_i w_i mean_t nll_it`: the numerator of the sequence loss, additive over micro-batches."""
    return (weights * torch.where(mask, nll, 0).sum(-1) / mask.sum(-1)).sum()


def pair_losses(
    chosen: Tensor,
    rejected: Tensor,
    beta: float,
    kind: PairLoss = "sigmoid",
    lengths: Tensor | None = None,
) -> Tensor:
    """The loss of each pair, shape [pairs], before its weight.

    `chosen` and `rejected` [pairs] are log-ratios: log-probabilities of whole completions (nats) minus the
    reference's. "sigmoid" is DPO (arXiv:2305.18290, eq. 7), "hinge" SLiC's (arXiv:2305.10425), "ipo" IPO
    (arXiv:2310.12036, eq. 17; beta is its tau), whose log-ratios are divided by `lengths` [2 * pairs], the tokens of
    the chosen completions and then of the rejected ones.
    """
    if kind == "ipo":
        if lengths is None:
            raise ValueError("lengths must be given for ipo")
        chosen, rejected = (torch.cat([chosen, rejected]) / lengths).chunk(2)
        return (chosen - rejected - 1 / (2 * beta)) ** 2
    margin = beta * (chosen - rejected)
    return torch.relu(1 - margin) if kind == "hinge" else -logsigmoid(margin)


def labelled_losses(ratios: Tensor, desirable: Tensor, kl: Tensor | float, beta: float) -> Tensor:
    """The KTO loss of each completion, shape [rows], before its weight (arXiv:2402.01306, eq. 8).

    `ratios` [rows] are log-ratios as for `pair_losses`, `desirable` [rows] is true where a completion is to become
    likelier, `kl` the baseline they are compared with.
    """
    return 1 - torch.sigmoid(beta * torch.where(desirable, ratios - kl, kl - ratios))


def _rows(nll: Numbers, mask: Numbers, weights: Numbers) -> tuple[Tensor, Tensor, Tensor]:
    nll = _floats(nll)
    mask, weights = _like(nll, mask), _like(nll, weights)
    if nll.dim() != 2:
        raise ValueError(f"nll must have shape [rows, tokens], not {list(nll.shape)}")
    if mask.shape != nll.shape:
        raise ValueError(f"mask has shape {list(mask.shape)}, nll has {list(nll.shape)}")
    if not ((mask == 0) | (mask == 1)).all():
        raise ValueError("mask must hold 0 and 1 only")
    if weights.shape != nll.shape[:1]:
        raise ValueError(f"weights has shape {list(weights.shape)}, one weight for each of {len(nll)} rows is wanted")
    _check_weights(weights)
    return nll, mask.bool(), weights


def _check_weights(weights: Tensor) -> None:
    if not (torch.isfinite(weights) & (weights >= 0)).all():
        raise ValueError("weights must be finite and not negative")


def _floats(values: Numbers) -> Tensor:
    """A tensor of at least one dimension; a floating tensor keeps its type, other numbers become float64."""
    floating = isinstance(values, Tensor) and values.is_floating_point()
    tensor = torch.as_tensor(values, dtype=None if floating else torch.float64)
    return tensor if tensor.dim() else tensor[None]


def _like(model: Tensor, values: Numbers) -> Tensor:
    tensor = torch.as_tensor(values, dtype=model.dtype, device=model.device)
    return tensor if tensor.dim() else tensor[None]
