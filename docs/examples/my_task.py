"""A task of your own: a function (options, seed) that returns a Task.

Name it in the configuration by its path:

    task:
      name: docs/examples/my_task.py:roman_numbers
      options: {largest: 400}
"""

from typing import Any

import numpy as np

from selftrain.records import Problem
from selftrain.tasks import Task, make_task

SYMBOLS = {100: "C", 90: "XC", 50: "L", 40: "XL", 10: "X", 9: "IX", 5: "V", 4: "IV", 1: "I"}


def roman_numbers(options: dict[str, Any], seed: int) -> Task:
    """Numbers to write in Roman numerals; `largest` (default 300) is the largest of them."""
    numbers = np.random.default_rng(seed).permutation(int(options.get("largest", 300))) + 1
    problems = [Problem.make(f"Write {n} as a Roman numeral.", gold=_roman(int(n))) for n in numbers]
    tenth = len(problems) // 10
    return make_task(
        "roman numbers",
        splits={
            "test": problems[: 3 * tenth],
            "select": problems[3 * tenth : 4 * tenth],
            "shots": problems[4 * tenth : 4 * tenth + 4],
            "train": problems[4 * tenth + 4 :],
        },
        judge="exact",
    )


def _roman(number: int) -> str:
    text = ""
    for value, symbol in SYMBOLS.items():
        times, number = divmod(number, value)
        text += symbol * times
    return text
