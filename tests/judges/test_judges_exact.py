"""The exact judge folds what does not matter and nothing else."""

import pytest

from selftrain.judges.exact import ExactJudge, fold
from selftrain.records import Problem

JUDGE = ExactJudge()


def mark(response: str, gold: str | None) -> str:
    return JUDGE.judge(Problem.make("q", gold=gold), response).judgement


@pytest.mark.parametrize(
    "response",
    [
        "New York",
        "  new\u00a0 york. ",
        '"New York"',
        "**New York**",
        "It is big.\n\nNew York",
        "The answer is New York.",
        "The answer is New York.\nI am sure of it.",
        "Answer: new york",
        "A: New York",
        "<answer>New York</answer> I think",
        r"So it is \boxed{\text{New York}}.",
        "<think>Paris?</think>New York",
        "**Answer: New York**",
        "The answer is **\u201cNew York\u201d**.",
        "[New York]",
    ],
)
def test_other_writings_of_gold_are_right(response: str) -> None:
    assert mark(response, "New York") == "right"


@pytest.mark.parametrize("response", ["York", "New York City", "The answer is Paris.\nNot New York", "NewYork"])
def test_other_answers_are_wrong(response: str) -> None:
    assert mark(response, "New York") == "wrong"


@pytest.mark.parametrize("response", ["", " \n", "<think>New York", "x" * 5000])
def test_no_answer_is_wrong_with_answer_none(response: str) -> None:
    found = JUDGE.judge(Problem.make("q", gold="New York"), response)
    assert (found.judgement, found.answer) == ("wrong", None)


@pytest.mark.parametrize("gold", [None, "", "  ", "x" * 5000])
def test_without_a_usable_gold_nothing_is_wrong(gold: str | None) -> None:
    assert mark("New York", gold) == "unjudged"


def test_choices_in_brackets_are_the_letter() -> None:
    assert {fold(text) for text in ["(B)", "b.", "**B**", "[B]", "**(B)**.", "'B';", "`b`"]} == {"b"}
    assert fold("...") == "..."


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (".5", "5"),
        ("(1,2]", "[1,2)"),
        ("(1,2)", "[1,2]"),
        ("5!", "5"),
        ("10\u00b2", "102"),
        ("H\u2082O", "H2O"),
        ("$5", "5"),
        ("~5", "5"),
        ("<5", "5"),
        ("f'", "f"),
        ("A*", "A"),
        ("B)", "B"),
        ("(a) or (b)", "a) or (b"),
        ("5?", "5"),
    ],
)
def test_marks_that_mean_something_are_kept(answer: str, gold: str) -> None:
    assert mark(answer, gold) == mark(gold, answer) == "wrong"
    assert mark(answer, answer) == "right"


def test_accents_may_be_written_in_two_ways() -> None:
    assert mark("Caf\u00e9", "Cafe\u0301") == "right"


def test_folding_is_quick_whatever_surrounds_an_answer() -> None:
    assert fold(".**" * 1300) == (".**" * 1300)
    assert fold("(" * 4000).startswith("((")
