"""Sums whose demonstrations reason in words, each in its own way: the task of `reversal.yaml`."""

from typing import Any

import numpy as np

from selftrain.records import Problem
from selftrain.tasks import Task, make_task

RATIONALES = (
    "We start from {a} and go up by {b} steps, which takes us to {a} + {b} = {c}. So we say that the answer is {c}.",
    "Adding the two numbers {a} and {b} gives us their sum, and that is {a} + {b} = {c}. Hence the answer is {c}.",
    "To find the total of the two, we put {b} on top of {a} and get {a} + {b} = {c}. Therefore the answer is {c}.",
    "This is a sum. We know that {a} and {b} make {c}, because {a} + {b} = {c}. It follows that the answer is {c}.",
    "Think of a box with {a} apples. If {b} more are put in, it holds {a} + {b} = {c} apples. The answer is {c}.",
    "Let us count on from {a}. After {b} steps we arrive at {a} + {b} = {c}, and this means that the answer is {c}.",
    "First write both numbers down, then add {b} to {a} with care: {a} + {b} = {c}. Now we see that the answer is {c}.",
    "The plus sign tells us to add. One number is {a}, the other is {b}, and {a} + {b} = {c}. Our answer is {c}.",
)
SIZES = {"shots": len(RATIONALES), "select": 40, "test": 200, "train": 120}
LARGEST = 40


def worded_sums(options: dict[str, Any], seed: int) -> Task:
    """Sums of two numbers up to 40, no two of the same numbers; `train`, `select` and `test` are sizes of splits."""
    sizes = {split: int(options.get(split, size)) for split, size in SIZES.items()}
    pairs = [(a, b) for a in range(2, LARGEST + 1) for b in range(2, a + 1)]
    order = iter(np.random.default_rng(seed).permutation(len(pairs)).tolist())
    splits = {split: [_sum(*pairs[next(order)], shown=i) for i in range(size)] for split, size in sizes.items()}
    return make_task("worded sums", splits=splits, judge="number")


def _sum(a: int, b: int, *, shown: int) -> Problem:
    """The sum of two numbers, with the rationale that it shows if it is a demonstration."""
    rationale = RATIONALES[shown % len(RATIONALES)].format(a=a, b=b, c=a + b)
    return Problem.make(f"What is {a} + {b}?", gold=str(a + b), rationale=rationale)
