"""An embedder without a model, for runs in this process and in others: a text's direction comes of its bytes."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 8


def put(replace: Callable[[object, str, object], Any] = setattr) -> None:
    """Puts it in the place of every model of sentence embeddings."""
    from selftrain import embedding_step, verbs
    from selftrain.recipes import _demonstrations

    replace(verbs, "load_embedder", lambda name, *, precision: embed)
    for module in (embedding_step, _demonstrations):
        replace(module, "embedder_digest", lambda name: f"compass {name}")


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Rows of unit length."""
    rows = np.array([_direction(text) for text in texts], dtype=np.float32).reshape(-1, WIDTH)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _direction(text: str) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    return np.random.default_rng(seed).normal(size=WIDTH)
