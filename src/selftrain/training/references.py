"""References: log-probabilities of completions under the reference model, computed once and kept in a file."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from selftrain.digest import digest
from selftrain.errors import WorkspaceError

Item: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
"""The token ids of a prompt and of its completion."""


def blocks_of(items: Sequence[Item], size: int) -> list[list[Item]]:
    """The items, each once, in blocks of at most `size`; those next to each other have much in common.

    What is computed together rounds together: equal items make equal blocks, whatever was computed before.
    """
    ordered = sorted(set(items))
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


class References:
    """Log-probabilities (nats) of whole completions, kept by blocks in a file of JSON lines, one a block.

    The first line names the reference model and how it was computed with; a line torn by a crash is cut off.
    Raises WorkspaceError for a file of another model.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        self._header = json.dumps({"reference": fingerprint})
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith(b"\n")]
        if whole and whole[0].decode().rstrip() != self._header:
            raise WorkspaceError(f"{path} holds log-probabilities of another reference model: remove it")
        self._size = sum(map(len, whole))
        try:
            rows = [json.loads(line) for line in whole[1:]]
            self._found: dict[str, list[float]] = {row["block"]: [float(x) for x in row["logprobs"]] for row in rows}
        except (KeyError, TypeError, ValueError):
            raise WorkspaceError(f"{path} holds a line that is no block of log-probabilities: remove it") from None

    def missing(self, blocks: Sequence[Sequence[Item]]) -> list[Sequence[Item]]:
        """The blocks that are not there yet."""
        return [block for block in blocks if len(self._found.get(digest(block), ())) != len(block)]

    def add(self, found: Sequence[tuple[Sequence[Item], Sequence[float]]], *, write: bool = True) -> None:
        """Takes the log-probabilities of blocks, and writes them down if this process is the one to do it."""
        new = {digest(block): list(values) for block, values in found}
        self._found.update(new)
        if write:
            lines = [] if self._size else [self._header]
            lines += [json.dumps({"block": key, "logprobs": values}) for key, values in new.items()]
            text = "".join(line + "\n" for line in lines).encode()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.truncate(self._size)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            self._size += len(text)

    def by_item(self, blocks: Sequence[Sequence[Item]]) -> Mapping[Item, float]:
        """The log-probability of each item of these blocks, all of which are there."""
        return {item: value for block in blocks for item, value in zip(block, self._found[digest(block)], strict=True)}
