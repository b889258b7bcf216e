"""Gold answers of the offered families judge themselves right and half-right ones wrong."""

import json
from typing import Any

import pytest

from selftrain.families import answer_kind, offered_families
from selftrain.judges.reasoning_gym import ReasoningGymJudge
from selftrain.records import Problem
from selftrain.tasks.streams import Stream

reasoning_gym = pytest.importorskip("reasoning_gym")

FORMS = [
    "{}",
    "<think>5</think>{}",
    "<answer>{}</answer>",
    "So it must be.\n\nAnswer: {}",
    "The answer is {}",
    "\\boxed{{{}}}",
]


@pytest.fixture(scope="module")
def judge() -> ReasoningGymJudge:
    return ReasoningGymJudge()


def make(name: str, entry: dict[str, Any], **reference: object) -> Problem:
    whole = {"dataset": name, "entry": json.loads(json.dumps(entry)), **reference}
    return Problem.make(entry["question"], gold=entry["answer"], reference=whole)


@pytest.mark.parametrize("name", offered_families())
def test_gold_judges_itself_right_however_it_is_stated(judge: ReasoningGymJudge, name: str) -> None:
    data = reasoning_gym.create_dataset(name, seed=3, size=2)
    for entry in (data[0], data[1]):
        problem = make(name, entry, kind=answer_kind(name))
        for form in FORMS:
            assert judge.judge(problem, form.format(entry["answer"])).judgement == "right", form
        for response in ["banana", "NaN", "[NaN, NaN]", "null", "", "{}", "<think>" + entry["answer"]]:
            assert judge.judge(problem, response).judgement == "wrong", response


def test_numbers_are_canonical_and_extracted(judge: ReasoningGymJudge) -> None:
    entry = {"question": "q", "answer": "1200", "metadata": {}}
    found = judge.judge(make("chain_sum", entry, kind="number"), "1,000 + 200 is 1,200.0 in all.")
    assert (found.judgement, found.answer) == ("right", "1200")


def test_half_right_answers_are_wrong(judge: ReasoningGymJudge) -> None:
    entry = {"question": "q", "answer": "True", "metadata": {}}
    assert judge.judge(make("course_schedule", entry, kind="text"), "True or False").judgement == "wrong"


@pytest.mark.parametrize("wrong", ["-5", "5/2", "5.5", "6", "5 or 6"])
def test_gsm_symbolic_compares_whole_numbers_and_not_their_first_digits(judge: ReasoningGymJudge, wrong: str) -> None:
    problem = make("gsm_symbolic", {"question": "q", "answer": "5", "metadata": {}}, kind="number")
    assert judge.judge(problem, f"The answer is {wrong}.").judgement == "wrong"
    assert judge.judge(problem, "The answer is $5.0.").judgement == "right"


def test_stored_entries_of_gsm_symbolic_are_judged_as_their_numbers(judge: ReasoningGymJudge) -> None:
    for entry in Stream("gsm_symbolic", {}, 0, set()).take(200) or []:
        gold = float(entry["answer"])
        for number, mark in [(gold, "right"), (gold + 1, "wrong"), (gold / 2 + 1000, "wrong"), (-gold - 1, "wrong")]:
            problem = make("gsm_symbolic", entry, kind="number")
            assert judge.judge(problem, f"The answer is {number}.").judgement == mark, entry["answer"]


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ({}, "no reasoning-gym entry"),
        ({"dataset": "countdown", "entry": {"answer": "1"}}, "executes the answer"),
        ({"dataset": "nothing", "entry": {"answer": "1"}}, "unknown"),
        ({"dataset": "chain_sum", "entry": {"answer": None}}, "no gold answer"),
        ({"dataset": "calendar_arithmetic", "entry": {"answer": "x", "metadata": {}}}, "does not score itself right"),
    ],
)
def test_broken_problems_are_unjudged(judge: ReasoningGymJudge, reference: dict[str, Any], reason: str) -> None:
    found = judge.judge(Problem.make("q", reference=reference), "5")
    assert found.judgement == "unjudged"
    assert reason in found.reason


def test_the_entry_is_not_written_into(judge: ReasoningGymJudge) -> None:
    entry = json.loads(json.dumps(reasoning_gym.create_dataset("knight_swap", seed=1, size=1)[0]))
    problem = make("knight_swap", entry)
    judge.judge(problem, entry["answer"])
    assert problem.reference["entry"] == entry
