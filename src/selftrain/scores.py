"""Graded scores of a response, such as ROUGE-L: what may stand beside a judgement, checked."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

MOST = 8
"""Scores that a response, and a log, may have."""
LONGEST_NAME = 40
RIGHT_FROM = 0.4
"""ROUGE-L from which the judge `summary` calls a response right, unless it is told otherwise."""
_LARGEST = 2**53
_NUMBERS: tuple[type[Any], ...] = (float, int, np.floating, np.integer)


class Score(NamedTuple):
    """A score of which it is known what it is called, and that it goes from 0 to `most`, the best."""

    label: str
    most: float


KNOWN = {"rouge_l": Score("ROUGE-L", 1.0), "bleu": Score("BLEU (sentence)", 100.0)}
"""Of other scores nobody knows the range, nor which way is better."""


def read_scores(given: object) -> dict[str, float]:
    """Scores by name, as plain numbers; what is None is left out.

    Raises ValueError, which says what was found and what is wanted, for anything but an object of at most MOST finite
    numbers under short names, or for a known score out of its range.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"scores of type {type(given).__name__}: wanted an object of names and numbers")
    if len(given) > MOST:
        raise ValueError(f"{len(given):,} scores: wanted at most {MOST}")
    return {_name(name): _number(name, value) for name, value in given.items() if value is not None}


def _name(name: object) -> str:
    if isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable() and name == name.strip():
        return name
    raise ValueError(f"a score named {ascii(name)[:40]}: wanted a name of up to {LONGEST_NAME} visible characters")


def _number(name: str, value: Any) -> float:
    # Compared before it becomes a float: whole numbers may be too large for one.
    if isinstance(value, bool) or not (isinstance(value, _NUMBERS) and abs(value) < _LARGEST):
        raise ValueError(f"a score {name} that is {_shown(value)}: wanted a finite number")
    number, known = float(value), KNOWN.get(name)
    if known and not 0 <= number <= known.most:
        raise ValueError(f"a score {name} of {number:g}: wanted a number from 0 to {known.most:g}")
    return number


def _shown(value: object) -> str:
    try:
        return ascii(value)[:40]
    except ValueError:  # Python does not write whole numbers of thousands of digits
        return "a huge number"
