"""Worked solutions of generated problems, written by our own code from what a family says of each entry."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from math import gcd
from typing import Any, TypeVar

from selftrain.errors import ConfigError

Facts = Mapping[str, Any]
"""An entry's metadata as JSON values."""

N = TypeVar("N", int, Decimal)


def check_steps(family: str) -> None:
    """Raise ConfigError unless the family's solutions can be written in steps."""
    if family not in STEPS:
        raise ConfigError(
            f"task.options.steps: no steps are written for family '{family}': set it to false, or use "
            f"{', '.join(sorted(STEPS))}"
        )


def worked_solution(family: str, entry: Mapping[str, Any]) -> str:
    """The solution of one entry of a family in STEPS: a line a step, the last `The answer is GOLD.`

    A step takes a fact from the question, then infers from it. Sentences have four words or more, so that a chain
    can be cut at every one of them.
    """
    return "\n".join([*STEPS[family](entry["metadata"]), f"The answer is {entry['answer']}."])


def _chain_sum(facts: Facts) -> Iterator[str]:
    return _running_total(facts["expression"].split(), int)


def _decimal_chain_sum(facts: Facts) -> Iterator[str]:
    return _running_total(facts["expression"].split(), Decimal)


def _running_total(tokens: list[str], read: Callable[[str], N]) -> Iterator[str]:
    """Steps of `a + b - c`, its numbers and operators given in turn."""
    yield f"The problem starts with {tokens[0]}."
    total = read(tokens[0])
    for operator, term in zip(tokens[1::2], tokens[2::2], strict=True):
        verb, after = ("adds", total + read(term)) if operator == "+" else ("subtracts", total - read(term))
        yield f"Then it {verb} {term}. {total} {operator} {term} = {after}."
        total = after


def _products(facts: Facts) -> Iterator[str]:
    first, *factors = (int(factor) for factor in facts["expression"].split(" * "))
    yield f"The problem starts with {first}."
    product = first
    for factor in factors:
        parts = _places(factor)
        yield f"Then it multiplies by {factor}."
        if len(parts) > 1:
            yield f"Split {factor} into {' + '.join(map(str, parts))}."
        total = None
        for part in parts:
            line = f"{product} * {part} = {product * part}."
            yield line if total is None else f"{line} {total} + {product * part} = {total + product * part}."
            total = (total or 0) + product * part
        product *= factor


def _places(number: int) -> list[int]:
    """`-305` as `[-300, -5]`."""
    sign, digits = -1 if number < 0 else 1, str(abs(number))
    places = [sign * int(digit) * 10 ** (len(digits) - at) for at, digit in enumerate(digits, 1)]
    return [place for place in places if place] or [0]


def _gcd(facts: Facts) -> Iterator[str]:
    first, *others = facts["numbers"]
    for number in others:
        yield from _euclid(first, number)
        first = gcd(first, number)


def _lcm(facts: Facts) -> Iterator[str]:
    first, *others = facts["numbers"]
    for number in others:
        common = gcd(first, number)
        yield from _euclid(first, number)
        multiple = first // common * number
        yield f"Divide {first} by {common}. {first} / {common} = {first // common}."
        yield f"Multiply that by {number}. {first // common} * {number} = {multiple}."
        first = multiple


def _euclid(one: int, other: int) -> Iterator[str]:
    """Euclid's algorithm, a division a line."""
    larger, smaller = max(one, other), min(one, other)
    while smaller:
        left = larger % smaller
        yield f"Take the numbers {larger} and {smaller}. {larger} = {larger // smaller} * {smaller} + {left}."
        larger, smaller = smaller, left
    yield f"Nothing is left over. The GCD of {one} and {other} is {larger}."


def _prime_factorization(facts: Facts) -> Iterator[str]:
    left = facts["number"]
    yield f"The number to factor is {left}."
    for prime in facts["factors"][:-1]:
        yield f"The smallest prime that divides {left} is {prime}. {left} / {prime} = {left // prime}."
        left //= prime
    yield f"The number {left} is prime."


def _leg_counting(facts: Facts) -> Iterator[str]:
    from reasoning_gym.arithmetic.leg_counting import ANIMALS

    total = None
    for animal, number in facts["animals"].items():
        legs = number * ANIMALS[animal]
        owned = f"{animal}s, each with" if number > 1 else f"{animal} with"
        line = f"You have {number} {owned} {ANIMALS[animal]} legs. {number} * {ANIMALS[animal]} = {legs}."
        yield line if total is None else f"{line} {total} + {legs} = {total + legs}."
        total = (total or 0) + legs


def _letter_counting(facts: Facts) -> Iterator[str]:
    letter, total = facts["target_letter"], 0
    for word in facts["span"]:
        times = word.lower().count(letter)
        line = f'The word "{word}" has "{letter}" {times} {"time" if times == 1 else "times"}.'
        yield f"{line} {total} + {times} = {total + times}." if times else line
        total += times


def _count_bits(facts: Facts) -> Iterator[str]:
    left, bits = facts["number"], 0
    yield f"The number to write in bits is {left}."
    while left:
        power = 1 << (left.bit_length() - 1)
        bits += 1
        yield f"Bit {bits} is worth {power}. {left} - {power} = {left - power}."
        left -= power
    yield f"Nothing is left after {'1 bit' if bits == 1 else f'{bits} bits'}."


def _simple_equations(facts: Facts) -> Iterator[str]:
    equation, name = facts["equation"], facts["variable"]
    side, right = equation.split(" = ")
    # A sum of at most one number and one multiple of the variable, such as `45 - 12*x`.
    terms = side.replace(" - ", " + -").split(" + ")
    multiple = next(term for term in terms if term.endswith(name))
    value = int(right)
    yield f"The equation to solve is {equation}."
    for number in (int(term) for term in terms if term != multiple):
        before, value = value, value - number
        taken = f"Subtract {number} from" if number > 0 else f"Add {-number} to"
        yield f"{taken} both sides. {before} {'-' if number > 0 else '+'} {abs(number)} = {value}."
        yield f"That leaves the equation {multiple} = {value}."
    times = {"": 1, "-": -1}.get(factor := multiple.removesuffix(name)) or int(factor.removesuffix("*"))
    if times != 1:
        yield f"Divide both sides by {times}. {value} / {times} = {value // times}."
    yield f"So the value of {name} is {value // times}."


def _gsm_symbolic(facts: Facts) -> Iterator[str]:
    """The family's own written solution, without its last line `#### ANSWER` and without empty lines.

    A few of its templates round without saying so, such as `17*0.5=8`.
    """
    lines = (line.strip() for line in facts["answer_cot"].splitlines())
    return (line for line in lines if line and not line.startswith("####"))


STEPS: dict[str, Callable[[Facts], Iterator[str]]] = {
    "chain_sum": _chain_sum,
    "count_bits": _count_bits,
    "decimal_chain_sum": _decimal_chain_sum,
    "gcd": _gcd,
    "gsm_symbolic": _gsm_symbolic,
    "lcm": _lcm,
    "leg_counting": _leg_counting,
    "letter_counting": _letter_counting,
    "prime_factorization": _prime_factorization,
    "products": _products,
    "simple_equations": _simple_equations,
}
"""The families with written steps."""
