"""Nearest neighbours of many queries at once: scikit-learn narrows them down, `nearest_neighbours` has the last word.

The index is scikit-learn's brute force at every size. It takes 16 s for 40,000 queries of 40,000 rows on two cores; by
that, 200,000 of 200,000 take half as long as embedding them, so an index of faiss would only be a second way.
"""

import importlib.util
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selftrain.embeddings import EXTRA
from selftrain.errors import MissingExtraError
from selftrain.signals import nearest_neighbours

Floats = NDArray[np.float64]

_SPARE = 8
"""Candidates more than ties of equal rows can take."""
_CLOSE = 1e-11
"""Squared distances nearer to each other than this may be ties, which are cosines equal to 12 decimals."""


def nearest(embeddings: ArrayLike, queries: ArrayLike, k: int) -> NDArray[np.int64]:
    """Indices of the k rows nearest to each query by cosine, nearest first, shape [queries, min(k, rows)].

    Each query gets what `signals.nearest_neighbours` gives it: ties go to the lower index, rows of zero length come
    last. A query of zero length (white space) gets the lowest indices. Memory is linear in rows and queries.
    Raises ValueError as `nearest_neighbours` does, MissingExtraError where scikit-learn is not installed.
    """
    rows, asked = np.asarray(embeddings, dtype=np.float64), np.asarray(queries, dtype=np.float64)
    if k < 0:
        raise ValueError(f"k must be 0 or more, got {k}")
    if k == 0 or rows.size == 0:
        return np.zeros((len(asked), 0), dtype=np.int64)
    if rows.ndim != 2 or asked.ndim != 2 or rows.shape[1] != asked.shape[1]:
        raise ValueError(f"rows and queries of equally many numbers are wanted, got shapes {rows.shape}, {asked.shape}")
    if not np.isfinite(rows).all() or not np.isfinite(asked).all():
        raise ValueError("embeddings and queries must be finite")
    found = np.tile(np.arange(len(rows))[:k], (len(asked), 1))
    said = np.flatnonzero(asked.any(axis=1))
    for place, near in zip(said, _candidates(rows, asked[said], k), strict=True):
        found[place] = near[nearest_neighbours(rows[near], asked[place], k)]
    return found


def _candidates(rows: Floats, asked: Floats, k: int) -> Iterator[NDArray[np.int64]]:
    """For each query, rows among which are its k nearest and whatever ties with them, the lowest index first."""
    kept = _preceded_by_fewer(rows, k)
    known = kept[rows[kept].any(axis=1)]
    reach = 2 * k + _SPARE  # k equal rows that begin before the k-th place end before the 2k-th
    if not len(asked) or len(known) <= reach:
        yield from [kept] * len(asked)
        return
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtraError("scikit-learn", EXTRA)
    library: Any = import_module("sklearn.neighbors")
    index = library.NearestNeighbors(n_neighbors=reach, algorithm="brute").fit(_unit(rows[known]))
    distances, places = index.kneighbors(_unit(asked))
    settled = distances[:, -1] ** 2 - distances[:, k - 1] ** 2 > _CLOSE
    for sure, near in zip(settled, np.sort(places, axis=1), strict=True):
        yield known[near] if sure else kept


def _preceded_by_fewer(rows: Floats, k: int) -> NDArray[np.int64]:
    """Indices of the rows before which there are fewer than k equal ones: no other is among the k nearest."""
    whole = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0]
    _, group = np.unique(whole, return_inverse=True)
    order = np.argsort(group, kind="stable")
    before = np.arange(len(rows)) - np.searchsorted(group[order], group[order])
    return np.sort(order[before < k])


def _unit(rows: Floats) -> Floats:
    """Rows scaled to length 1, safe against overflow of the squares."""
    scaled = rows / np.abs(rows).max(axis=1, keepdims=True)
    return np.asarray(scaled / np.linalg.norm(scaled, axis=1, keepdims=True))
