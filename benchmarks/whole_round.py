"""How long a whole round takes, beside a script of `generate` and TRL that does the same.

    python benchmarks/whole_round.py --repeats 3 --out whole_round.json

One side is `selftrain run` with `whole_round.yaml`: a workspace and a cache of its own (only the unpacked base is
there), durable steps, audits and the report included. The other is `plain_round.py`, which draws as many responses
to the same problems with the same prompts, judges them with the same judge, and trains on as many rows with TRL's
SFTTrainer. Both are timed as whole processes, from start to end. Each repeat has a seed, and so problems, of its own.
What was measured is kept in the file, so a run that was cut short goes on where it stopped.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

from measuring import Measurement, Record, in_own_process, machine
from rich.table import Table

from selftrain.digest import files_digest

HERE = Path(__file__).parent
CONFIG = HERE / "whole_round.yaml"
SELFTRAIN, PLAIN = "selftrain", "generate and TRL"
WORK = ("responses", "prompt tokens", "new tokens", "rows", "trained tokens")
TIMES = ("seconds", "sampling s", "training s")


def run_selftrain(seed: int) -> Measurement:
    """`selftrain run` in a workspace and cache of its own."""
    from selftrain.models.cache import default_cache

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "cache").mkdir()
        (folder / "cache" / "models").symlink_to(default_cache().resolve() / "models")
        command = [sys.executable, "-c", "from selftrain.cli import main; main()", "run", str(CONFIG)]
        start = time.perf_counter()
        done = subprocess.run(
            [*command, f"workspace={folder}", "name=run", f"seed={seed}"],
            capture_output=True,
            text=True,
            env={**os.environ, "SELFTRAIN_CACHE": str(folder / "cache")},
        )
        seconds = time.perf_counter() - start
        if done.returncode:
            sys.exit(f"selftrain run failed:\n{done.stderr[-2000:]}")
        return {"seconds": seconds, **work_of(folder / "run" / "metrics.jsonl")}


def work_of(metrics: Path) -> Measurement:
    """What a run has done and how long its stages took."""
    events = [json.loads(line) for line in metrics.read_text().splitlines()]
    stages = [event for event in events if event["event"] == "stage"]
    drawn = [stage for stage in stages if stage["stage"].startswith("sample")]
    trained = [stage for stage in stages if stage["stage"] == "train"]

    def total(parts: list[Measurement], key: str) -> float:
        return float(sum(part[key] for part in parts))

    return {
        "responses": total(drawn, "rows"),
        "prompt tokens": total(drawn, "prompt_tokens"),
        "new tokens": total(drawn, "tokens"),
        "rows": total(trained, "rows"),
        "trained tokens": total(trained, "tokens"),
        "sampling s": total(drawn, "seconds"),
        "training s": total(trained, "seconds"),
    }


def run_plain(seed: int, rows: int) -> Measurement:
    """`plain_round.py` on the same problems, training on `rows` rows."""
    start = time.perf_counter()
    done = in_own_process(str(HERE / "plain_round.py"), [CONFIG, f"seed={seed}", "--rows", rows])
    return {"seconds": time.perf_counter() - start, **done}


def compare(repeats: int, out: Path) -> None:
    """Measure what the file lacks, the sides in turns, then print the table."""
    libraries = ("torch", "transformers", "trl", "openvino-genai")
    record = Record(out, {"config": files_digest([CONFIG]), **machine(*libraries)})
    for seed in range(repeats):
        ours = record.take(partial(run_selftrain, seed), side=SELFTRAIN, seed=seed)
        record.take(partial(run_plain, seed, int(ours["rows"])), side=PLAIN, seed=seed)
    record.show(table_of(record))


def table_of(record: Record) -> Table:
    """Times and work of each side, medians and ranges, and the ratio of each pair."""
    sides = [record.of(side=side) for side in (PLAIN, SELFTRAIN)]
    table = Table("median (from - to)", PLAIN, SELFTRAIN, "ratio (from - to)")
    for name in (*TIMES, *WORK):
        plain, ours = ([item[name] for item in side] for side in sides)
        ratios = [one / other for one, other in zip(plain, ours, strict=True)]
        digits = 1 if name in TIMES else 0
        table.add_row(name, spread(plain, digits), spread(ours, digits), spread(ratios, 2))
    return table


def spread(values: list[float], digits: int) -> str:
    middle, low, high = (f"{value:,.{digits}f}" for value in (median(values), min(values), max(values)))
    return f"{middle} ({low} - {high})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("whole_round.json"))
    arguments = parser.parse_args()
    compare(arguments.repeats, arguments.out)


if __name__ == "__main__":
    main()
