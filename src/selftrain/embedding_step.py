"""The step of an embedding: what determines its vectors, and how they are kept."""

import base64
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftrain.blocks import Blocks
from selftrain.digest import digest
from selftrain.embeddings import BATCH, Embed, embedder_digest
from selftrain.store import Row

EMBEDDED_AT_ONCE = 256
"""Texts whose vectors are written together."""


def embedding_inputs(name: str, precision: str) -> dict[str, Any]:
    """Everything that determines the vectors, but the texts; raises as `embedder_folder` does."""
    return {"embedder": embedder_digest(name), "precision": precision, "block": EMBEDDED_AT_ONCE, "batch": BATCH}


def embedded(blocks: Blocks, texts: Sequence[str], load: Callable[[], Embed]) -> NDArray[np.float32]:
    """A row for each text, shape [texts, dimensions], or [0, 0] without texts; `load` is called if one is missing."""
    keys = [digest(text) for text in texts]
    embed = cache(load)

    def make(block: Sequence[str]) -> Iterator[Row]:
        return ({"vector": packed(vector)} for vector in embed()(block))

    rows = blocks.rows(dict(zip(keys, texts, strict=True)), make, order=_longest_first, size=EMBEDDED_AT_ONCE)
    return np.stack([unpacked(rows[key]["vector"]) for key in keys]) if keys else np.zeros((0, 0), dtype=np.float32)


def packed(vector: NDArray[np.float32]) -> str:
    """A vector as a step holds it, its little-endian bytes in base64: a list of numbers takes six times the memory."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def unpacked(text: str) -> NDArray[np.float32]:
    """The vector that `packed` wrote, to the bit."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)


def _longest_first(item: tuple[str, str]) -> tuple[int, str]:
    """Where a keyed text stands: beside others of its length, so that little is filled up."""
    key, text = item
    return -len(text), key
