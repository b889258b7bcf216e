"""What must not change the weighted loss, and by how much it does: one line for each promise.

    python benchmarks/invariants.py
    python benchmarks/invariants.py --processes

A random Llama of 7,120 weights is trained for one step in float32 by gradient descent, so that the gradient can be
read off the weights. Each line trains on the same rows twice, differing in one thing, and shows the largest
difference of the loss and of the gradient beside the largest entry of the gradient; the promise is 1e-5. Rows are
six or ten of different lengths and weights.

`--processes` trains six steps (the last of an epoch incomplete) in one process and in two, started by torchrun with
gloo, and shows their losses side by side, with the largest difference of the weights after every step; and the loss
and gradient of one batch of a model spread by `fully_shard`.
"""

import argparse
import copy
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import datasets
import torch
from rich.console import Console
from rich.table import Table

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "training")]

import test_training_preferences as preferences  # noqa: E402
import test_training_sft as sft  # noqa: E402
from test_training_processes import start  # noqa: E402
from tiny import tiny_tokenizer  # noqa: E402
from trajectories import RATE, flat, run, settings, tiny_llama  # noqa: E402
from trl import SFTConfig, SFTTrainer  # noqa: E402

from selftrain.training import WeightedCollator, WeightedSFTTrainer, head  # noqa: E402

PROMISE = 1e-5
SIX = [0.5, 1.5, 1, 0, 2, 1]
SECOND, TRIPLED = "second computation, float64, row by row", "weights times 3: gradient times 3"
Step = tuple[float, torch.Tensor]
"""The loss of a step and its gradient."""


class Lab:
    """One step of a training, of every kind."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tokenizer, self.base = folder, tiny_tokenizer(), tiny_llama()
        self.reference = copy.deepcopy(self.base)
        torch.manual_seed(1)
        for parameter in self.reference.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)

    def step(
        self, trainer: Any, config: Any, rows: list[dict[str, Any]], changes: dict[str, Any], **others: Any
    ) -> Step:
        once = {"num_train_epochs": 1, "per_device_train_batch_size": len(rows)}
        args = settings(config, self.folder, **{**once, **changes})
        made = run(trainer, args, self.base, rows, self.tokenizer, **others)
        return made.losses[0], (flat(self.base) - made.path[0]) / RATE

    def sft(self, loss: str, weights: list[float] = SIX, rows: Any = None, changes: Any = None, **others: Any) -> Step:
        rows = sft.make_rows(weights) if rows is None else rows
        return self.step(WeightedSFTTrainer, SFTConfig, rows, changes or {}, loss=loss, **others)

    def stock_sft(self) -> Step:
        rows = [{k: row[k] for k in ("input_ids", "completion_mask")} for row in sft.make_rows([1] * 6)]
        return self.step(SFTTrainer, SFTConfig, rows, {"completion_only_loss": True})

    def preference(self, kind: str, loss: str, weights: list[float] = SIX, changes: Any = None) -> Step:
        trainer, config = preferences.KINDS[kind]
        rows, own = preferences.make_rows(kind, weights), preferences.chosen_loss(kind, loss)
        own = {"beta": preferences.BETA, **own, "learning_rate": RATE, **(changes or {})}
        return self.step(trainer, config, rows, own, ref_model=copy.deepcopy(self.reference))

    def stock_preference(self, kind: str, loss: str) -> Step:
        rows = [{k: v for k, v in row.items() if k != "weight"} for row in preferences.make_rows(kind, [1] * 6)]
        own = {"beta": preferences.BETA, **preferences.chosen_loss(kind, loss), "learning_rate": RATE}
        config = preferences.KINDS[kind][1]
        return self.step(preferences.stock(kind), config, rows, own, ref_model=copy.deepcopy(self.reference))

    def float64_sft(self, loss: str) -> Step:
        after, value = sft.reference_step(self.base, sft.make_rows(SIX), loss)
        return value, (flat(self.base) - after) / RATE

    def float64_preference(self, kind: str, loss: str) -> Step:
        rows = preferences.make_rows(kind, SIX)
        after, value = preferences.reference_step(self.base, self.reference, kind, rows, loss)
        return value, (flat(self.base) - after) / preferences.chosen_loss(kind, loss)["learning_rate"]


def unpacked() -> Any:
    return mock.patch.object(head, "is_packable", return_value=False)


def scaled(step: Step, factor: float) -> Step:
    return factor * step[0], factor * step[1]


def split(micro: int) -> dict[str, int]:
    return {"per_device_train_batch_size": micro, "gradient_accumulation_steps": 6 // micro}


def sft_promises(lab: Lab, loss: str) -> Iterator[tuple[str, Step, Step]]:
    """(What is varied, one side, the other)."""
    rows, whole = sft.make_rows(SIX), lab.sft(loss)
    yield SECOND, whole, lab.float64_sft(loss)
    for micro in (1, 2, 3):
        yield f"{6 // micro} micro-batches of {micro}", whole, lab.sft(loss, changes=split(micro))
    with unpacked():
        yield "rows padded, not packed", whole, lab.sft(loss)
        wide = WeightedCollator(pad_to_multiple_of=64)
        yield "rows padded to 64 tokens, not packed", whole, lab.sft(loss, data_collator=wide)
    yield "gradient checkpointing", whole, lab.sft(loss, changes={"activation_checkpointing": True})
    yield TRIPLED, lab.sft(loss, [3 * weight for weight in SIX]), scaled(whole, 3)
    other = [{**row, "input_ids": row["input_ids"][::-1]} if row["weight"] == 0 else row for row in rows]
    yield "another text in the row of weight 0", whole, lab.sft(loss, rows=other)


def preference_promises(lab: Lab, kind: str, loss: str) -> Iterator[tuple[str, Step, Step]]:
    """(What is varied, one side, the other)."""
    whole, stock = lab.preference(kind, loss), lab.stock_preference(kind, loss)
    yield f"weights 1, TRL's {kind.upper()}Trainer", lab.preference(kind, loss, [1.0] * 6), stock
    yield SECOND, whole, lab.float64_preference(kind, loss)
    for micro in (2, 3):
        yield f"{6 // micro} micro-batches of {micro}", whole, lab.preference(kind, loss, changes=split(micro))
    with unpacked():
        yield "rows padded, not packed", whole, lab.preference(kind, loss)
    yield TRIPLED, lab.preference(kind, loss, [3 * weight for weight in SIX]), scaled(whole, 3)


def promises(lab: Lab) -> Iterator[tuple[str, str, Step, Step]]:
    """(Kind of training, what is varied, one side, the other)."""
    yield "token", "weights 1, TRL's SFTTrainer", lab.sft("token", [1] * 6), lab.stock_sft()
    for loss in ("token", "sequence"):
        for found in sft_promises(lab, loss):
            yield loss, *found
    for kind, loss in preferences.CASES:
        for found in preference_promises(lab, kind, loss):
            yield kind if kind == loss else f"{kind} {loss}", *found


def show_promises(console: Console) -> bool:
    """Prints a line for each promise; whether all are kept."""
    table = Table("training", "varied", "loss apart", "gradient apart", "largest gradient")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for kind, words, (loss, gradient), (other_loss, other_gradient) in promises(Lab(Path(folder))):
            apart = (gradient - other_gradient).abs().max().item()
            largest = gradient.abs().max().item()
            worst = max(worst, abs(loss - other_loss), apart)
            table.add_row(kind, words, f"{abs(loss - other_loss):.1e}", f"{apart:.1e}", f"{largest:.2f}")
    console.print(table)
    return worst <= PROMISE


def show_processes(console: Console) -> bool:
    """Prints the losses of one process beside those of two; whether they are equal."""
    with tempfile.TemporaryDirectory() as folder:
        one, two = (start(Path(folder) / f"{count}.json", count) for count in (1, 2))
    console.print(f"one process: {one['ranks']}; two: {two['ranks']} (rank, process id), gloo")
    table = Table("training", "losses of 1 process", "losses of 2 processes", "weights apart")
    worst = 0.0
    for kind in ("token", "sequence", "dpo", "kto"):
        paths = (torch.tensor(side[kind]["path"]) for side in (one, two))
        losses = [[f"{loss:.5f}" for loss in side[kind]["losses"]] for side in (one, two)]
        apart = torch.sub(*paths).abs().max().item()
        worst = max(worst, apart)
        table.add_row(kind, *("\n".join(side) for side in losses), f"{apart:.1e}")
    gradients = (torch.tensor(side["sharded"]["gradient"]) for side in (one, two))
    apart = torch.sub(*gradients).abs().max().item()
    table.add_row("fully_shard", *(f"{side['sharded']['loss']:.7f}" for side in (one, two)), f"{apart:.1e} (gradient)")
    console.print(table)
    return max(worst, apart) <= PROMISE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", action="store_true", help="compare one process with two")
    arguments = parser.parse_args()
    datasets.disable_progress_bars()
    torch.set_num_threads(1)
    console = Console(width=120)
    kept = show_processes(console) if arguments.processes else show_promises(console)
    if not kept:
        sys.exit(f"a difference is above {PROMISE}")


if __name__ == "__main__":
    main()
