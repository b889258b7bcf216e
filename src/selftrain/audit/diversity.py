"""How different the texts of a model are: distinct n-grams and spread of embeddings."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def distinct_n(texts: Sequence[str], n: int) -> float:
    """Share of different n-grams among all n-grams of the texts, pooled; words are split at white space.

    0 when no text has n words. It falls as a set grows: compare sets of one size.
    Source: Li et al., arXiv 1510.03055. Raises ValueError for n below 1.
    """
    if n < 1:
        raise ValueError(f"n must be 1 or more, got {n}")
    split = [text.split() for text in texts]
    grams = [tuple(words[i : i + n]) for words in split for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def expectation_adjusted_distinct(unique: int, total: int, vocabulary: int) -> float:
    """Different words over the number expected of `total` uniform draws: `U / (V (1 - ((V-1)/V)^C))`.

    nan for no words. Source: EAD, Liu et al., arXiv 2202.13587.
    Raises ValueError for a vocabulary below 1 and for `unique` outside [0, min(total, vocabulary)].
    """
    if vocabulary < 1:
        raise ValueError(f"vocabulary must be 1 or more, got {vocabulary}")
    if not 0 <= unique <= min(total, vocabulary):
        raise ValueError(f"unique must be between 0 and {min(total, vocabulary)}, got {unique}")
    if total == 0:
        return math.nan
    # expm1 and log1p keep the digits that 1 - (1 - 1/V)^C loses for a large vocabulary.
    missed = total * math.log1p(-1 / vocabulary) if vocabulary > 1 else -math.inf
    return unique / (vocabulary * -math.expm1(missed))


def semantic_diversity(embeddings: ArrayLike) -> float:
    """`1 -` the mean cosine over all pairs of rows, shape [texts, dimensions].

    nan for fewer than two rows and when a row has zero length. Source: arXiv 2407.05013, semantic diversity.
    Raises ValueError for another shape.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.size == 0:
        return math.nan
    if rows.ndim != 2:
        raise ValueError(f"embeddings must have shape [texts, dimensions], got {rows.shape}")
    norms = np.linalg.norm(rows, axis=1)
    count = len(rows)
    if count < 2 or not norms.all():
        return math.nan
    # The squared length of the sum of unit rows holds every pair twice and the diagonal once.
    total = float(np.square((rows / norms[:, None]).sum(axis=0)).sum())
    cosine = (total - count) / (count * (count - 1))
    return math.nan if math.isnan(cosine) else max(0.0, 1 - cosine)
