"""Multiple-choice rows: every form of options, every way an answer names one, and every row that is none."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain.errors import DataError
from selftrain.records import Problem
from selftrain.tasks.choices import choice_problem

TEXTS = ["red", "green", "dark blue"]


def choose(options=TEXTS, answer=None, **facts):
    return choice_problem([{"role": "user", "content": "Which colour?"}], options, answer, "a.jsonl line 3", **facts)


def test_the_options_stand_below_the_question_a_line_each():
    problem = choose(answer="B", level="easy", rationale="Grass is green.")
    text = "Which colour?\n(A) red\n(B) green\n(C) dark blue"
    assert problem == Problem.make(text, gold="B", level="easy", rationale="Grass is green.", options=TEXTS)
    assert problem.options == ("red", "green", "dark blue")


def test_a_conversation_keeps_its_earlier_messages():
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which?\n"}]
    problem = choice_problem(turns, TEXTS[:2], None, "x")
    assert [m.content for m in problem.messages] == ["Be brief.", "Which?\n(A) red\n(B) green"]
    assert turns[-1]["content"] == "Which?\n"


@pytest.mark.parametrize(
    "options",
    [
        TEXTS,
        [f" {text}\n" for text in TEXTS],
        dict(zip("ABC", TEXTS, strict=True)),
        [{"label": label, "text": text} for label, text in zip("ABC", TEXTS, strict=True)],
        {"text": TEXTS, "label": ["A", "B", "C"]},
        '["red", "green", "dark blue"]',
        '{"label": ["A", "B", "C"], "text": ["red", "green", "dark blue"]}',
    ],
)
def test_forms_of_options(options):
    problem = choose(options, "C")
    assert (problem.options, problem.gold) == (tuple(TEXTS), "C")


def test_labels_of_a_rows_own_are_relettered_by_place():
    assert choose({"text": TEXTS, "label": ["1", "2", "3"]}, "3").gold == "C"
    assert choose({"text": TEXTS, "label": [1, 2, 3]}, "3").gold == "C"
    swapped = choose({"B": "green", "A": "red"}, "A")
    assert (swapped.options, swapped.gold) == (("green", "red"), "B")


@pytest.mark.parametrize(
    ("options", "answer", "letter"),
    [
        (TEXTS, "A", "A"),
        (TEXTS, " C ", "C"),
        (TEXTS, "dark  blue", "C"),
        (TEXTS, 0, "A"),
        (TEXTS, 2, "C"),
        (TEXTS, 2.0, "C"),  # whole numbers beside missing ones become floats in many tables
        (["the", "a", "an"], "a", "B"),  # a text: labels are capitals
        (["B", "A"], "A", "A"),  # a label goes before a text
        (["3", "1", "2"], 1, "B"),  # a whole number is a place
        (["3", "1", "2"], "1", "B"),  # in quotes it is a text
        ([30, 10.5, 20], "20", "C"),
        ([30, 10.5, 20], 10.5, "B"),
        ({"1": "x", "2": "y", "3": "z"}, 1, "A"),  # its own labels are whole numbers
        ({"1": "x", "2": "y", "3": "z"}, 3, "C"),
        (TEXTS, None, None),
        (TEXTS, " ", None),
    ],
)
def test_answers_that_name_an_option(options, answer, letter):
    assert choose(options, answer).gold == letter


@pytest.mark.parametrize(
    ("options", "answer", "message"),
    [
        (TEXTS, "D", "the answer 'D' names no option: wanted one of A, B, C, or an option's text"),
        (TEXTS, "b", "the answer 'b' names no option"),
        (TEXTS, "1", "the answer '1' names no option"),
        (TEXTS, 3, "the answer '3' names no option: wanted one of 0, 1, 2, or an option's text"),
        (TEXTS, -1, "the answer '-1' names no option"),
        (TEXTS, True, "the answer holds bool 'True': wanted text"),
        (TEXTS, ["A"], "the answer holds list"),
        (TEXTS, math.nan, "the answer holds nan"),
        ({"1": "x", "2": "y", "3": "z"}, 0, "the answer '0' names no option: wanted one of 1, 2, 3, or"),
        ({"1": "x", "2": "y", "3": "z"}, "A", "the answer 'A' names no option"),
        ({"A": "x", "B": "y", "D": "z"}, "C", "the answer 'C' names no option: wanted one of A, B, D, or"),
        (None, "A", "the options hold NoneType: wanted a list of texts, a mapping of labels to texts, or of text and"),
        (5, "A", "the options hold int"),
        ("red or green", "A", "the options are a text that is not JSON"),
        ("[" * 100_000, "A", "the options are a text that is not JSON"),
        ('"red"', "A", "the options hold str"),
        ([], None, "line 3 has 0 options: wanted 2 to 26"),
        ({}, None, "line 3 has 0 options"),
        (["red"], "A", "line 3 has 1 option: wanted 2 to 26"),
        ([str(n) for n in range(27)], "A", "line 3 has 27 options: wanted 2 to 26"),
        (["red", ""], "A", "option 2 is empty: wanted a text"),
        (["red", None], "A", "option 2 is empty"),
        (["red", ["green"]], "A", "option 2 holds list"),
        (["red", "gr\x00en"], "A", "option 2 holds a null character"),
        (["red", "blue", "RED "], "A", "options 1 and 3 have the same text: remove one of them"),
        (["dark  blue", "dark blue"], "A", "options 1 and 2 have the same text"),
        ({"text": TEXTS, "label": ["A", "B"]}, "A", "has 3 options and 2 labels: give each a label"),
        ({"text": TEXTS, "label": ["A", "B", "B"]}, "A", "options 2 and 3 have the same label: give each its own"),
        ([{"label": "A", "text": "red"}, "green"], "A", "the label of option 2 is empty"),
        ([{"label": "A", "text": "red"}, {"label": "B"}], "A", "option 2 is empty"),
    ],
)
def test_rows_that_are_no_choice(options, answer, message):
    with pytest.raises(DataError) as caught:
        choose(options, answer)
    assert str(caught.value).startswith("a.jsonl line 3")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["text", "label", "A", "B"]), inner),
    max_leaves=8,
)


@given(options=VALUES, answer=VALUES)
def test_whatever_a_row_holds_it_is_a_problem_or_a_data_error(options, answer):
    try:
        problem = choose(options, answer)
    except DataError:
        return
    assert 2 <= len(problem.options) <= 26
    assert problem.gold is None or 0 <= ord(problem.gold) - ord("A") < len(problem.options)


@given(st.lists(st.integers(0, 99).map(str), min_size=2, max_size=26, unique=True), st.data())
def test_the_text_of_any_option_names_its_letter(texts, data):
    place = data.draw(st.integers(0, len(texts) - 1))
    letter = chr(ord("A") + place)
    assert choose(texts, texts[place]).gold == letter
    assert choose(texts, place).gold == letter
    assert choose(texts, letter).gold == letter
