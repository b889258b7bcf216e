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
        "\uff2e\uff45\uff57 York",
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
    assert {fold(text) for text in ["(B)", "b.", "**B**", "B)"]} == {"b"}
    assert fold("?!") == "?!"
