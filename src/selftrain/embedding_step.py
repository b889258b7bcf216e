"""The step of an embedding: what determines its vectors, and how they are kept."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftrain.digest import digest
from selftrain.embeddings import BATCH, Embed, embedder_digest
from selftrain.metrics import Count
from selftrain.progress import progress
from selftrain.store import Step

EMBEDDED_AT_ONCE = 256
"""Texts whose vectors are written together."""


def embedding_inputs(name: str, precision: str) -> dict[str, Any]:
    """Everything that determines the vectors, but the texts; raises as `embedder_folder` does."""
    return {"embedder": embedder_digest(name), "precision": precision, "block": EMBEDDED_AT_ONCE, "batch": BATCH}


def embedded(step: Step, texts: Sequence[str], load: Callable[[], Embed], count: Count) -> NDArray[np.float32]:
    """A row for each text, shape [texts, dimensions], or [0, 0] without texts; `load` is called if one is missing.

    What is computed together rounds together: the blocks are cut from all distinct texts, the longest first, and a
    vector is known by its block, so that neither a crash nor what was embedded before changes a bit.
    """
    keys = [digest(text) for text in texts]
    ordered = sorted(dict(zip(keys, texts, strict=True)).items(), key=_longest_first)
    found: dict[str, str] = {}
    embed: Embed | None = None
    with progress("embed", len(ordered)) as tick:
        for start in range(0, len(ordered), EMBEDDED_AT_ONCE):
            block = dict(ordered[start : start + EMBEDDED_AT_ONCE])
            name = digest(list(block))
            ids = {key: f"{name}-{key}" for key in block}
            if not all(row in step.rows for row in ids.values()):
                embed = embed or load()
                vectors = embed(list(block.values()))
                step.append([{"id": ids[key], "vector": packed(row)} for key, row in zip(ids, vectors, strict=True)])
                count(rows=len(block))
            found.update((key, step.rows[row]["vector"]) for key, row in ids.items())
            tick(len(block))
    return np.stack([unpacked(found[key]) for key in keys]) if keys else np.zeros((0, 0), dtype=np.float32)


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
