"""Judges summaries by ROUGE-L with the gold summary, and reports how much of it they hold."""

from selftrain.digest import normal_text
from selftrain.judges.base import unjudged
from selftrain.judges.stated import ANSWER_CAP, after_thinking
from selftrain.overlap import bleu, rouge_l
from selftrain.records import Judgement, Mark, Problem, Question
from selftrain.scores import RIGHT_FROM


class SummaryJudge:
    """Right when the ROUGE-L F1 of the response with the gold summary reaches `right_from` of the problem's reference.

    The threshold makes pass@1; the scores beside it, whose means papers report, are graded: `rouge_l` (0 to 1) and
    `bleu` (0 to 100). A response without a text is wrong and has scores of 0.
    """

    name = "summary"
    exact_same = True

    def __init__(self) -> None:
        """Raises MissingExtraError, as the scores do, before any response is judged."""
        _scores("a", "a")

    def judge(self, problem: Problem, response: str) -> Judgement:
        """Mark one response; the answer is its text."""
        answer, gold = self.answer(problem, response), normal_text(problem.gold or "")
        right_from = problem.reference.get("right_from", RIGHT_FROM)
        if not gold:
            return unjudged("no gold answer", answer)
        if type(right_from) not in (int, float) or not 0 < right_from <= 1:
            return unjudged("right_from in the reference is no number above 0 and up to 1", answer)
        scores = _scores(_summary(response), gold)
        mark: Mark = "right" if scores["rouge_l"] >= right_from else "wrong"
        reason = f"ROUGE-L {scores['rouge_l']:.3f}, right from {right_from:g}" if answer else "no answer"
        return Judgement(judgement=mark, answer=answer, reason=reason, scores=scores)

    def answer(self, question: Question, response: str) -> str | None:
        """What follows the thinking, white space folded, at most its first ANSWER_CAP characters."""
        return _summary(response)[:ANSWER_CAP].rstrip() or None

    def same(self, a: str, b: str) -> bool:
        """String equality of folded texts."""
        return a == b


def _summary(response: str) -> str:
    return normal_text(after_thinking(response) or "")


def _scores(summary: str, gold: str) -> dict[str, float]:
    return {"rouge_l": rouge_l(candidate=summary, reference=gold), "bleu": bleu(candidate=summary, reference=gold)}
