"""Seconds and memory of `selftrain audit` on two large made-up logs, and how they grow with the number of samples.

python benchmarks/audit_speed.py

10,000 problems, 64 responses of 60 words to each, two models, all figures but the semantic diversity, 2,000 draws;
beside it a quarter and a half of the problems, for the slope. Each audit is the command, in a process of its own.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

from measuring import Record
from rich.table import Table

WORDS, VOCABULARY, ANSWERS = 60, 5000, 12
SIZES = (2500, 5000, 10_000)
EACH = 64


def main() -> None:
    """Makes the logs, then audits them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("audit-speed"), help="where logs and measurements are kept")
    parser.add_argument("--pairs", type=int, default=1, help="measurements of each size")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    record = Record(options.folder / "audit_speed.json", {"responses": EACH, "words": WORDS, "draws": 2000})
    table = Table("problems", "samples", "log MB", "seconds", "us a sample", "peak MB", title="selftrain audit")
    for size in SIZES:
        logs = [made(options.folder / f"{name}-{size}.jsonl", size, seed) for seed, name in enumerate(("one", "two"))]
        for pair in range(options.pairs):
            found = record.take(lambda logs=logs: audited(logs), problems=size, pair=pair)
            samples = 2 * size * EACH
            megabytes = sum(log.stat().st_size for log in logs) / 1e6
            each = f"{1e6 * found['seconds'] / samples:.1f}"
            numbers = f"{size:,}", f"{samples:,}", f"{megabytes:.0f}", f"{found['seconds']:.1f}", each
            table.add_row(*numbers, f"{found['peak_mb']:.0f}")
    record.show(table)


def made(path: Path, problems: int, seed: int) -> Path:
    """A log: chances and answers vary by problem, the second model is right a little more often."""
    if path.exists():
        return path
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(VOCABULARY)]
    often = [1 / rank for rank in range(1, VOCABULARY + 1)]  # as in a language: a few words are most of a text
    pool = rng.choices(words, often, k=1_000_000)
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        for problem in range(problems):
            chance = min(1.0, random.Random(problem).betavariate(0.6, 1.4) + 0.05 * seed)
            for index in range(EACH):
                right = rng.random() < chance
                start = rng.randrange(len(pool) - WORDS)
                row = {
                    "problem": f"problem {problem}",
                    "index": index,
                    "response": " ".join(pool[start : start + WORDS]),
                    "answer": "gold" if right else f"answer {rng.randrange(ANSWERS)}",
                    "judgement": "right" if right else "wrong",
                    "finish": "stop",
                    "nll": round(rng.random(), 4),
                    "level": str(problem % 5),
                    "temperature": 0.7,
                }
                file.write(json.dumps(row) + "\n")
    partial.rename(path)
    return path


def audited(logs: list[Path]) -> dict[str, float]:
    """Seconds and peak memory of the command on two logs."""
    command = [str(Path(sys.executable).with_name("selftrain")), "audit", *map(str, logs), "draws=2000"]
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.monotonic() - start
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    # Of the largest child so far: sizes are measured from small to large.
    return {"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000}


if __name__ == "__main__":
    main()
