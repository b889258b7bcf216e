"""Signals read off a model's losses: mean negative log-likelihood and shift against a valid set."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

SENTINEL = -1000.0
"""From here down a log-probability is none: it stands for one that an engine did not give, such as -9999."""


def mean_nll(logprobs: ArrayLike) -> float:
    """Mean negative log-likelihood of a completion, in nats a token.

    `logprobs` are natural-log probabilities, shape [tokens]; without tokens, or with one that is none, the mean is nan.
    Source: SemiEvol, arXiv 2410.14745, the confidence `H_j` of a pseudo-response.
    """
    values = np.asarray(logprobs, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError("logprobs must be a flat list")
    # `0.0 -` rather than a sign, so that certainty is 0.0 and not -0.0.
    return 0.0 - float(values.mean()) if values.size and values.min() > SENTINEL else math.nan


def ds_weight(losses: ArrayLike, valid_loss: float) -> NDArray[np.float64]:
    """Distribution-shift weight `max(V / L_i, L_i / V)`, that is `exp(|ln(V / L_i)|)`, shape [samples].

    `losses` are the samples' mean losses `L_i`, `valid_loss` that of the valid set `V`, both in nats.
    A zero or nan loss has no weight: nan. Source: IWSI, arXiv 2408.09849, the DS weight.
    Raises ValueError for a negative loss and for a `valid_loss` that is not above 0 and finite.
    """
    ratio = _ratio(losses, valid_loss)
    with np.errstate(divide="ignore"):
        return np.maximum(ratio, 1 / ratio)


def clipped_ratio(losses: ArrayLike, valid_loss: float, cap: float) -> NDArray[np.float64]:
    """Importance ratio `min(V / L_i, cap)`, shape [samples]: the weight of IWSI-w.

    A zero or nan loss has no ratio: nan. Source: IWSI, arXiv 2408.09849, Eq. 7.
    Raises ValueError as `ds_weight`, and for a `cap` that is not above 0.
    """
    if not cap > 0:
        raise ValueError(f"cap must be above 0, got {cap}")
    return np.minimum(_ratio(losses, valid_loss), cap)


def _ratio(losses: ArrayLike, valid_loss: float) -> NDArray[np.float64]:
    values = np.asarray(losses, dtype=np.float64)
    if values.ndim != 1 or (values < 0).any():
        raise ValueError("losses must be a flat list of numbers of 0 or more")
    if not (math.isfinite(valid_loss) and valid_loss > 0):
        raise ValueError(f"valid_loss must be above 0 and finite, got {valid_loss}")
    return np.asarray(valid_loss / np.where(values == 0, np.nan, values), dtype=np.float64)
