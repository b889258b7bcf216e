"""What a judge is, and how one is found by name."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import Protocol

from selftrain.errors import ConfigError
from selftrain.imports import load_object
from selftrain.judges.stated import ANSWER_CAP, final_text
from selftrain.records import Judgement, Mark, Problem, Question

BUILT_IN = {
    "choice": "selftrain.judges.choice:ChoiceJudge",
    "exact": "selftrain.judges.exact:ExactJudge",
    "math": "selftrain.judges.math:MathJudge",
    "number": "selftrain.judges.number:NumberJudge",
    "reasoning_gym": "selftrain.judges.reasoning_gym:ReasoningGymJudge",
    "summary": "selftrain.judges.summary:SummaryJudge",
}


class Judge(Protocol):
    """Marks responses and says which answers are the same.

    A judge sees hostile text: it evaluates none of it as code. It may raise or hang: `JudgePool` bounds it.
    """

    name: str
    exact_same: bool
    """Whether `same` is plain string equality, so that nobody needs to call it."""

    def judge(self, problem: Problem, response: str) -> Judgement:
        """Mark one response; a response without an answer is wrong, a missing or unreadable gold unjudged."""

    def answer(self, question: Question, response: str) -> str | None:
        """The canonical answer a response states, read without a gold answer; None if it states none."""

    def same(self, a: str, b: str) -> bool:
        """Whether two canonical answers are equivalent."""


def compared(right: bool, answer: str) -> Judgement:
    """The judgement of an answer that could be compared with the gold."""
    mark: Mark = "right" if right else "wrong"
    return Judgement(judgement=mark, answer=answer, reason="equals gold" if right else "differs from gold")


def no_answer() -> Judgement:
    """The judgement of a response that states no answer."""
    return Judgement(judgement="wrong", answer=None, reason="no answer")


def unjudged(reason: str, answer: str | None = None) -> Judgement:
    """The judgement of a response that could not be judged, and why."""
    return Judgement(judgement="unjudged", answer=answer, reason=reason)


class FunctionJudge:
    """A user's own function `(problem, response) -> True | False | None | Judgement` as a judge.

    True is right, False wrong, None unjudged. The function gets the whole response; with a plain True, False
    or None the answer is what follows the last closing think tag, white space folded.
    """

    exact_same = True

    def __init__(self, name: str, function: Callable[[Problem, str], object]) -> None:
        self.name = name
        self._function = function

    def judge(self, problem: Problem, response: str) -> Judgement:
        """Call the function; anything but True, False, None or a Judgement is unjudged."""
        found = self._function(problem, response)
        if isinstance(found, Judgement):
            return found
        answer = self.answer(problem, response)
        if found is None:
            return unjudged("the judge's function returned None", answer)
        if not isinstance(found, bool):
            return unjudged(f"the judge's function returned {type(found).__name__}, not a bool", answer)
        word = "True" if found else "False"
        mark: Mark = "right" if found else "wrong"
        return Judgement(judgement=mark, answer=answer, reason=f"the judge's function returned {word}")

    def answer(self, question: Question, response: str) -> str | None:
        """What follows the last closing think tag, white space folded."""
        return " ".join((final_text(response) or "").split())[:ANSWER_CAP] or None

    def same(self, a: str, b: str) -> bool:
        """String equality."""
        return a == b


def load_judge(spec: str) -> Judge:
    """The judge called `spec`: a built-in name, `package.module:name` or `path/to/file.py:name`.

    A user's name may be a function `(problem, response) -> bool | None | Judgement` or an object with `judge`
    and `same`, and with `answer` if it is to read answers without gold ones. Raises ConfigError when there is
    no such judge, MissingExtraError when its library is not installed.
    """
    if spec in BUILT_IN:
        judge: Judge = load_object(BUILT_IN[spec])()
        return judge
    if ":" not in spec:
        close = get_close_matches(spec, BUILT_IN, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ConfigError(
            f"unknown judge '{spec}': use one of {', '.join(sorted(BUILT_IN))}, package.module:name"
            f" or path/to/file.py:name{hint}"
        )
    found = load_object(spec)
    if hasattr(found, "judge") and hasattr(found, "same") and not inspect.isclass(found):
        if not hasattr(found, "name"):
            found.name = spec
        if not hasattr(found, "exact_same"):
            found.exact_same = False
        own: Judge = found
        return own
    if not callable(found) or inspect.isclass(found):
        kind = "a class" if inspect.isclass(found) else f"a {type(found).__name__}"
        raise ConfigError(f"judge '{spec}' is {kind}: name a function (problem, response) or a judge object")
    return FunctionJudge(spec, found)
