"""What weights cost, what packing brings and what memory training takes, beside TRL's own SFTTrainer.

    python benchmarks/weighted_training.py --part overhead --out weighted_training.json

All sides train SmolLM2-135M in full: float32 weights, bf16 products, AdamW (fused), the loss on completions alone.
Ours is `WeightedSFTTrainer` used on its own; "stock" is `SFTTrainer` as it comes. Speeds are by CPU time over all
threads, as the machine may be shared; the wall clock's are kept in the file. Targets:

overhead: a step takes at most 1.03 times that of an `SFTTrainer` with the same output head and no weights.
    The rows are those of `training_speed.py`, 16 a step. Both hold their own copies of the model in one process and
    take turns, one step each; a repeat's ratio is the median over its neighbouring steps. Stock TRL has its own.
packing: at least 1.3 times the non-padding tokens a second of the same trainer with padding and
    `train_sampling_strategy="group_by_length"`. 512 rows: a prompt begins with the row's number and puts a problem of
    the demo, the completion is other problems with their answers, cut to 10 to 600 tokens (log-uniform); nothing
    is shared. 16 rows a step, all at once unless `--at-once` says fewer; packed rows come in random order. The first
    step is not timed, the next 8 are: as many as the sampler sorts together of 512 rows, which leaves 17% of padding
    (9% with 8 rows at once). The padded sides need 17 GB, half with 8 rows at once.
memory: the peak of resident memory is at most stock's, with and without gradient checkpointing: 4 steps of 4 rows of
    1,024 tokens, of which 64 are the prompt, and a vocabulary of 49,152.

A measurement is a process of its own, and the sides take turns. What was measured is kept in the file, so a run that
was cut short goes on where it stopped.
"""

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from measuring import Measurement, Record, in_own_process, machine
from rich.table import Table
from stock_trl import Rows, completions, sft_settings

SEED = 0
LIBRARIES = ("torch", "transformers", "trl", "accelerate")
BATCH = 16
SHORT_STEPS, WARM_UP = 8, 2
TOLERANCE = 1e-4
MIXED_ROWS, PACKED_STEPS = 512, 8
SHORTEST, LONGEST = 10, 600
LONG_ROWS, LONG_STEPS, LONG_TOKENS, LONG_PROMPT = 4, 4, 1024, 64
OURS = "weighted"
SIDES = {
    "overhead": (OURS, "stock"),
    "packing": (OURS, "padded", "stock"),
    "memory": (OURS, "stock"),
    "memory, checkpointed": (OURS, "stock"),
}
UNITS = {
    "overhead": "CPU s/step",
    "packing": "tokens/CPU s",
    "memory": "peak GB",
    "memory, checkpointed": "peak GB",
}
WANTED = {"overhead": "<= 1.03", "packing": ">= 1.3", "memory": "<= 1", "memory, checkpointed": "<= 1"}


def short_rows(tokenizer: Any, count: int) -> Rows:
    from training_speed import make_rows

    return [(row.input_ids, row.completion_start) for row in make_rows(tokenizer, count)]


def mixed_rows(tokenizer: Any, count: int) -> Rows:
    """Prompts that begin with their number, and completions of 10 to 600 tokens."""
    texts, draw = demo_texts(), random.Random(SEED)
    rows = []
    for number in range(count):
        prompt = tokenizer.encode(f"{number}. {next(texts)}\n")
        length = round(SHORTEST * (LONGEST / SHORTEST) ** draw.random())
        rows.append((prompt + tokens_of(tokenizer, texts, length), len(prompt)))
    return rows


def long_rows(tokenizer: Any, count: int) -> Rows:
    texts = demo_texts()
    return [(tokens_of(tokenizer, texts, LONG_TOKENS), LONG_PROMPT) for _ in range(count)]


def demo_texts() -> Iterator[str]:
    """Problems of the demo with their answers, drawn without end."""
    from selftrain.config import load_config
    from selftrain.tasks.load import load_task

    problems = list(load_task(load_config("demo").task, SEED).splits["train"])
    draw = random.Random(SEED)
    while True:
        problem = draw.choice(problems)
        yield f"{problem.messages[0].content} {problem.gold}"


def tokens_of(tokenizer: Any, texts: Iterator[str], count: int) -> list[int]:
    """The first `count` tokens of texts, one a line."""
    ids: list[int] = []
    while len(ids) < count:
        ids += tokenizer.encode(next(texts) + "\n")
    return ids[:count]


def trainer_classes() -> dict[str, Any]:
    """The trainer of each side."""
    from trl import SFTTrainer

    from selftrain.training import WeightedSFTTrainer, head

    class SameHead(SFTTrainer):  # type: ignore[misc]
        """TRL's trainer with our output head: the plain mean over the step's tokens."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            head.add_completion_nll(self.model)

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            labels = inputs.pop("labels")
            return model(**inputs, completion_labels=labels).sum() / num_items_in_batch

    class Padded(WeightedSFTTrainer):  # type: ignore[misc]
        """Our trainer without packing."""

        def __init__(self, *args: Any, **options: Any) -> None:
            with patch.object(head, "is_packable", lambda _model: False):
                super().__init__(*args, **options)

    return {"stock": SFTTrainer, "same head": SameHead, "padded": Padded, OURS: WeightedSFTTrainer}


def make_trainer(side: str, make_rows: Callable[[Any, int], Rows], count: int, folder: Path, **settings: Any) -> Any:
    """The trainer of a side, on its own copy of the model; every weight is 1."""
    from transformers import PrinterCallback

    from selftrain.models import load_model, load_tokenizer, resolve_model

    base = resolve_model("smollm2")
    tokenizer = load_tokenizer(base)
    rows = completions(make_rows(tokenizer, count))
    if side in (OURS, "padded"):
        rows = rows.add_column("weight", [1.0] * len(rows))
    args = sft_settings(
        folder / side, **{"learning_rate": 5e-5, "bf16": True, "seed": SEED, "num_train_epochs": 1, **settings}
    )
    trainer = trainer_classes()[side](load_model(base), args, train_dataset=rows, processing_class=tokenizer)
    trainer.remove_callback(PrinterCallback)
    return trainer


class Turns:
    """Lets trainers, each in a thread of its own, take turns step by step, and times the steps."""

    def __init__(self, trainers: dict[str, Any]) -> None:
        self.seconds: dict[str, list[tuple[float, float]]] = {side: [] for side in trainers}
        """Of each side its steps, by the wall clock and in CPU time."""
        self.trainers = trainers
        self._waiting = list(trainers)
        self._turn = threading.Condition()
        self._begun = now()
        for side, trainer in trainers.items():
            trainer.add_callback(at_step_end(partial(self._hand_over, side)))

    def run(self) -> None:
        with ThreadPoolExecutor(len(self.trainers)) as threads:
            for training in [threads.submit(self._train, side) for side in self.trainers]:
                training.result()

    def _train(self, side: str) -> None:
        try:
            self._wait(side)
            self.trainers[side].train()
        finally:
            with self._turn:
                self._waiting.remove(side)
                self._turn.notify_all()

    def _hand_over(self, side: str) -> None:
        wall, cpu = now()
        self.seconds[side].append((wall - self._begun[0], cpu - self._begun[1]))
        with self._turn:
            self._waiting.append(self._waiting.pop(0))
            self._turn.notify_all()
        self._wait(side)

    def _wait(self, side: str) -> None:
        with self._turn:
            self._turn.wait_for(lambda: self._waiting[0] == side)
        self._begun = now()


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def at_step_end(act: Callable[[], None]) -> Any:
    from transformers import TrainerCallback

    class AtStepEnd(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            act()

    return AtStepEnd()


def measure_overhead(side: str, folder: Path) -> Measurement:
    """CPU seconds of each step after the warm-up: of stock TRL, or of ours and the same head in turns.

    Exits where weights of 1 change the loss.
    """
    settings = {"per_device_train_batch_size": BATCH, "train_sampling_strategy": "sequential"}
    sides = (side,) if side == "stock" else ("same head", side)
    turns = Turns({name: make_trainer(name, short_rows, BATCH * SHORT_STEPS, folder, **settings) for name in sides})
    turns.run()
    losses = [[log["loss"] for log in trainer.state.log_history[:-1]] for trainer in turns.trainers.values()]
    if (apart := max(max(step) - min(step) for step in zip(*losses, strict=True))) > TOLERANCE:
        sys.exit(f"the losses of equal trainings are {apart} apart: {losses}")
    steps = {name: steps[WARM_UP:] for name, steps in turns.seconds.items()}
    return {
        "wall": {name: [wall for wall, _ in found] for name, found in steps.items()},
        "cpu": {name: [cpu for _, cpu in found] for name, found in steps.items()},
    }


def measure_packing(side: str, folder: Path, at_once: int) -> Measurement:
    """Tokens trained, the share of padding beside them, and the seconds they took, after the first step; peak GB."""
    order = "random" if side == OURS else "group_by_length"
    settings = {"per_device_train_batch_size": at_once, "gradient_accumulation_steps": BATCH // at_once}
    trainer = make_trainer(
        side, mixed_rows, MIXED_ROWS, folder, max_steps=PACKED_STEPS + 1, train_sampling_strategy=order, **settings
    )
    masks: list[tuple[int, int]] = []
    marks: list[tuple[float, float]] = []
    compute = trainer.compute_loss

    def counted(model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
        masks.append((int(inputs["attention_mask"].sum()), inputs["attention_mask"].numel()))
        return compute(model, inputs, *args, **options)

    trainer.add_callback(at_step_end(lambda: marks.append(now())))
    with patch.object(trainer, "compute_loss", counted):
        trainer.train()
    tokens, places = (sum(numbers) for numbers in zip(*masks[BATCH // at_once :], strict=True))
    wall, cpu = (end - start for start, end in zip(marks[0], marks[-1], strict=True))
    return {"tokens": tokens, "padding": 1 - tokens / places, "wall": wall, "cpu": cpu, "peak": peak()}


def measure_memory(side: str, folder: Path, *, checkpointed: bool) -> Measurement:
    """The peak of resident memory in GB."""
    settings = {"per_device_train_batch_size": LONG_ROWS, "activation_checkpointing": checkpointed}
    make_trainer(side, long_rows, LONG_ROWS * LONG_STEPS, folder, **settings).train()
    return {"peak": peak()}


def peak() -> float:
    """Of this process's resident memory, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(part: str, side: str, at_once: int) -> Measurement:
    """Measure in this process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if part == "overhead":
            return measure_overhead(side, folder)
        if part == "packing":
            return measure_packing(side, folder, at_once)
        return measure_memory(side, folder, checkpointed=part != "memory")


def figures(part: str, taken: dict[str, Measurement]) -> dict[str, list[float]]:
    """Of one repeat the figures of each side: of every step where the sides took turns, one otherwise."""
    if part == "overhead":
        return {side: seconds for item in taken.values() for side, seconds in item["cpu"].items()}
    if part == "packing":
        return {side: [item["tokens"] / item["cpu"]] for side, item in taken.items()}
    return {side: [item["peak"]] for side, item in taken.items()}


def table_of(record: Record) -> Table:
    """A line for each side that a part measures ours beside; the target is on the first."""
    table = Table("part", "beside", "selftrain", "other", "ratio", "from - to", "wanted")
    for part, sides in SIDES.items():
        columns = zip(*(record.of(part=part, side=side) for side in sides), strict=False)
        repeats = [figures(part, dict(zip(sides, items, strict=True))) for items in columns]
        wanted = WANTED[part]
        for other in repeats[0] if repeats else ():
            if other == OURS:
                continue
            pairs = [zip(found[OURS], found[other], strict=True) for found in repeats]
            ratios = [median(one / two for one, two in pair) for pair in pairs]
            ours, beside = (f"{median(n for found in repeats for n in found[side]):.4g}" for side in (OURS, other))
            span = f"{min(ratios):.3f} - {max(ratios):.3f}"
            table.add_row(f"{part}, {UNITS[part]}", other, ours, beside, f"{median(ratios):.3f}", span, wanted)
            wanted = ""
    return table


def take_all(parts: list[str], repeats: int, at_once: int, out: Path) -> None:
    """Measure what the file lacks, the sides in turns, then print the table."""
    # Threads that free and take memory by turns would hand it back to the system each time.
    os.environ["MALLOC_ARENA_MAX"] = "1"
    record = Record(out, {"batch": BATCH, "at_once": at_once, "mixed_rows": MIXED_ROWS, **machine(*LIBRARIES)})
    for repeat in range(repeats):
        for part in parts:
            for side in SIDES[part]:
                command = ["--part", part, "--measure", side, "--at-once", at_once]
                record.take(partial(in_own_process, __file__, command), part=part, repeat=repeat, side=side)
    record.show(table_of(record))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=list(SIDES), help="one part alone")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--at-once", type=int, choices=[4, 8, 16], default=BATCH, help="rows of one forward (packing)")
    parser.add_argument("--out", type=Path, default=Path("weighted_training.json"))
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        found = measure(arguments.part, arguments.measure, arguments.at_once)
        arguments.out.write_text(json.dumps(found))
    else:
        parts = [arguments.part] if arguments.part else list(SIDES)
        take_all(parts, arguments.repeats, arguments.at_once, arguments.out)


if __name__ == "__main__":
    main()
