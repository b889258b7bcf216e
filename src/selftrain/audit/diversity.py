"""How different the texts of a model are: distinct n-grams, distinct equations and spread of embeddings."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike

from selftrain.audit.detail import TEXTS, Counts, Floats
from selftrain.audit.texts import equations

Embed = Callable[[list[str]], ArrayLike]
"""From texts to their embeddings, shape [texts, dimensions]."""

_BITS = 21
"""Three numbers of so many bits are packed into one of 63."""
_WORDS = 1 << 18
"""Words of the texts that are compared at once: 2 MB an array."""
_SETS = 64
"""Sets of texts that are embedded at once."""


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
    return float(_spread(rows)[-1])


def distinct_prefixes(sets: Sequence[Sequence[str]]) -> Floats:
    """Mean of `distinct_n` over n = 1..5 for the first 2, 3, ... TEXTS texts of each set; [sets, TEXTS - 1].

    nan where a set has fewer. N-grams are numbered by sorting pairs of (number of the first n - 1 words, last word)
    with their place, so the first text that has each is known and no hash can collide. Source: as `distinct_n`.
    Raises ValueError for a set of more than 2 million words.
    """
    found = [_distinct(batch) for batch in _batches(sets)]
    return np.concatenate([np.empty((0, TEXTS - 1)), *found])


def equation_prefixes(sets: Sequence[Sequence[str]]) -> Floats:
    """Share of different equations among all `equations` of the first 2, 3, ... TEXTS texts; [sets, TEXTS - 1].

    nan where a set has fewer texts, and without equations. Source: logical diversity, arXiv 2407.05013.
    """
    shares = np.full((len(sets), TEXTS), np.nan)
    for row, texts in zip(shares, sets, strict=True):
        seen: set[str] = set()
        total = 0
        for place, text in enumerate(texts[:TEXTS]):
            found = equations(text)
            seen.update(found)
            total += len(found)
            row[place] = len(seen) / total if total else np.nan
    return shares[:, 1:]


def semantic_prefixes(sets: Sequence[Sequence[str]], embed: Embed) -> Floats:
    """`semantic_diversity` of the first 2, 3, ... TEXTS texts of each set, shape [sets, TEXTS - 1].

    nan where a set has fewer. `embed` gets the texts of 64 sets at a time. Source: as `semantic_diversity`.
    Raises ValueError when it does not return one row for each text.
    """
    spreads = np.full((len(sets), TEXTS), np.nan)
    for start in range(0, len(sets), _SETS):
        some = [texts[:TEXTS] for texts in sets[start : start + _SETS]]
        if texts := list(chain.from_iterable(some)):
            rows = np.asarray(embed(texts), dtype=np.float64)
            if rows.ndim != 2 or len(rows) != len(texts):
                raise ValueError(f"embed must give one row for each of {len(texts)} texts, got shape {rows.shape}")
            ends = np.cumsum([len(texts) for texts in some])
            for spread, part in zip(spreads[start:], np.split(rows, ends[:-1]), strict=False):
                spread[: len(part)] = _spread(part)
    return spreads[:, 1:]


def _spread(rows: Floats) -> Floats:
    """Semantic diversity of the first 1, 2, ... rows, shape [rows]; nan for one, and from a row of length zero on."""
    with np.errstate(invalid="ignore", divide="ignore"):
        units = rows / np.linalg.norm(rows, axis=1)[:, None]
        # The squared length of the sum of unit rows holds every pair twice and the diagonal once.
        totals = np.square(np.cumsum(units, axis=0)).sum(axis=1)
        count = np.arange(1, len(rows) + 1)
        return np.asarray(np.maximum(0, 1 - (totals - count) / (count * (count - 1))))


def _batches(sets: Sequence[Sequence[str]]) -> Iterator[list[list[list[str]]]]:
    """The words of the texts of some sets at a time, TEXTS texts of each at most."""
    batch: list[list[list[str]]] = []
    held = 0
    for texts in sets:
        words = [text.split() for text in texts[:TEXTS]]
        size = 1 + sum(map(len, words))
        if size >> _BITS:
            raise ValueError(f"a set of texts has {size - 1} words: cut them to fewer than {(1 << _BITS) - 1}")
        if batch and held + size > _WORDS:
            yield batch
            batch, held = [], 0
        batch.append(words)
        held += size
    if batch:
        yield batch


def _distinct(sets: list[list[list[str]]]) -> Floats:
    """`distinct_prefixes` of sets of split texts."""
    number: defaultdict[str, int] = defaultdict()
    number.default_factory = number.__len__
    split = list(chain.from_iterable(sets))
    lengths = np.array([len(words) for words in split], dtype=np.int64)
    word = np.fromiter(map(number.__getitem__, chain.from_iterable(split)), np.int64, int(lengths.sum()))
    counts = np.array([len(texts) for texts in sets])
    owner = np.repeat(np.arange(len(sets)), counts)
    column = np.arange(len(split)) - np.repeat(np.cumsum(counts) - counts, counts)
    text = np.repeat(np.arange(len(split)), lengths)
    at, gram = np.arange(len(word)), owner[text]
    shares = np.zeros((len(sets), TEXTS))
    for n in range(1, 6):
        at = at[: np.searchsorted(at, len(word) - n, side="right")]
        at = at[text[at] == text[at + n - 1]]
        first, gram = _numbered(gram, word, at, n)
        unique, total = np.zeros((2, len(sets), TEXTS))
        unique[owner, column] = np.bincount(text[first], minlength=len(split))
        total[owner, column] = np.maximum(lengths - n + 1, 0)
        shares += unique.cumsum(axis=1) / np.maximum(total.cumsum(axis=1), 1)
    return np.where(np.arange(TEXTS) < counts[:, None], shares / 5, np.nan)[:, 1:]


def _numbered(shorter: Counts, word: Counts, at: Counts, n: int) -> tuple[Counts, Counts]:
    """Where each different n-gram comes first, and the number of the n-gram at each place of `at`.

    `shorter` has the number of the (n - 1)-gram at each place, for n = 1 that of the set.
    """
    packed = np.sort(shorter[at] << 2 * _BITS | word[at + n - 1] << _BITS | at)
    place, kind = packed & (1 << _BITS) - 1, packed >> _BITS
    new = np.diff(kind, prepend=-1) != 0
    gram = np.empty_like(shorter)
    gram[place] = np.cumsum(new) - 1
    return place[new], gram
