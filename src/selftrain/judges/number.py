"""Judges answers that are one number, compared exactly as rationals."""

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from selftrain.judges.base import compared, no_answer, unjudged
from selftrain.judges.stated import final_text, statements
from selftrain.records import Judgement, Problem, Question

_DIGITS = 100
"""Digits a number may have, and the largest size of its exponent."""

_LOOKALIKES = {
    "": "\u200b\u200c\u200d\u2060\ufeff",  # zero width
    "-": "\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d",  # minus sign, hyphens, en dash
    " - ": "\u2014",  # an em dash parts sentences, it is no sign
    "/": "\u2044\u2215",  # fraction slash, division slash
    "*": "\u00d7\u00b7\u22c5\u2219\u2217",  # multiplication signs and dots
    "=": "\u2248\u2243\u2245",  # about equal
    " ": "~",
}
_ASCII = {ord(given): plain for plain, many in _LOOKALIKES.items() for given in many}
_SMALL = {"⁰¹²³⁴⁵⁶⁷⁸⁹": "^", "₀₁₂₃₄₅₆₇₈₉": "_"}

_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{2,3}){0,40},[0-9]{3}(?![0-9])|[0-9]{1,3}(?: [0-9]{3}){1,40}(?![0-9])|[0-9]++)"
_DECIMAL = rf"(?:{_WHOLE}(?:\.[0-9]++)?|\.[0-9]++)"
_NUMBER = re.compile(
    r"(?P<sign>(?<![0-9A-Za-z)\]%])[-+])?"
    r"(?:[$€£¥₹]{1,2} ?(?P<sign2>[-+])?)?"
    r"(?<![0-9a-z_^])(?<!\^-)(?<![0-9]:)(?<![0-9]\.)"
    r"(?:(?P<units>[0-9]{1,20}) +(?P<top>[0-9]{1,20}) ?/ ?(?P<bottom>[0-9]{1,20})(?![0-9])"
    rf"|(?P<number>{_DECIMAL})"
    r"(?:[eE](?P<e>[-+]?[0-9]++)(?![A-Za-z])| ?\* ?10\^(?P<power>[-+]?[0-9]++))?"
    rf"(?: ?/ ?[$€£¥₹]?(?P<sign3>-?)(?P<over>{_DECIMAL}))?)"
    rf"(?: ?(?P<scale>(?i:{'|'.join(_SCALES)}))s?\b)?"
    r"(?!:[0-9])",
    re.ASCII,
)
# Between two numbers: an operator right before the second makes both part of one expression.
_OPERATOR = re.compile(
    r"^[ )$€£¥%]{0,4}(?:[A-Za-z%$]{1,20}[ $]){0,3} ?(?:[-+*/÷^:=]{1,2}|\bx\b|\bor\b|\btimes\b)[ ($€£¥]{0,4}$"
)
_UNFINISHED = re.compile(r"[0-9)] ?[*+/÷^]{1,2} ?[($]{0,2}$")
_LIST = re.compile(r"^[ )$]{0,3},[ ($]{0,3}$")
# What makes the number beside it something else than itself: 3√2, 2π, 4x, 0xff, an unreadable fraction.
_BEYOND = re.compile(r"^ ?[√π∞]|^[xyzn](?![A-Za-z])|^ ?\^|^x[0-9a-f]")

_EMPHASIS = re.compile(r"(?<![\w)])(?:\*\*|__?)|(?:\*\*|__?)(?![\w(])|`")
_LATEX = [
    (re.compile(r"\\!|\\(?:left|right|displaystyle|mathord)(?![A-Za-z])|\^ ?\{? ?\\circ ?\}?"), ""),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[,;:> ]|\\q?quad(?![A-Za-z])|\\thinspace(?![A-Za-z])"), " "),
    (re.compile(r"\\([$%#&_{}])"), r"\1"),
    (re.compile(r"\\[dtc]?frac ?([0-9]) ?([0-9])"), r"\\frac{\1}{\2}"),
    (re.compile(r"(?<=[0-9]) ?\\[dtc]?frac"), r" \\frac"),
    (re.compile(r"\\[dtc]?frac ?\{ ?(-?[0-9.,]{1,120}) ?\} ?\{ ?(-?[0-9.,]{1,120}) ?\}"), r"\1/\2"),
    (re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|mbox|operatorname)\*? ?\{"), " {"),
    (re.compile(r"\\(?:times|cdot|ast)(?![A-Za-z])"), "*"),
    (re.compile(r"\\div(?![A-Za-z])"), " ÷ "),
    (re.compile(r"\\(?:approx|simeq|equiv)(?![A-Za-z])"), " = "),
    (re.compile(r"\\(?:sqrt|pi|infty|[dtc]?frac|log|ln|sin|cos|tan|binom|sum|int)(?![A-Za-z])"), "√"),
    (re.compile(r"\^\{ ?(-?[0-9]{1,9}) ?\}"), r"^\1"),
    (re.compile(r"\\[A-Za-z]{1,20}|\\[()\[\]]"), " "),
    (re.compile(r"[{}]"), ""),
]


class Number(NamedTuple):
    """A number found in text."""

    value: Fraction
    plain: str
    """As written, without separators, currency or scale: what a strict reader accepts."""

    @property
    def canonical(self) -> str:
        """`3`, `-3/4`: lowest terms, the denominator positive and left out when 1."""
        return str(self.value)


def find_number(text: str) -> Number | None:
    """The final number a response text states, None if it states none.

    A box, `####`, `A:` line or answer tag is believed even when it holds no number; after "answer is" the
    first number counts (the one behind the last `=` of an equation); without any marker, the last number of
    the text unless it is an operand ("3 * 6").
    """
    for statement in statements(text):
        found = _stated(_plain(statement.line), statement.closed)
        if found or statement.firm:
            return found
    plain = _plain(text)
    matches = [m for m in _NUMBER.finditer(plain) if not _beyond(plain, m)]
    if not matches or _UNFINISHED.search(plain[: matches[-1].start()][-6:]):
        return None
    return _number(matches[-1])


def read_number(text: str) -> Number | None:
    """The number that the whole of a text is, currency sign and final dot aside; else None."""
    match = _NUMBER.fullmatch(_plain(text).strip(" $.\t\r\n"))
    return _number(match) if match else None


def _stated(text: str, closed: bool) -> Number | None:
    matches = list(_NUMBER.finditer(text))
    if not matches:
        return None
    last = chosen = 0
    for index, gap in enumerate(_gaps(text, matches)):
        if closed and _LIST.match(gap):
            return None
        if not _OPERATOR.match(gap):
            break
        last = index + 1
        if "=" in gap:
            chosen = last
    # An expression that nobody worked out ("3 * 6", "3 or 4") states no number.
    return None if chosen != last or _beyond(text, matches[chosen]) else _number(matches[chosen])


def _gaps(text: str, matches: list[re.Match[str]]) -> Iterator[str]:
    for left, right in pairwise(matches):
        yield text[left.end() : right.start()]


def _beyond(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - 3) : match.start()].rstrip(" (")
    return before.endswith(("√", "π")) or bool(_BEYOND.match(text[match.end() : match.end() + 3]))


def _number(match: re.Match[str]) -> Number | None:
    part = match.groupdict()
    negative = [part["sign"], part["sign2"], part["sign3"]].count("-") % 2 == 1
    sign = "-" if negative else ""
    exponent = int(power) if (power := part["e"] or part["power"]) and len(power) < 5 else 0 if not power else 9999
    exponent += _SCALES.get((part["scale"] or "").lower(), 0)
    if len(match[0]) > 3 * _DIGITS or abs(exponent) > _DIGITS:
        return None
    if part["units"]:
        if int(part["bottom"]) <= int(part["top"]):
            return None
        value = int(part["units"]) + Fraction(int(part["top"]), int(part["bottom"]))
        plain = str(value)
    else:
        plain = re.sub("[ ,]", "", part["number"])
        over = Fraction(re.sub("[ ,]", "", part["over"])) if part["over"] else Fraction(1)
        if sum(map(str.isdigit, match[0])) > _DIGITS or over == 0:
            return None
        value = Fraction(plain) / over
        plain = str(value) if part["over"] else plain
        if exponent:
            value *= Fraction(10) ** exponent
            plain = f"{plain}e{exponent}"
    return Number(-value if negative else value, sign + plain)


def _plain(text: str) -> str:
    if not text.isascii():
        # NFKC would turn 2½ into 21/2 and 10² into 102.
        text = re.sub("([¼-¾⅐-⅞])", r" \1", text)
        for digits, mark in _SMALL.items():
            text = re.sub(f"[{digits}]+", lambda found, mark=mark: mark + found[0], text)  # type: ignore[misc]
        text = unicodedata.normalize("NFKC", text.translate(_ASCII)).translate(_ASCII)
    if "\\" in text or "{" in text:
        for pattern, replacement in _LATEX:
            text = pattern.sub(replacement, text)
    return _EMPHASIS.sub("", text)


class NumberJudge:
    """Right when the response's final number equals the gold's, as exact rationals.

    Percent signs, currency signs and units are left out: 50 % is 50. The gold may be a plain number or a
    solution ending in `#### x` or `A: x`. Numbers of more than 100 digits are no numbers.
    """

    name = "number"
    exact_same = True

    def judge(self, problem: Problem, response: str) -> Judgement:
        """Mark one response; the answer is the number in lowest terms."""
        answer = self.answer(problem, response)
        gold = find_number(problem.gold) if problem.gold is not None else None
        if gold is None:
            return unjudged("no gold answer" if problem.gold is None else "gold is not a number", answer)
        return no_answer() if answer is None else compared(answer == gold.canonical, answer)

    def answer(self, question: Question, response: str) -> str | None:
        """The final number in lowest terms."""
        text = final_text(response)
        found = find_number(text) if text is not None else None
        return found.canonical if found else None

    def same(self, a: str, b: str) -> bool:
        """String equality of numbers in lowest terms."""
        return a == b
