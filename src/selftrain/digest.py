"""Content hashes: one way to turn plain values into a short stable name."""

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def digest(value: Any, length: int = 16) -> str:
    """Hex digest of a JSON-serialisable value; equal values give equal digests on every machine.

    Mappings are hashed with sorted keys; tuples equal lists. Raises TypeError for a value without
    a JSON form.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def seed_from(value: Any) -> int:
    """A seed in [0, 2**63) fixed by a JSON-serialisable value."""
    return int(digest(value, 16), 16) >> 1


def files_digest(paths: Iterable[Path], length: int = 16) -> str:
    """Digest of the names and bytes of files, in the order of their names."""
    state = hashlib.sha256()
    for path in sorted(paths, key=lambda p: p.name):
        state.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            state.update(hashlib.file_digest(file, "sha256").digest())
    return state.hexdigest()[:length]


def normal_text(text: str) -> str:
    """Text as compared for identity: NFC (3² is not 32), white space folded."""
    return " ".join(unicodedata.normalize("NFC", text).split())
