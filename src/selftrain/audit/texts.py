"""What one text shows by itself: the equations written in it, and how much it repeats."""

import re
from itertools import islice

EQUATIONS = 1_000
"""Equations of one text that are looked at: the first ones."""

# Every quantifier is possessive and every number starts where no other goes on: the time is linear in the text.
_NUMBER = r"(?<!\d)(?<!\d[.,])[-+(]{0,8}+\\?+\$?+\d++(?:,\d{3}(?!\d))*+(?:\.\d++)?+(?:\\?%)?+[)]{0,8}+"
_OPERATOR = r"\s*+(?:\*{1,2}+|[-+/^\u00d7\u00f7\u00b7\u2212]|\\times|\\cdot|\\div|[xX](?=\s*+[\d$]))\s*+"
_EQUATION = re.compile(rf"({_NUMBER}(?:{_OPERATOR}{_NUMBER})++)(?:\s*+=\s*+({_NUMBER}))?+")
_ONE_SIGN = {
    **dict.fromkeys(("x", "X", "\u00d7", "\u00b7", r"\times", r"\cdot"), "*"),
    **dict.fromkeys(("\u00f7", r"\div"), "/"),
    "\u2212": "-",
}
_SIGNS = re.compile("|".join(map(re.escape, _ONE_SIGN)))
_DROPPED = re.compile(r"[\s,$\\]+")


def equations(text: str) -> list[str]:
    """Equations `numbers and operators = number` written in a text, also inside `<<...>>`, in order.

    White space, thousands commas and dollar signs are dropped, and each operator has one sign: `2 x $1,000 = 2000`
    gives `2*1000=2000`. At most EQUATIONS of them, in time linear in the text.
    Source: logical diversity, arXiv 2407.05013.
    """
    if "=" not in text:
        return []
    closed = (match for match in _EQUATION.finditer(text) if match[2])
    return [_plain(match[1], match[2]) for match in islice(closed, EQUATIONS)]


def repetition(text: str) -> float:
    """Share of 4-grams that repeat an earlier one: `1 - unique / total`, seq-rep-4; words are split at white space.

    0 for fewer than four words. Source: Welleck et al., arXiv 1908.04319, Eq. 9.
    """
    words = text.split()
    total = len(words) - 3
    if total < 1:
        return 0.0
    return 1 - len(set(zip(words, words[1:], words[2:], words[3:], strict=False))) / total


def _plain(left: str, right: str) -> str:
    left, right = (_DROPPED.sub("", _SIGNS.sub(lambda match: _ONE_SIGN[match[0]], side)) for side in (left, right))
    # A parenthesis around a whole equation opens on its left and closes on its right.
    around = left.count("(") - left.count(")")
    return left.replace("(", "", max(around, 0)) + "=" + right.strip("()")
