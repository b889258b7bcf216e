"""Writes sums.jsonl: 400 sums with answers, for trying a run on a file of one's own."""

import json
import random
from pathlib import Path


def main() -> None:
    """Draws distinct problems with a fixed seed."""
    rng = random.Random(7)
    problems: dict[str, str] = {}
    while len(problems) < 400:
        a, b = rng.randint(1, 99), rng.randint(1, 99)
        problems[f"What is {a} plus {b}?"] = str(a + b)
    lines = [json.dumps({"question": question, "answer": answer}) for question, answer in problems.items()]
    Path("sums.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
