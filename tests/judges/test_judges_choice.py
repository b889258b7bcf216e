"""The choice judge reads the letter a response states, in every common form, and never guesses one."""

import time
from pathlib import Path
from string import ascii_uppercase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from selftrain.judges import JudgePool
from selftrain.judges.choice import ChoiceJudge
from selftrain.judges.exact import ExactJudge
from selftrain.judges.number import NumberJudge
from selftrain.judges.stated import RESPONSE_CAP
from selftrain.records import Problem
from selftrain.tasks.check import check_task
from selftrain.tasks.task import Task

TEXTS = ("bank", "library", "shop", "inn")
LIST = "A) bank\nB) library\nC) shop\nD) inn\n"
JUDGE = ChoiceJudge()

FORMS = [
    "({})",
    "{}",
    "{}.",
    "{})",
    "[{}]",
    "**{}**",
    "**({})**",
    "`{}`",
    "> {}",
    "Answer: {}",
    "Answer: {}.",
    "Answer: ({})",
    "Answer:{}",
    "**Answer:** {}",
    "**Answer: {}**",
    "Answer: **({})**",
    'Answer: "{}"',
    "Answer: option {}",
    "**Answer**:\n\n{}",
    "Final Answer\n\n({})",
    "The answer is {}.",
    "The answer is therefore ({}).",
    "The correct answer is option {}",
    "The correct option is **{}**.",
    r"\boxed{{{}}}",
    r"\boxed{{\text{{{}}}}}",
    r"The answer is $\boxed{{\textbf{{({})}}}}$.",
    "<answer>{}</answer>",
    "<answer>\n({})\n</answer>",
    "A: {}",
    "A: ({})",
    "#### {}",
    "I think.\n\n{}",
    "<think>A or B</think>({})",
    LIST + "\nAnswer: {}",
    "\uff21\uff4e\uff53\uff57\uff45\uff52\uff1a \uff08{}\uff09",
    "\u3010{}\u3011",
]
WITH_TEXT = [
    "{}) {text}",
    "{}. {text}",
    "({}) {text}",
    "{}: {text}",
    "**{}) {text}**",
    "- **{}.** {text}",
    "Answer: {text}",
    "Answer: **{text}**.",
    "Answer: {}) {text}",
    "Answer: {} - {text}",
    "Answer: {}: {text}",
    "Answer: ({}) *{text}*, because it fits.",
    "The answer is ({}) {text}.",
    "The answer is **{}. {text}**",
    r"\boxed{{{}) {text}}}",
    "A: ({}) {text}",
]
LOWER = ["({})", "[{}]", "{})", "Answer: {}", "answer: {}.", "Answer: ({}) it fits", r"\boxed{{{}}}", "A: {}", "{}"]

STATED = [
    "Answer: A ... no wait. Answer: B",
    r"\boxed{A}? No. Answer: B",
    r"Answer: A. Hm, rather \boxed{B}",
    r"\boxed{A}? No, \boxed{B}",
    "<answer>A</answer>\nA: B",
    "A: A\nThe answer is B",
    "Answer: B, because A is a bank.",
    "Answer: B. Option A is wrong.",
    "Answer: B (not A)",
    "Answer: B, Amsterdam has one",
    "Answer: (B) innocent people go there",
    "The answer is B, not A.",
    "The answer is B because it has books.",
    "The answer is B. It is not C.",
    "The answer is not A. The answer is B.",
    "Answer: B\nExplanation: the answer is derived from facts",
    "Answer: B\n\n" + LIST,
    "Answer: B\n\nA: bank\nB: library\nC: shop\nD: inn",
    "A: bank\nAnswer: B",
    LIST + "\nB) library",
    LIST + "I choose:\n(B)",
    "(B) library\n\nIt has books.",
    "The answer is clear.\n(B) library",
    "library",
    "Answer: B\n(B) library",
    "A: The answer is B",
    "Answer: The correct option is B.",
    "Answer: B \u2014 it has books",
    "Answer: B \u2705",
    "Answer: B (I am sure)",
    r"The answer is \(B\).",
    "Answer: A. C is wrong. Answer: B. A is wrong.",
    "Answer: B\nA) bank is where money is kept.",
    "Answer choices:\n" + LIST + "\nAnswer: B",
    "Answer choices: A) bank B) library C) shop D) inn\nAnswer choice: B",
    "The answer is \u201cB\u201d.",
    "Answer: C. No wait, it is A. Answer: B",
    "Answer: C. Actually, the answer is B.",
    "Answer: C\nOn reflection, the correct option is (B)",
]
KEPT = [
    "Answer: C\n(A) is wrong because it lends money.",
    "Answer: C\nExplanation: (A) is wrong, (B) lends books and (D) is for guests.",
    "Answer: C. A and B are wrong.",
    "Answer: C, but options A, B and D are wrong.",
    "Answer: C. Some would say A or B, and some D.",
    "The answer is C because A is for money but B is for reading.",
    "The answer is C rather than B.",
    "The answer is C, instead of (B).",
    "The answer is C. I prefer C rather than B, C instead of B.",
    "The answer is C. No other option fits, as A is for money.",
    "The answer is C. Wait, it is not B, so C.",
    "The answer is C. No, A isn't right. It is (C).",
    "The answer is C; actually B is wrong.",
    "Answer: C\nOne may go to A or B, but most would not.",
    "Answer: C\nPeople may think of (B), maybe of (A).",
    "Answer: C\nA dog would wait at A, not at B.",
    "Answer: C. It is not A. It is not B.",
    "Answer: C\n\n" + LIST,
    "(C) shop\nIt is not (B).",
]
TAKEN_BACK = [
    "The answer is C. No wait, it is B.",
    "The answer is C. No wait. It is B.",
    "The answer is C. No, B.",
    "Answer: B. Actually, A.",
    "Answer: B. Actually, A seems right.",
    "Answer: B. Actually A fits better",
    "Answer: B. Actually, having thought of the money, A.",
    "Answer: (C) but maybe (B)",
    "(C) but maybe (B)",
    "Answer: (C) or rather (B)",
    "Answer: (C) shop or (B) library",
    "Answer: C, but B is better.",
    "Answer: C, but (B) library would do.",
    "Answer: C. Sorry, I meant B.",
    "Answer: C. I'd pick B instead.",
    "Answer: C. (B) instead.",
    "Answer: C? Hm. B, actually.",
    "Answer: C. No, it is not A, it is B.",
    "Answer: C. No, A is wrong, B is right.",
    "Answer: C. Wait, (B) has the books.",
    "Answer: C\nOn reflection I choose (B)",
    "Answer: C\nI choose **(B)**",
    "Answer: C\nActually the right place would be (B) library",
    "Answer: C\nIt\u2019s B.",
    "Answer: C\n\nHm. No, wait, it should be option B.",
    r"\boxed{C}$ or maybe $B$",
    "<answer>C</answer> Actually, (b).",
    "A: C\nCorrection: the last word is B.",
    "#### C\nWait, B",
    "(C) shop\nNo wait, it is B.",
    "C\nActually, B.",
    "Answer: C\n(C) shop\nActually, B.",
]
UNSTATED = [
    "",
    " \n",
    "<think>B",
    "<think>Answer: B</think>",
    "Answer: K",
    "(K)",
    r"\boxed{7}",
    "Answer: B\nAnswer: K",
    "Answer: A or B",
    "Answer: A and C",
    "Answer: A B",
    "Answer: A/B",
    "Answer: B & C",
    "Answer: B. C.",
    "Answer: (A) or (B)",
    "Answer: (a), (b)",
    "Answer: (a)(b)",
    "Answer: a, b",
    "Answer: a, b because",
    "Answer: a dog, or so",
    "Answer: a) or c)",
    "Answer: (A) vs (C)",
    "Answer: bank\nshop",
    "The answer is **A**\n**C**",
    "The answer is A) bank\nC) shop.",
    "A: A\nC",
    "Answer:\n\nA) bank\n\nB) library",
    "Answer: B\nAnswer: something else",
    "Answer: B\nThe answer is K.",
    "Answer: B. The answer is one of (A), (C).",
    "The answer is shop\nThe answer is library of course",
    "Answer: (B)?",
    "Answer: A) bank B) library C) shop D) inn",
    "Answer: A to D",
    "Answer: (A) to (D)",
    "Answer: A-D",
    "Answer: (A) as well as (C)",
    "Answer: B, maybe C",
    "Answer: " + LIST,
    "Answer:\nA\nB\nC\nD",
    "Answer: both B and C",
    "Answer: bank or library",
    "Answer: (A/B/C/D)",
    "Answer: [letter]",
    "The answer is either (A) or (B).",
    "The answer is between B and C",
    "The answer is neither.",
    "Answer: B. No, the answer is neither.",
    "The answer is not B",
    "The answer is B. No wait, the answer is not B.",
    "Answer: B is wrong",
    "Answer: B?",
    "Answer: B if it is open, else C",
    r"\boxed{A} or \boxed{C}",
    r"\boxed{A}, \boxed{C}",
    r"\boxed{A, C}",
    "<answer>A\nB</answer>",
    "(A) library",
    "Answer: (A) library",
    "Answer: A library",
    "A: library",
    LIST,
    LIST + LIST,
    "A: bank\nB: library",
    "A) bank\nC) shop",
    "Answer:\n" + LIST,
    "The answer is one of these: A) bank B) library C) shop D) inn",
    "A dog would bark.",
    "Answer: A dog would bark",
    "Answer: B vitamins",
    "Answer: C++",
    "The answer is B12.",
    "Answer: \u0131",
    "(B) is what I thought at first",
    "A bank keeps money.",
    "So it is the library.",
    "Answer: B\n\nWhy not the others?\nA) bank",
]


def asked(texts: tuple[str, ...] = TEXTS, gold: str | None = None) -> Problem:
    return Problem.make("Where are books lent?", options=texts, gold=gold)


def read(response: str, texts: tuple[str, ...] = TEXTS) -> str | None:
    return JUDGE.answer(asked(texts).without_gold(), response)


@pytest.mark.parametrize("letter", "ABIJ")
@pytest.mark.parametrize("form", FORMS + WITH_TEXT)
def test_every_form_is_read_for_every_letter(form: str, letter: str) -> None:
    texts = tuple(
        f"place {name}" for name in ("one", "two", "three", "four", "five", "six", "seven", "eight", "9", "x")
    )
    assert read(form.format(letter, text=texts[ascii_uppercase.index(letter)]), texts) == letter


@pytest.mark.parametrize("form", LOWER)
def test_small_letters_are_read_in_brackets_and_after_markers(form: str) -> None:
    assert [read(form.format(letter)) for letter in "abcd"] == ["A", "B", "C", "D"]


def test_full_width_letters_are_letters() -> None:
    assert read("\uff21\uff4e\uff53\uff57\uff45\uff52\uff1a\uff08\uff22\uff09") == read("\uff22") == "B"


@pytest.mark.parametrize("response", STATED)
def test_the_last_statement_counts(response: str) -> None:
    assert read(response) == "B"


@pytest.mark.parametrize("response", UNSTATED)
def test_what_is_not_stated_is_not_guessed(response: str) -> None:
    assert read(response) is None


@pytest.mark.parametrize("response", KEPT)
def test_an_explanation_takes_nothing_back(response: str) -> None:
    assert read(response) == "C"


@pytest.mark.parametrize("response", TAKEN_BACK)
def test_a_turn_to_another_letter_leaves_no_answer(response: str) -> None:
    assert read(response) is None


def test_the_words_of_the_stated_option_are_no_turn() -> None:
    texts = ("vitamin A", "not A but C", "C")
    assert read("Answer: (B) not A but C", texts) == read("(B) not A but C", texts) == "B"
    assert read("Answer: (B) not A but C. Actually, A.", texts) is None


def test_i_is_a_pronoun_and_a_an_article() -> None:
    texts = tuple(f"place {number}" for number in range(10))
    assert read("I think so", texts) is read("Answer: I think so", texts) is None
    assert read("Answer: B, and I am sure", texts) == read("Answer: B. A dog knows.", texts) == "B"


def test_option_texts_that_look_like_letters_or_like_each_other() -> None:
    assert read("C", ("C", "D", "B12")) == "C"
    assert read("Answer: E. coli", ("yeast", "E. coli", "moss", "fern", "ivy")) == "B"
    assert read("Answer: E. coli, as I said", ("yeast", "E. coli", "moss", "fern", "ivy")) is None
    assert read("(A) New York City", ("New York", "New York City")) is None
    assert read("Answer: (A) New York City", ("New York", "New York City")) is None
    assert read("Answer: (B) New York City", ("New York", "New York City")) == "B"
    assert read("Answer: -5", ("5", "-5")) == read("Answer: (B) -5", ("5", "-5")) == "B"
    assert read("Answer: (B) is not rational", ("is rational", "is not rational")) == "B"
    assert read("Answer: 14.1", ("141", "14.1")) == "B"
    assert read("Answer: A and C", ("one", "two", "three", "A and C")) == "D"
    assert read("Answer: same", ("same", "Same.")) is None
    assert read("", ("", "x")) is read("\u0131", ("x",) * 9) is None


WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=8)
OPTIONS = st.lists(st.text("bcdfghjklm", min_size=2, max_size=8), min_size=1, max_size=12, unique=True).map(tuple)
PROSE = st.lists(WORDS, min_size=2, max_size=12).map(" ".join)


@given(texts=OPTIONS, place=st.integers(0, 11), form=st.sampled_from(FORMS + WITH_TEXT), prose=PROSE)
def test_prose_after_the_statement_changes_nothing(texts: tuple[str, ...], place: int, form: str, prose: str) -> None:
    place %= len(texts)
    response = form.format(ascii_uppercase[place], text=texts[place])
    assert read(response, texts) == read(f"{response}\n\n{prose}.", texts) == ascii_uppercase[place]


PIECES = st.sampled_from(
    [*"ABCDK ()[].:,*\n", "Answer: ", "is", " or ", "not ", r"\boxed{", "}", "<answer>", "bank", "#### "]
)


@given(
    response=st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=30).map("".join)),
    texts=st.lists(st.one_of(st.text(max_size=12), st.sampled_from(TEXTS)), max_size=30).map(tuple),
)
@example(response="Answer: \u0130", texts=TEXTS)
@example(response="\u212a", texts=TEXTS)
def test_any_text_gives_none_or_a_letter_of_the_options(response: str, texts: tuple[str, ...]) -> None:
    assert read(response, texts) in (None, *ascii_uppercase[: len(texts)])


HOSTILE = [
    "answer ",
    "answer is ",
    "Answer: B ",
    "A: B\n",
    "B)\n",
    "(B) library\n",
    "(a) bank ",
    r"\boxed{",
    r"\text{",
    ".**",
    "*",
    "> ",
    "not ",
    "\n",
    "#### B\n",
    "<answer>",
    "correct option is B ",
    "no, ",
    "or A bad ",
    "but (A) is wrong ",
    "Actually (A) bad ",
    "wait ",
    "I choose (A) not",
]


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("before", ["", "Answer: (B) ", r"Answer: \boxed{\text{"])
def test_long_responses_are_read_quickly(before: str, piece: str) -> None:
    response = before + piece * (RESPONSE_CAP // len(piece))
    started = time.process_time()
    read(response[:RESPONSE_CAP])
    assert time.process_time() - started < 0.2  # about 10 ms; catastrophic backtracking takes for ever


def test_only_the_tail_of_a_long_response_counts() -> None:
    assert read("Answer: A\n" + "so " * RESPONSE_CAP + "\nAnswer: B") == "B"
    assert read("Answer: A\n" + "so " * RESPONSE_CAP) is None


@pytest.mark.parametrize(
    ("response", "mark", "reason"),
    [("Answer: B.", "right", "equals gold"), ("(C)", "wrong", "differs from gold"), ("hm", "wrong", "no answer")],
)
def test_letters_are_compared_with_the_gold(response: str, mark: str, reason: str) -> None:
    found = JUDGE.judge(asked(gold="B"), response)
    assert (found.judgement, found.reason, found.answer) == (mark, reason, read(response))


@pytest.mark.parametrize("gold", ["B", "b", " (B) ", "B.", "\uff22"])
def test_a_gold_letter_may_be_dressed(gold: str) -> None:
    assert JUDGE.judge(asked(gold=gold), "Answer: B").judgement == "right"
    assert JUDGE.judge(asked(gold=gold), gold).judgement == "right"


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (asked(), "no gold answer"),
        (asked(gold=""), "gold is not the letter of an option"),
        (asked(gold="E"), "gold is not the letter of an option"),
        (asked(gold="AB"), "gold is not the letter of an option"),
        (asked(gold="library"), "gold is not the letter of an option"),
        (asked((), "B"), "the problem has no options"),
    ],
)
def test_without_a_usable_gold_nothing_is_wrong(problem: Problem, reason: str) -> None:
    found = JUDGE.judge(problem, "Answer: B")
    assert (found.judgement, found.reason) == ("unjudged", reason)
    assert found.answer == ("B" if problem.options else None)


def test_options_cross_the_pools_processes() -> None:
    problem = asked(gold="B")
    with JudgePool("choice", workers=1) as pool:
        responses = ["Answer: library", "Answer: (A)", "hm"]
        read_ = pool.answers((text, problem.without_gold(), text) for text in responses)
        assert {text: found.answer for text, found in read_} == dict(zip(responses, ["B", "A", None], strict=True))
        judged = pool.judge((text, problem, text) for text in responses)
        assert [found.judgement for _, found in judged] == ["right", "wrong", "wrong"]
        assert list(pool.clusters([("q", ["B", "A", None, "B"])])) == [("q", (0, 1, 2, 0))]


def test_gold_letters_judge_themselves_right() -> None:
    problems = [Problem.make(f"q{n}", options=TEXTS, gold=letter) for n, letter in enumerate("ABCDAB")]
    splits = {"train": tuple(problems[:2]), "select": tuple(problems[2:4]), "test": tuple(problems[4:])}
    report = check_task(Task(name="books", judge="choice", splits=splits), workers=1)
    assert (report.ok, report.checked["gold answer"]) == (True, 6)


def test_a_dot_after_a_letter_changes_nothing() -> None:
    assert read("Answer: B.") == read("Answer: B") == "B"


def test_a_letter_in_brackets_is_not_read_as_another() -> None:
    assert [read(f"Answer: ({letter})") for letter in "ABCD"] == list("ABCD")


def test_replies_without_a_letter_have_no_common_label() -> None:
    assert {read(reply) for reply in ("", "hm", "I do not know.", "42")} == {None}


def test_decimal_points_are_kept() -> None:
    assert NumberJudge().answer(asked(()), "Answer: 14.1") == "141/10"
    assert NumberJudge().judge(asked((), "141"), "Answer: 14.1").judgement == "wrong"
    assert NumberJudge().judge(asked((), "14.1"), "Answer: 14.1.").judgement == "right"
    assert ExactJudge().answer(asked(()), "Answer: 14.1") == "14.1"
    assert ExactJudge().judge(asked((), "141"), "Answer: 14.1").judgement == "wrong"


def test_answers_are_never_evaluated(tmp_path: Path) -> None:
    code = f"__import__('pathlib').Path({str(tmp_path / 'touched')!r}).touch()"
    assert read(f"Answer: {code}") is None
    assert ExactJudge().answer(asked(()), "Answer: 1 + 1") == "1 + 1"
    assert NumberJudge().answer(asked(()), "Answer: 7 * 6") is None
    for judge in (JUDGE, NumberJudge(), ExactJudge()):
        assert judge.judge(asked(gold="B"), f"Answer: {code}").judgement != "right"
    assert NumberJudge().answer(asked(()), "Answer: __import__('os')") is None
    assert not (tmp_path / "touched").exists()
