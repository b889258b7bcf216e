"""What a pseudo-label teaches: the answer as the response writes it, or the response."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_few_labels import PROBLEMS, choice, taught

from selftrain.digest import normal_text
from selftrain.judges import load_judge
from selftrain.recipes._targets import TargetOptions, as_written, target

OPTIONS = TargetOptions()


@pytest.mark.parametrize(
    ("answer", "text", "written"),
    [
        ("14.1", "Answer: 14.1", "14.1"),
        ("141/10", "At 14.1 degrees. The answer is 14.1.", "14.1"),
        ("141/10", "So 14.10 it is", "14.10"),
        ("141/10", "The answer is 14.2", "141/10"),
        ("1400", "The answer is 1,400", "1400"),
        ("1/2", "The answer is 0.5", "0.5"),
        ("-1/2", "The answer is -.5", "-.5"),
        ("new york", "Answer: New York.", "New York"),
        ("new york", "NEW YORK? No, New \n York", "New York"),
        ("usa", "The answer is USA", "USA"),
        ("usa", "Lausanne, usage, USAs", "usa"),
        ("b", "Answer: (B)", "B"),
        ("A", "Answer: (A). It is a bank.", "A"),
        ("A", "Answer: bank, for a bank has money", "A"),
        ("-3", "The answer is -3", "-3"),
        ("c++", "Answer: C++", "C++"),
        ("stra\u00dfe", "STRASSE", "stra\u00dfe"),
        ("caf\u00e9", "Answer: Cafe\u0301", "caf\u00e9"),
        ("no", "", "no"),
        ("", "nothing", ""),
        (" ", "nothing", " "),
    ],
)
def test_an_answer_is_written_as_it_last_stands_in_the_response(answer, text, written):
    assert as_written(answer, text) == written


@given(st.text(max_size=30), st.text(max_size=200))
def test_what_is_written_is_in_the_response_or_is_the_answer(answer, text):
    found = as_written(answer, text)
    assert found == answer or found in normal_text(text)


def test_a_long_response_is_searched_quickly():
    text = ("a" + " " * 50) * 100_000
    start = time.process_time()
    assert as_written("a " * 2_000 + "b", text) == "a " * 2_000 + "b"
    assert as_written(" ".join("a" * 300), text) == " ".join("a" * 300)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("judge", "text", "row"),
    [
        ("number", "About 14.1 in all. The answer is 14.1.", "Answer: 14.1"),
        ("exact", "It is hot. Answer: New York.", "Answer: New York"),
        ("exact", "Answer: e.g. this", "Answer: e.g. this"),
        ("number", "The answer is $1,234.50", "Answer: 1234.50"),
        ("number", "The answer is 1.5 million", "Answer: 1.5e6"),
        ("number", "The answer is 3/4", "Answer: 3/4"),
        ("math", r"So \boxed{\frac{1}{2}}", "Answer: 1/2"),
        ("math", r"So \boxed{14.1}", "Answer: 14.1"),
        ("choice", "Answer: b", "Answer: B"),
        ("choice", "Answer: (A). It is a bank.", "Answer: A"),
        ("choice", "Answer: library", "Answer: B"),
    ],
)
def test_the_judge_reads_from_the_row_what_it_read_from_the_response(judge, text, row):
    reader, question = load_judge(judge), choice("q?")
    answer = reader.answer(question, text)
    (response,) = target(taught(question, text, answer), OPTIONS).responses
    assert response.text == row
    assert reader.same(reader.answer(question, response.text), answer)


def test_an_answer_alone_is_a_finished_response_of_the_same_name():
    label = taught(PROBLEMS[0], "Long. Answer: C", "C")
    found = target(label, OPTIONS)
    assert found.problem == PROBLEMS[0].without_gold()
    (response,) = found.responses
    assert (response.text, response.finish, response.id) == ("Answer: C", "stop", label.response.id)
    (judgement,) = found.judgements
    assert (judgement.judgement, judgement.answer) == ("unjudged", "C")


def test_a_response_as_target_is_left_as_it_is():
    label = taught(PROBLEMS[0], "Long. Answer: C", "C")
    assert target(label, TargetOptions(target="response")).responses == (label.response,)


@pytest.mark.parametrize("answer", ["{answer}", "{question}", r"\1", r"\g<0>", "{", "}"])
def test_what_an_answer_spells_is_text(answer):
    (response,) = target(taught(PROBLEMS[0], f"Answer: {answer}", answer), OPTIONS).responses
    assert response.text == f"Answer: {answer}"
    assert not re.search(r"(.{3,})\1", response.text)
