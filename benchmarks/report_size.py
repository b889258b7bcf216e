"""Seconds and megabytes of the page of a large made-up run: 1,000 problems, 16 responses, two models, 60 words.

python benchmarks/report_size.py
"""

import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from make_run import make_run

from selftrain.report import write_report

PROBLEMS, EACH, WORDS, VOCABULARY = 1000, 16, 60, 5000


def main() -> None:
    """Makes the run, then times its page."""
    rng = random.Random(0)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(rng.choices(letters, range(26, 0, -1), k=rng.randint(2, 9))) for _ in range(VOCABULARY)]
    often = [1 / rank for rank in range(1, VOCABULARY + 1)]  # as in a language: a few words are most of a text

    def say(index: int, place: int) -> str:
        return " ".join(rng.choices(words, often, k=WORDS))

    with tempfile.TemporaryDirectory() as root:
        folder = make_run(Path(root), count=PROBLEMS, each=EACH, text=say, suite=False)
        start = time.perf_counter()
        page = write_report(folder)
        seconds, size = time.perf_counter() - start, page.stat().st_size / 1e6
    print(f"{PROBLEMS:,} test and as many training problems, {EACH} responses a problem and model, {WORDS} words")
    print(f"{seconds:.1f} s, {size:.1f} MB")


if __name__ == "__main__":
    main()
