"""When two questions of a reasoning-gym family are one: their parts in another order or renamed."""

import re
from collections.abc import Callable, Hashable, Mapping
from decimal import Decimal
from typing import Any

from selftrain.digest import normal_text

SIGNED = r"[+-]*\d+(?:\.\d+)?"
SUM = re.compile(rf"{SIGNED}(?:[+-]+\d+(?:\.\d+)?)*")
PRODUCT = re.compile(rf"{SIGNED}(?:\*{SIGNED})+")


def question_keys(family: str, entry: Mapping[str, Any]) -> tuple[Hashable, ...]:
    """What identifies an entry within its family; entries that share any key are one question.

    The first key is the normalised text; families with a known symmetry add a second.
    """
    text = normal_text(entry["question"])
    symmetry = SYMMETRIES.get(family)
    return (text,) if symmetry is None else (text, ("same", symmetry(entry["metadata"])))


def expression_key(expression: str) -> Hashable:
    """A key equal for sums of the same signed terms and for products of the same factors.

    An expression that is neither a flat sum nor a flat product is its own key, white space apart.
    """
    flat = "".join(expression.split())
    if SUM.fullmatch(flat):
        return ("sum", *sorted(_number(term) for term in re.findall(SIGNED, flat)))
    if PRODUCT.fullmatch(flat):
        return ("product", *sorted(_number(factor) for factor in flat.split("*")))
    return flat


def _number(signed: str) -> Decimal:
    value = Decimal(signed.lstrip("+-"))
    return -value if signed.count("-") % 2 else value


SYMMETRIES: dict[str, Callable[[Mapping[str, Any]], Hashable]] = {
    "basic_arithmetic": lambda facts: expression_key(facts["expression"]),
    "chain_sum": lambda facts: expression_key(facts["expression"]),
    "decimal_chain_sum": lambda facts: expression_key(facts["expression"]),
    "dice": lambda facts: (facts["puzzle"]["target"], *sorted(facts["puzzle"]["dice_str"].split(", "))),
    "fraction_simplification": lambda facts: (facts["numerator"], facts["denominator"]),
    "gcd": lambda facts: tuple(sorted(facts["numbers"])),
    "group_anagrams": lambda facts: tuple(sorted(facts["words"])),
    "isomorphic_strings": lambda facts: tuple(sorted(facts["words"])),
    "lcm": lambda facts: tuple(sorted(facts["numbers"])),
    "leg_counting": lambda facts: tuple(sorted(facts["animals"].items())),
    "number_format": lambda facts: (facts["size"], *sorted(facts["candidates"])),
    "palindrome_generation": lambda facts: tuple(sorted(facts["letters"])),
    "products": lambda facts: expression_key(facts["expression"]),
    "simple_equations": lambda facts: facts["equation"].replace(facts["variable"], "x"),
    "simple_geometry": lambda facts: tuple(sorted(facts["known_angles"])),
    "syllogism": lambda facts: (facts["conclusion"], *sorted((facts["premise1"], facts["premise2"]))),
    "word_sorting": lambda facts: (facts["direction"], *sorted(facts["original_words"])),
}
