"""How the answers of one problem agree: entropy, the weights made from it, the majority."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def answer_entropy(counts: ArrayLike, base: float = 2) -> float:
    """Entropy of a group's answer clusters, `-sum_j p_j log p_j` with `p_j = count_j / sum(counts)`.

    `counts` holds the cluster sizes, shape [clusters]; empty clusters add nothing. The unit is set by `base`
    (2: bits). nan when nothing was counted. Source: EAST, arXiv 2503.23913, the entropy of a question.
    Raises ValueError for a negative or non-finite count and for a base that is not above 1.
    """
    if not (math.isfinite(base) and base > 1):
        raise ValueError(f"base must be above 1, got {base}")
    sizes = _sizes(counts)
    total = float(sizes.sum())
    if total == 0:
        return math.nan
    p = sizes[sizes > 0] / total
    # `0.0 +` turns the -0.0 of a single cluster into 0.0.
    return max(0.0, 0.0 + float(-(p * np.log(p)).sum())) / math.log(base)


def normalized_answer_entropy(counts: ArrayLike) -> float:
    """Entropy of the answer clusters over `log(sum(counts))`, its largest possible value; in [0, 1].

    A single answer has 0; nan when nothing was counted. Source: the entropy filter of IWSI, arXiv 2408.09849.
    Raises ValueError as `answer_entropy`.
    """
    total = float(_sizes(counts).sum())
    entropy = answer_entropy(counts, base=math.e)
    return min(1.0, entropy / math.log(total)) if total > 1 else entropy


def east_weights(entropies: ArrayLike, exponent: float) -> NDArray[np.float64]:
    """Problem weights `H_i^a * N / sum_j H_j^a`, shape [N]; their mean is 1.

    `entropies` are the answer entropies of the kept problems, shape [N] (any log base: it cancels);
    `exponent` is `a`, and 0 gives ones. Source: EAST, arXiv 2503.23913, the weight function f.
    Raises ValueError for an entropy that is negative or not finite, for a zero entropy with a negative
    exponent, and when every entropy is zero with a positive one (all weights would be 0/0).
    """
    h = np.asarray(entropies, dtype=np.float64)
    if h.ndim != 1 or not np.isfinite(h).all() or (h < 0).any():
        raise ValueError("entropies must be a flat list of finite numbers of 0 or more")
    if not math.isfinite(exponent):
        raise ValueError(f"exponent must be finite, got {exponent}")
    if exponent == 0 or h.size == 0:
        return np.ones_like(h)
    if exponent < 0 and (h == 0).any():
        zeros = int((h == 0).sum())
        raise ValueError(f"entropies hold {zeros} zeros, undefined to the negative exponent {exponent}")
    if not h.any():
        raise ValueError("entropies are all zero, so no weight is defined for a positive exponent")
    # Logs, taken against the largest power, so that no exponent can overflow.
    with np.errstate(divide="ignore"):
        logs = exponent * np.log(h)
    powers = np.exp(logs - logs.max())
    return np.asarray(powers * (h.size / powers.sum()), dtype=np.float64)


def majority_answer(answers: Sequence[Any]) -> Any:
    """The most frequent answer, of equals the first seen; None entries do not vote; None when nobody does."""
    votes = Counter(answer for answer in answers if answer is not None)
    # Counter keeps the order of first sight and `max` returns the first of equals.
    return max(votes, key=votes.__getitem__) if votes else None


def _sizes(counts: ArrayLike) -> NDArray[np.float64]:
    sizes = np.asarray(counts, dtype=np.float64)
    if sizes.ndim != 1 or not np.isfinite(sizes).all() or (sizes < 0).any():
        raise ValueError("counts must be a flat list of finite numbers of 0 or more")
    return sizes
