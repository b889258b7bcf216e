"""Answers are read without gold answers, and are those that judging against any gold finds."""

import json
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from selftrain.families import answer_has_lines, answer_kind, offered_families
from selftrain.judges import Judge, load_judge
from selftrain.judges.base import FunctionJudge
from selftrain.judges.stated import ANSWER_CAP
from selftrain.records import Problem, Question

QUESTION = Problem.make("q").without_gold()
GOLDEN = {
    "number": {
        "so 3.9": "39/10",
        "so 3.2": "16/5",
        "A: -5": "-5",
        "A: 5": "5",
        "0.5": "1/2",
        r"\boxed{\frac12}": "1/2",
        "#### 1,200": "1200",
        "<think>7</think>The answer is 8 eggs.": "8",
        "<think>8": None,
        "no idea": None,
    },
    "exact": {
        "The answer is **New  York**.": "new york",
        "3.9": "3.9",
        "(B)": "b",
        "<think>Paris</think>\nRome\n": "rome",
        "": None,
        "x" * (ANSWER_CAP + 1): None,
    },
    "math": {
        "0.5": "1/2",
        "The answer is 2/4.": "1/2",
        r"\boxed{-x + 1}": "-x + 1",
        "so $x**2$": "x^2",
        "<think>5": None,
    },
}
SPACE = st.sampled_from(["", " ", "\n"])
STATED = st.one_of(
    st.integers().map(str),
    st.fractions().map(str),
    st.floats().map(str),
    st.text(max_size=40),
    st.sampled_from(["x^2", r"\frac{1}{2}", r"\text{Rome}", "(1, 2)", "3 * 6", "", "b", "1,200", "50%"]),
)
FORMS = ["{}", "A: {}", r"\boxed{{{}}}", "The answer is {}.", "#### {}", "<answer>{}</answer>", "<think>1</think>{}"]
RESPONSES = st.builds(lambda before, form, text: before + form.format(text), SPACE, st.sampled_from(FORMS), STATED)


@cache
def judge(name: str) -> Judge:
    return load_judge(name)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in GOLDEN.items() for text in texts])
def test_the_stated_answer_is_read(name: str, text: str) -> None:
    assert judge(name).answer(QUESTION, text) == GOLDEN[name][text]


@pytest.mark.parametrize("name", ["number", "math"])
def test_equal_values_are_the_same_answer_and_near_ones_are_not(name: str) -> None:
    read = {text: judge(name).answer(QUESTION, text) or "" for text in ("0.5", "1/2", "3.9", "3.2", "-5", "5")}
    assert judge(name).same(read["0.5"], read["1/2"])
    assert not judge(name).same(read["3.9"], read["3.2"])
    assert not judge(name).same(read["-5"], read["5"])


@pytest.mark.parametrize("name", ["number", "exact", "math"])
@given(response=RESPONSES, gold=st.one_of(st.none(), STATED))
@example(response="", gold="5")
@example(response="<think>5", gold="5")
@settings(deadline=None, max_examples=60)
def test_the_answer_does_not_depend_on_the_gold(name: str, response: str, gold: str | None) -> None:
    problem = Problem.make("q", gold=gold)
    found = judge(name).answer(problem.without_gold(), response)
    assert found == judge(name).judge(problem, response).answer
    assert found is None or 0 < len(found) <= ANSWER_CAP


def test_a_function_reads_what_follows_the_thinking() -> None:
    own = FunctionJudge("own", lambda problem, response: True)
    assert own.answer(QUESTION, "<think>a</think> b \n\n c ") == "b c"
    assert own.answer(QUESTION, "<think>a") is own.answer(QUESTION, " \n") is None
    assert own.answer(QUESTION, "x" * 9000) == "x" * ANSWER_CAP
    assert own.judge(Problem.make("q"), "b\n c").answer == own.answer(QUESTION, "b\n c")


def family(name: str | None) -> Question:
    return Problem.make("q", family=name).without_gold()


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("chain_sum", "1,000 + 200 is 1,200.0 in all.", "1200"),
        ("chain_sum", "no idea", None),
        ("shortest_path", "I looked.\nThe answer is `right down`.", "right down"),
        ("mini_sudoku", "<think>1 2</think>\n1 2\n2 1\n", "1 2\n2 1"),
        ("mini_sudoku", "Well,\nAnswer:\n1 2\n2 1", "1 2\n2 1"),
        ("mini_sudoku", "<think>1 2\n2 1", None),
    ],
)
def test_reasoning_gym_reads_as_the_family_answers(name: str, text: str, wanted: str | None) -> None:
    pytest.importorskip("reasoning_gym")
    assert judge("reasoning_gym").answer(family(name), text) == wanted


@pytest.mark.parametrize("name", [None, "countdown", "nothing"])
def test_reasoning_gym_wants_an_offered_family(name: str | None) -> None:
    pytest.importorskip("reasoning_gym")
    with pytest.raises(ValueError, match="family"):
        judge("reasoning_gym").answer(family(name), "5")


@pytest.mark.parametrize("name", offered_families())
def test_reasoning_gym_reads_what_it_judges(name: str) -> None:
    reasoning_gym = pytest.importorskip("reasoning_gym")
    data = reasoning_gym.create_dataset(name, seed=4, size=2)
    for entry in (data[0], data[1]):
        gold = entry["answer"].strip()
        assert ("\n" in gold) <= answer_has_lines(name)
        if answer_has_lines(name) and "\n" not in gold:
            continue  # a grid of one row
        reference = {"dataset": name, "entry": json.loads(json.dumps(entry)), "kind": answer_kind(name)}
        problem = Problem.make(entry["question"], gold=gold, family=name, reference=reference)
        for form in FORMS:
            found = judge("reasoning_gym").judge(problem, form.format(gold))
            assert judge("reasoning_gym").answer(problem.without_gold(), form.format(gold)) == found.answer is not None
