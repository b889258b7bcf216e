"""How fast rows are trained, beside TRL's own SFTTrainer on the same rows.

    python benchmarks/training_speed.py --rows 256 --method both --repeats 3 --out training_speed.json
    python benchmarks/training_speed.py --loss-check

Both sides train SmolLM2-135M on problems of the demo's reasoning-gym families, put with its chat prompt and
answered with their gold answers: float32 weights, bf16 products, AdamW (fused), 16 padded rows a step in the same
order, loss on the completions alone, no gradient checkpointing, no packing. TRL's side is `SFTTrainer` as it comes,
ours is `train_sft` with every weight 1. Each measurement is a process of its own and the sides take turns; timed are
whole optimizer steps, from the log of the last warm-up step to the log of the last step, without loading and saving.
What was measured is kept in the file, so a run that was cut short goes on where it stopped.

`--loss-check` trains both in float32 for a few steps and exits with 1 where their losses differ by more than 1e-4.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from measuring import Measurement, Record, in_own_process, machine
from rich.table import Table

SIDES = ("trl", "selftrain")
WARM_UP = 3
"""Steps before the clock starts: the first ones pack weights and grow memory."""
CHECKED_ROWS = 64
TOLERANCE = 1e-4
LEARNING_RATE = {"full": 5e-5, "lora": 2e-4}
BATCH = 16
SEED = 0
LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate")


def make_rows(tokenizer: Any, count: int) -> list[Any]:
    """The first `count` training problems of the demo, shuffled, each with its gold answer as the completion."""
    from selftrain.config import load_config
    from selftrain.prompts import Renderer
    from selftrain.tasks.load import load_task
    from selftrain.training_set import Row

    config = load_config("demo")
    problems = list(load_task(config.task, SEED).splits["train"])
    random.Random(SEED).shuffle(problems)
    renderer = Renderer(tokenizer, config.prompt, ())
    rows = []
    for problem in problems[:count]:
        prompt, completion = renderer.prompt(problem), renderer.completion(str(problem.gold), finished=True)
        rows.append(
            Row(
                input_ids=prompt + completion,
                completion_start=len(prompt),
                weight=1.0,
                problem=problem.id,
                response="",
                prompt_text="",
                completion_text="",
            )
        )
    return rows


def train_with_selftrain(
    model: Any, tokenizer: Any, rows: list[Any], method: Any, precision: Any, folder: Path
) -> list[tuple[float, float]]:
    """(time, loss) at the log of every step."""
    from selftrain.training import TrainingConfig, train_sft

    config = TrainingConfig(
        method=method, epochs=1, learning_rate=LEARNING_RATE[method], batch_size=BATCH, precision=precision
    )
    logs: list[tuple[float, float]] = []
    train_sft(
        model,
        tokenizer,
        rows,
        config,
        seed=SEED,
        folder=folder,
        on_log=lambda figures: logs.append((time.perf_counter(), figures["loss"])),
    )
    return logs


def train_with_trl(
    model: Any, tokenizer: Any, rows: list[Any], method: str, precision: str, folder: Path
) -> list[tuple[float, float]]:
    """(time, loss) at the log of every step."""
    from stock_trl import stock_trainer
    from transformers import TrainerCallback

    from selftrain.training import TrainingConfig
    from selftrain.training.arguments import lora_adapter

    logs: list[tuple[float, float]] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            if "loss" in others["logs"]:
                logs.append((time.perf_counter(), others["logs"]["loss"]))

    trainer = stock_trainer(
        model,
        tokenizer,
        [(row.input_ids, row.completion_start) for row in rows],
        folder,
        batch=BATCH,
        learning_rate=LEARNING_RATE[method],
        bf16=precision == "bf16",
        seed=SEED,
        adapter=lora_adapter(TrainingConfig(method="lora")) if method == "lora" else None,
        callbacks=[Clock()],
    )
    trainer.train()
    return logs


def measure(side: str, method: str, precision: str, count: int) -> Measurement:
    """Train in this process: rows/s after the warm-up, the losses, and the peak of resident memory in GB."""
    from selftrain.models import load_model, load_tokenizer, resolve_model

    base = resolve_model("smollm2")
    tokenizer = load_tokenizer(base)
    rows = make_rows(tokenizer, count)
    train = {"trl": train_with_trl, "selftrain": train_with_selftrain}[side]
    with tempfile.TemporaryDirectory() as folder:
        logs = train(load_model(base), tokenizer, rows, method, precision, Path(folder))
    times, losses = zip(*logs, strict=True)
    return {
        "rows_per_second": (count - WARM_UP * BATCH) / (times[-1] - times[WARM_UP - 1]),
        "losses": losses,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def in_process(side: str, method: str, precision: str, count: int) -> Measurement:
    """`measure` in a fresh process."""
    command = ["--measure", side, "--method", method, "--precision", precision, "--rows", count]
    return in_own_process(__file__, command)


def compare(methods: list[str], count: int, repeats: int, out: Path) -> None:
    """Measure what the file lacks, the sides in turns, then print the table."""
    settings = {"rows": count, "batch": BATCH, "warm_up_steps": WARM_UP}
    record = Record(out, {**settings, **machine(*LIBRARIES)})
    for method in methods:
        for repeat in range(repeats):
            for side in SIDES:
                record.take(partial(in_process, side, method, "bf16", count), method=method, repeat=repeat, side=side)
    record.show(table_of(record))


def table_of(record: Record) -> Table:
    """One line for each method: medians, the ratio of each pair of neighbours, memory."""
    table = Table("method", "TRL rows/s", "selftrain rows/s", "ratio", "from - to", "TRL GB", "selftrain GB")
    for method in LEARNING_RATE:
        pairs = list(zip(*(record.of(method=method, side=side) for side in SIDES), strict=False))
        if pairs:
            speeds = [[item["rows_per_second"] for item in side] for side in zip(*pairs, strict=True)]
            ratios = [ours / trl for trl, ours in zip(*speeds, strict=True)]
            memory = [f"{max(item['peak_gb'] for item in side):.2f}" for side in zip(*pairs, strict=True)]
            rates = [f"{median(side):.2f}" for side in speeds]
            span = f"{min(ratios):.2f} - {max(ratios):.2f}"
            table.add_row(method, *rates, f"{median(ratios):.2f}", span, *memory)
    return table


def check_losses(methods: list[str]) -> None:
    """Exit with 1 unless both sides have the same losses in float32."""
    for method in methods:
        trl, ours = (in_process(side, method, "fp32", CHECKED_ROWS)["losses"] for side in SIDES)
        apart = max(abs(one - other) for one, other in zip(trl, ours, strict=True))
        print(f"{method}: {len(ours)} losses from {ours[0]:.4f} to {ours[-1]:.4f}, at most {apart:.1e} apart")
        if not apart <= TOLERANCE:
            sys.exit(f"the losses differ by more than {TOLERANCE}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=256, help="rows trained in one measurement")
    parser.add_argument("--method", choices=[*LEARNING_RATE, "both"], default="both")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("training_speed.json"))
    parser.add_argument("--loss-check", action="store_true", help="compare the losses instead of the speed")
    parser.add_argument("--measure", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    methods = list(LEARNING_RATE) if arguments.method == "both" else [arguments.method]
    if arguments.rows % BATCH or arguments.rows // BATCH <= WARM_UP:
        parser.error(f"--rows {arguments.rows}: a multiple of {BATCH} above {WARM_UP * BATCH} is wanted")
    if arguments.measure:
        found = measure(arguments.measure, *methods, arguments.precision, arguments.rows)
        arguments.out.write_text(json.dumps(found))
    elif arguments.loss_check:
        check_losses(methods)
    else:
        compare(methods, arguments.rows, arguments.repeats, arguments.out)


if __name__ == "__main__":
    main()
