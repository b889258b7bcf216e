"""Judges short text answers by equality after folding what does not matter."""

import re

from selftrain.digest import normal_text
from selftrain.judges.base import no_answer, unjudged, verdict
from selftrain.judges.stated import ANSWER_CAP, final_text, last_line, statements
from selftrain.records import Judgement, Problem

_SURROUNDING = " \t\r\n*_`\"'\u201c\u201d\u2018\u2019«».,;:!?()[]{}$<>~"
_LATEX_TEXT = re.compile(r"^\s*\\(?:text|textbf|textit|mathrm|mathbf|mbox)\s*\{(.*)\}\s*$", re.DOTALL)


def stated_text(text: str, whole: bool = False) -> str | None:
    """The text a response states as its answer, as written; None when there is none or it is too long.

    What a box, tag, "answer is", "Answer:" or `A:` line states (its first line); else the last line. With
    `whole`, answers may have several lines: everything after the marker, else the whole text.
    """
    for statement in statements(text):
        found = statement.text if whole else statement.line
        break
    else:
        found = text if whole else last_line(text)
    if boxed := _LATEX_TEXT.match(found):
        found = boxed[1]
    found = found.strip()
    return found if 0 < len(found) <= ANSWER_CAP else None


def fold(text: str) -> str:
    """Text as compared: NFKC, white space and case folded, surrounding punctuation, quotes and markdown gone.

    Text that is nothing but punctuation is kept.
    """
    folded = normal_text(text).casefold()
    return folded.strip(_SURROUNDING) or folded


class ExactJudge:
    """Right when the stated text equals the gold after folding (see `fold`)."""

    name = "exact"
    exact_same = True

    def judge(self, problem: Problem, response: str) -> Judgement:
        """Mark one response; the answer is the folded text."""
        text = final_text(response)
        found = stated_text(text) if text is not None else None
        answer = fold(found) if found is not None else None
        gold = fold(problem.gold) if problem.gold is not None else ""
        if not gold or len(gold) > ANSWER_CAP:
            return unjudged("gold is longer than an answer may be" if gold else "no gold answer", answer)
        return no_answer() if answer is None else verdict(answer == gold, answer)

    def same(self, a: str, b: str) -> bool:
        """String equality of folded texts."""
        return a == b
