"""Writes sums.jsonl: 300 word problems with answers, for trying a run on a file of one's own."""

import json
import random
from pathlib import Path

THINGS = ("apples", "stamps", "shells", "marbles", "coins", "cards")
NAMES = ("Ana", "Ben", "Chi", "Dora", "Emil", "Fay")


def main() -> None:
    """Draws distinct problems with a fixed seed."""
    rng = random.Random(7)
    problems: dict[str, str] = {}
    while len(problems) < 300:
        a, b = rng.randint(1, 40), rng.randint(1, 40)
        name, thing = rng.choice(NAMES), rng.choice(THINGS)
        question = f"{name} has {a} {thing} and finds {b} more. How many {thing} does {name} have now?"
        problems[question] = str(a + b)
    lines = [json.dumps({"question": question, "answer": answer}) for question, answer in problems.items()]
    Path("sums.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
