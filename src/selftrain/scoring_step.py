"""The step of what a model tells of given completions, token by token: how it is cut and kept."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from selftrain.blocks import Blocks
from selftrain.digest import digest
from selftrain.engines.scoring import PAIRS_AT_ONCE, Pair
from selftrain.store import Row


def told(
    blocks: Blocks, pairs: Sequence[Pair], column: str, tell: Callable[[Sequence[Pair]], Iterable[list[float]]]
) -> list[list[float]]:
    """What `tell` yields for each (prompt, completion), a number a completion token; rows keep it as `column`."""
    keys = [digest([list(prompt), list(completion)]) for prompt, completion in pairs]

    def make(block: Sequence[Pair]) -> Iterable[Row]:
        return ({column: values} for values in tell(block))

    def tokens(row: Row) -> int:
        return len(row[column])

    items = dict(zip(keys, pairs, strict=True))
    rows = blocks.rows(items, make, order=_by_prompt, size=PAIRS_AT_ONCE, tokens=tokens)
    return [rows[key][column] for key in keys]


def _by_prompt(item: tuple[str, Pair]) -> tuple[Any, ...]:
    """Where a keyed pair stands among those told of together: prompts of one length, and equal ones, side by side."""
    prompt, completion = item[1]
    return len(prompt), list(prompt), len(completion), list(completion)
