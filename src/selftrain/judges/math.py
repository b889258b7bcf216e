"""Judges mathematical expressions by math-verify, after an allow-list has looked at the text."""

import logging
import re
from functools import lru_cache
from typing import Any

from selftrain.errors import MissingExtraError
from selftrain.judges.base import compared, no_answer, unjudged
from selftrain.judges.number import find_number, read_number
from selftrain.judges.stated import ANSWER_CAP, final_text, last_line, statements
from selftrain.records import Judgement, Problem, Question

_LONGEST = 400
_DEEPEST = 20
_CHARACTERS = re.compile(
    r"[A-Za-z0-9\s+\-*/^_=<>\u2264\u2265\u2260|!.,:;()\[\]{}\\$%°&\u221a\u03c0\u221e\u222a\u2229\u00d7\u00f7\u00b7\u00b1\u2212\u2208\u2205]*"
)
# These names may be read; a parser never sees any other word of more than three letters outside \text.
_NAMES = frozenset(
    {
        "arcsin",
        "arccos",
        "arctan",
        "arccot",
        "sinh",
        "cosh",
        "tanh",
        "sqrt",
        "matrix",
        "pmatrix",
        "bmatrix",
        "vmatrix",
    }
    | {"cases", "array", "aligned", "True", "False"}
)
_PROSE = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|operatorname)\s*\{[^{}\\_()]*\}|\\[A-Za-z]+")
# Powers of powers, long exponents and large factorials cost more than an answer is worth.
_COSTLY = re.compile(
    r"(?:\^|\*\*)[\s{(]*[-+]?[0-9]{5,}|[0-9][\s})]*(?:\^|\*\*)[\s{(]*[-+]?[0-9.]+[\s})]*(?:\^|\*\*|!)"
    r"|[0-9]{4,}\s*!|![\s})]*[!^]|[0-9]{60,}|[0-9.]\s*[eE][-+]?[0-9]{3,}"
)
_WORDS = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox) ?\{([^{}]*)\}")
_MATHS = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)


def readable(expression: str) -> bool:
    """Whether an expression may reach the parser: it is short, flat, cheap and in an allowed vocabulary."""
    if not 0 < len(expression) <= _LONGEST or not _CHARACTERS.fullmatch(expression):
        return False
    if "__" in expression or _COSTLY.search(expression) or _depth(expression) > _DEEPEST:
        return False
    words = re.findall(r"[A-Za-z]{4,}", _PROSE.sub(" ", expression))
    return all(word in _NAMES for word in words)


def _depth(text: str) -> int:
    depth = deepest = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    return deepest


def find_expression(text: str) -> str | None:
    """The final expression a response text states, in canonical form; None if there is none.

    Markers as for numbers; in what they state, and without any marker, the mathematics between dollar signs
    or brackets is preferred, then a whole readable line, then the number.
    """
    statement = next(statements(text), None)
    if statement is None:
        return _of_text(text)
    if statement.closed:
        return canonical(statement.text)
    if inside := _between_signs(statement.line, 0):
        return canonical(inside)
    if readable(line := canonical(statement.line) or ""):
        return line
    number = find_number(text)
    return number.canonical if number else line or None


def _of_text(text: str) -> str | None:
    if inside := _between_signs(text, -1):
        return canonical(inside)
    if readable(line := canonical(last_line(text)) or ""):
        return line
    number = find_number(text)
    return number.canonical if number else None if "\n" in text.strip() else line or None


def _between_signs(text: str, place: int) -> str:
    found = [next(filter(None, groups)) for groups in _MATHS.findall(text) if any(groups)]
    return found[place] if found else ""


def canonical(expression: str) -> str | None:
    """An expression as compared: numbers in lowest terms, else white space folded, `$` and last dot gone."""
    number = None if "%" in expression else read_number(expression)
    if number is not None:
        return number.canonical
    folded = " ".join(expression.replace("**", "^" if "^" not in expression else "**").split())
    folded = folded.strip("$ ").removesuffix(".").strip("$ ")
    return folded[:ANSWER_CAP] or None


class MathJudge:
    """Right when math-verify finds the stated expression equal to the gold, either way round.

    Only its LaTeX grammar is used, which evaluates number tokens and no names; its own timeouts, which need
    the main thread, are off. Expressions it may not read (see `readable`) are compared as text.
    """

    name = "math"
    exact_same = False

    def __init__(self) -> None:
        try:
            from math_verify import LatexExtractionConfig, parse, verify
        except ImportError as error:
            raise MissingExtraError("math-verify", "tasks") from error
        # It warns once for every process that its timeouts are off.
        logging.getLogger("math_verify").setLevel(logging.ERROR)
        self._verify = verify

        @lru_cache(maxsize=4096)
        def read(expression: str) -> list[Any]:
            config = [LatexExtractionConfig()]
            found: list[Any] = parse(
                f"${expression}$", extraction_config=config, fallback_mode="no_fallback", parsing_timeout=None
            )
            return found

        self._read = read

    def judge(self, problem: Problem, response: str) -> Judgement:
        """Mark one response; the answer is the expression in canonical form."""
        answer = self.answer(problem, response)
        gold = find_expression(problem.gold) if problem.gold is not None else None
        if gold is None or not readable(gold) or not (_is_number(gold) or self._read(gold)):
            reason = "no gold answer" if problem.gold is None else "gold is not a readable expression"
            return unjudged(reason, answer)
        return no_answer() if answer is None else compared(self.same(gold, answer), answer)

    def answer(self, question: Question, response: str) -> str | None:
        """The stated expression in canonical form."""
        text = final_text(response)
        return find_expression(text) if text is not None else None

    def same(self, a: str, b: str) -> bool:
        """Whether two canonical expressions are equal, as text or by math-verify in either order."""
        if a == b:
            return True
        if _is_number(a) and _is_number(b):
            return False  # both in lowest terms
        if not (readable(a) and readable(b)):
            return _words(a) == _words(b)
        one, other = self._read(a), self._read(b)
        if not one or not other:
            return False
        return bool(self._verify(one, other, timeout_seconds=None) or self._verify(other, one, timeout_seconds=None))


def _is_number(text: str) -> bool:
    number = read_number(text)
    return number is not None and number.canonical == text


def _words(text: str) -> str:
    found = _WORDS.fullmatch(text)
    return found[1].strip() if found else text
