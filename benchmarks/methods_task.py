"""Sums and products with worked rationales, in several wordings: the task on which methods are compared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np

from selftrain.errors import DataError
from selftrain.records import Problem
from selftrain.tasks import Suite, Task, make_task

WORDINGS = {
    "sum": (
        "First we add: {first}, and {then}. The answer is {gold}.",
        "We go step by step. First {first}, then {then}. So the answer is {gold}.",
        "Let us see: {first}, and now {then}. Hence the answer is {gold}.",
        "This is a sum: {first}, and {then}. Therefore the answer is {gold}.",
        "To find the total: {first}, and after that {then}. Our answer is {gold}.",
        "We take the numbers in turn: {first}, next {then}. The answer is {gold}.",
        "Adding from the left, we have {first}, and {then}. So the answer is {gold}.",
        "We know that {first}. It follows that {then}. The answer is {gold}.",
    ),
    "product": (
        "First we multiply: {first}, and {then}. The answer is {gold}.",
        "We go step by step. First {first}, then {then}. So the answer is {gold}.",
        "Let us see: {first}, and now {then}. Hence the answer is {gold}.",
        "The product comes first: {first}, and {then}. Therefore the answer is {gold}.",
        "To find the result: {first}, and after that {then}. Our answer is {gold}.",
        "We take the numbers in turn: {first}, next {then}. The answer is {gold}.",
        "Working from the left, we have {first}, and {then}. So the answer is {gold}.",
        "We know that {first}. It follows that {then}. The answer is {gold}.",
    ),
}
SIZES = {"shots": 8, "select": 60, "test": 150, "valid": 40, "labelled": 0, "train": 250}
HARDER = {"select": 10, "test": 40}
"""Problems of each family in the suite `harder`."""
DIGITS, ADDED = range(2, 10), range(2, 15)
"""What is added: to a two-digit number, twice; and to a product."""
TWO_DIGITS, FACTORS, LARGER_FACTORS = range(10, 31), range(2, 11), range(11, 20)

Numbers = Sequence[int]


def two_families(options: dict[str, Any], seed: int) -> Task:
    """Sums of three numbers, and products of two with a third added; `harder` has four numbers, and larger factors.

    Options are the sizes of the splits, for each family. No two problems have the same numbers, whatever their order
    where it does not matter. A larger split moves no problem of those before it in `SIZES`.
    """
    sizes = {split: int(options.get(split, size)) for split, size in SIZES.items()}
    sums = _cut("sum", _beside(TWO_DIGITS, combinations_with_replacement(DIGITS, 2)), sizes, seed)
    products = _cut("product", _beside(ADDED, combinations_with_replacement(FACTORS, 2)), sizes, seed)
    more = _cut("sum", _beside(TWO_DIGITS, combinations_with_replacement(DIGITS, 3)), HARDER, seed)
    larger = _cut("product", _beside(ADDED, product(LARGER_FACTORS, FACTORS)), HARDER, seed)
    splits = {split: sums[split] + products[split] for split, size in sizes.items() if size}
    # Of no family: all prompts begin with the same demonstrations, which are then read once for all.
    turns = zip(sums["shots"], products["shots"], strict=True)
    splits["shots"] = [replace(shot, family=None) for turn in turns for shot in turn]
    harder = {part: tuple(more[part] + larger[part]) for part in HARDER}
    return make_task("two families", splits=splits, suites={"harder": Suite(**harder)}, judge="number")


def _beside(single: Iterable[int], free: Iterable[tuple[int, ...]]) -> list[Numbers]:
    """Every number beside every group of numbers whose order does not matter."""
    return [(one, *group) for one, group in product(single, free)]


def _cut(family: str, numbers: Sequence[Numbers], sizes: Mapping[str, int], seed: int) -> dict[str, list[Problem]]:
    """Problems of one family by part; the wordings of the rationales take turns."""
    asked = sum(sizes.values())
    if asked > len(numbers):
        raise DataError(f"the family {family} holds {len(numbers)} problems, {asked} were asked: lower train")
    rng = np.random.default_rng(seed)
    order = iter(rng.permutation(len(numbers)).tolist())
    return {
        part: [_problem(family, numbers[next(order)], turn, rng) for turn in range(size)]
        for part, size in sizes.items()
    }


def _problem(family: str, numbers: Numbers, turn: int, rng: np.random.Generator) -> Problem:
    """A problem of a number and others in a drawn order; it has a rationale if there are three."""
    single, free = numbers[0], rng.permutation(numbers[1:]).tolist()
    a, b, *rest = [single, *free] if family == "sum" else [*free, single]
    start, sign = (a + b, "+") if family == "sum" else (a * b, "*")
    gold = start + sum(rest)
    asked = " + ".join(map(str, [f"{a} {sign} {b}", *rest]))
    wording = WORDINGS[family][turn % len(WORDINGS[family])]
    worked = wording.format(first=f"{a} {sign} {b} = {start}", then=f"{start} + {rest[0]} = {gold}", gold=gold)
    rationale = worked if len(rest) == 1 else None
    return Problem.make(f"What is {asked}?", gold=str(gold), family=family, rationale=rationale)
