"""Judges short text answers by equality after folding what does not matter."""

import re

from selftrain.digest import normal_text
from selftrain.judges.base import compared, no_answer, unjudged
from selftrain.judges.stated import ANSWER_CAP, final_text, last_line, statements
from selftrain.records import Judgement, Problem, Question

_PAIRS = {"*": "*", "_": "_", "`": "`", '"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019", "«": "»"}
# Around words alone: (1,2) and [1,2] are different answers.
_BRACKETED = re.compile(r"\((\w[\w ]*)\)|\[(\w[\w ]*)\]|\{(\w[\w ]*)\}")
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
    """Text as compared: NFC, white space and case folded, without what only dresses an answer.

    That is quotes and markdown emphasis around it, a pair of brackets around words, and a final `.`, `,` or
    `;`. Text that is nothing else is kept.
    """
    folded = bare = normal_text(text).casefold()
    while (less := _peeled(bare)) != bare:
        bare = less
    return bare or folded


def _peeled(text: str) -> str:
    """One layer less of dress; a `**` may be alone, its other half stands before the words "answer is"."""
    text = text.rstrip(" .,;").removeprefix("**").removesuffix("**").removeprefix("__").removesuffix("__").strip()
    if len(text) > 2 and _PAIRS.get(text[0]) == text[-1]:
        return text[1:-1].strip()
    bracketed = _BRACKETED.fullmatch(text)
    return bracketed[bracketed.lastindex or 0].strip() if bracketed else text


class ExactJudge:
    """Right when the stated text equals the gold after folding (see `fold`)."""

    name = "exact"
    exact_same = True

    def judge(self, problem: Problem, response: str) -> Judgement:
        """Mark one response; the answer is the folded text."""
        answer = self.answer(problem, response)
        gold = fold(problem.gold) if problem.gold is not None else ""
        if not gold or len(gold) > ANSWER_CAP:
            return unjudged("gold is longer than an answer may be" if gold else "no gold answer", answer)
        return no_answer() if answer is None else compared(answer == gold, answer)

    def answer(self, question: Question, response: str) -> str | None:
        """The stated text, folded."""
        text = final_text(response)
        found = stated_text(text) if text is not None else None
        return fold(found) if found is not None else None

    def same(self, a: str, b: str) -> bool:
        """String equality of folded texts."""
        return a == b
