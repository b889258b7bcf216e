"""Judges reasoning-gym answers by the library's own scorers, for the families whose scorers were reviewed."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from selftrain.errors import MissingExtraError
from selftrain.families import answer_has_lines, answer_kind, compared_as_number, refusal
from selftrain.judges.base import compared, no_answer, unjudged
from selftrain.judges.exact import stated_text
from selftrain.judges.number import find_number, read_number
from selftrain.judges.stated import final_text
from selftrain.records import Judgement, Problem, Question

_RIGHT = 0.99


class ReasoningGymJudge:
    """Right when the family's scorer gives the stated answer at least .99, or when it is the gold number
    (`compared_as_number`).

    A problem's `reference` is `{"dataset": family, "entry": {question, answer, metadata}, "kind":
    "number"|"text"}`.
    """

    name = "reasoning_gym"
    exact_same = True

    def __init__(self) -> None:
        try:
            from reasoning_gym import get_score_answer_fn
        except ImportError as error:
            raise MissingExtraError("reasoning-gym", "tasks") from error
        self._make: Callable[[str], Callable[..., float]] = get_score_answer_fn
        self._scorers: dict[str, Callable[..., float]] = {}

    def judge(self, problem: Problem, response: str) -> Judgement:
        """Mark one response; the answer is the number in lowest terms, or the text as stated."""
        family, entry = problem.reference.get("dataset"), problem.reference.get("entry")
        if not isinstance(family, str) or not isinstance(entry, Mapping):
            return unjudged("the problem has no reasoning-gym entry")
        if reason := refusal(family):
            return unjudged(reason)
        gold = entry.get("answer")
        if not isinstance(gold, str) or not gold.strip():
            return unjudged("no gold answer")
        kind = problem.reference.get("kind", answer_kind(family))
        forms = _forms(response, kind, "\n" in gold.strip())
        if not forms:
            return no_answer()
        if any(self._right(family, entry, form) for form in forms):
            return compared(True, forms[0])
        if not self._right(family, entry, gold.strip()):
            return unjudged("the gold answer does not score itself right", forms[0])
        return compared(False, forms[0])

    def answer(self, question: Question, response: str) -> str | None:
        """The number in lowest terms or the text as stated, as the question's family has it.

        Raises ValueError for a question of no offered family.
        """
        family = question.family or ""
        if reason := refusal(family):
            raise ValueError(reason)
        forms = _forms(response, answer_kind(family), answer_has_lines(family))
        return forms[0] if forms else None

    def _right(self, family: str, entry: Mapping[str, Any], answer: str) -> bool:
        if compared_as_number(family):
            given, gold = read_number(answer), read_number(entry["answer"])
            return given is not None and gold is not None and given.value == gold.value
        if family not in self._scorers:
            self._scorers[family] = self._make(family)
        try:
            # Some scorers write into the entry.
            return float(self._scorers[family](answer, copy.deepcopy(dict(entry)))) >= _RIGHT
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
            return False  # an answer of another shape than the scorer reads; gold is tried before it counts

    def same(self, a: str, b: str) -> bool:
        """String equality."""
        return a == b


def _forms(response: str, kind: str, lines: bool) -> list[str]:
    """The forms of the stated answer a scorer may accept, the canonical one first; none if none is stated."""
    text = final_text(response)
    if text is None:
        return []
    if kind == "number":
        number = find_number(text)
        return [number.canonical, number.plain] if number else []
    stated = stated_text(text, whole=lines)
    if stated is None:
        return []
    # Quotes and marks around an answer are not part of it, unless the gold has them too.
    peeled = stated.strip(' *_`"').removesuffix(".").strip(' *_`"') or stated
    return list(dict.fromkeys([peeled, stated]))
