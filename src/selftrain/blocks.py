"""Blocks: the items of a step that are computed together, and known by their neighbours."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from selftrain.digest import digest
from selftrain.metrics import Metrics
from selftrain.progress import progress
from selftrain.store import Row, Workspace

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Blocks:
    """A step whose rows are made in blocks.

    What is computed together rounds together: the blocks are cut from all items of a call, in one order, and a row is
    known by its block, so that neither a crash nor what was computed before changes a bit.
    """

    workspace: Workspace
    metrics: Metrics
    kind: str
    inputs: Mapping[str, Any]
    """Everything that determines the rows, but the items."""
    label: str
    """The name of the stage."""

    def rows(
        self,
        items: Mapping[str, Item],
        make: Callable[[Sequence[Item]], Iterable[Row]],
        *,
        order: Callable[[tuple[str, Item]], Any],
        size: int,
        tokens: Callable[[Row], int] = lambda row: 0,
    ) -> dict[str, Row]:
        """The row of each keyed item; `make` is called with each block that is not there, of at most `size` items.

        `order` says where a keyed item stands among the others, `tokens` how many a row counts for.
        """
        ordered = sorted(items.items(), key=order)
        found: dict[str, Row] = {}
        with (
            self.workspace.step(self.kind, self.inputs) as step,
            self.metrics.stage(self.label, len(ordered)) as count,
            progress(self.label, len(ordered)) as tick,
        ):
            for start in range(0, len(ordered), size):
                block = dict(ordered[start : start + size])
                name = digest(list(block))
                ids = {key: f"{name}-{key}" for key in block}
                if not step.rows.keys() >= set(ids.values()):
                    made = list(zip(ids.values(), make(list(block.values())), strict=True))
                    step.append([{"id": row_id, **row} for row_id, row in made])
                    count(rows=len(made), tokens=sum(tokens(row) for _, row in made))
                found.update((key, step.rows[row_id]) for key, row_id in ids.items())
                tick(len(block))
            step.seal()
        return found
