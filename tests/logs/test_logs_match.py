"""Problems of two logs are matched by id, or by what they ask."""

import pytest
from make_log import row, write

from selftrain.audit import paired
from selftrain.logs import match, read_log


@pytest.fixture
def log(tmp_path):
    """A log of problems, each an id with its question (or none); the first responses are right, in order."""

    def make(problems, suite=None):
        name = f"{len(list(tmp_path.iterdir()))}.jsonl"
        rows = [row(problem, question=asked, suite=suite) for problem, asked in problems.items()]
        return read_log(write(tmp_path / name, [row("main"), *rows] if suite else rows))

    return make


def common(before, after, suite=None):
    pair = paired(before.cells[suite], after.cells[suite])
    return pair.first.problems, pair.alone


def test_common_ids_are_enough(log):
    before, after = match(log({"a": None, "b": "2?"}), log({"b": "2?", "c": None}))
    assert common(before, after) == (("b",), (("a",), ("c",)))
    assert before.notes == after.notes == ()


def test_without_a_common_id_questions_are_matched(log):
    before, after = match(log({"a": "1?", "b": "2  + 2\n= ?"}), log({"x": "2 + 2 = ?", "y": "3?"}))
    assert common(before, after) == (("b",), (("a",), ("y",)))
    assert after.notes == ("problems were matched by the text of their questions, not by id",)


def test_a_question_may_be_the_id_of_the_other_log(log):
    before, after = match(log({"a": "1?", "b": "2  ?"}), log({" 2\t?": None, "1?": None}))
    assert common(before, after) == (("a", "b"), ((), ()))


def test_ids_that_number_other_problems_alike_do_not_mislead(log):
    """A log in another order: all ids are common, no question under them is."""
    before, after = match(log({"0": "a?", "1": "b?", "2": "c?"}), log({"0": "c?", "1": "a?", "2": "d?"}))
    assert common(before, after) == (("0", "2"), (("1",), ("2 (after)",)))
    assert after.main.detail.questions == ("c?", "a?", "d?")
    assert after.main.problems == ("2", "0", "2 (after)")


def test_questions_that_differ_under_a_common_id_are_counted(log):
    """Under another template of prompts every question differs: all are compared."""
    before, after = match(log({"0": "a?", "1": "b?", "2": None}), log({"0": "Q: a?", "1": "Q: b?", "2": "Q: c?"}))
    assert common(before, after)[0] == ("0", "1", "2")
    assert after.notes == (
        "2 of 3 problems with the same id have another question than before: "
        "check that the ids of both logs mean the same",
    )


@pytest.mark.parametrize("unlike", [1, 3, 4, 9])
def test_where_some_questions_agree_those_that_do_not_are_left_out(log, unlike):
    """A problem was corrected between the logs: its id is the same, what it asks is not."""
    asked = {str(number): f"{number} + {number} = ?" for number in range(6)}
    fixed = {f"p{number}\n" + "x" * 99: f"{number}?" for number in range(unlike)}
    after = {**{name: f"again {text}" for name, text in fixed.items()}, **asked, "0": " 0 + 0  = ?\n", "new": "?"}
    before, after = match(log({**asked, **fixed}), log(after))
    assert common(before, after) == (tuple(asked), ((), ("new",)))
    named = [f"p{number} " + "x" * 37 for number in range(min(unlike, 3))] + ["..."] * (unlike > 3)
    assert before.notes == ()
    assert after.notes == (
        f"{unlike} of {6 + unlike} problems with the same id have another question than before, "
        f"and were left out: {', '.join(named)}",
    )


def test_of_problems_that_ask_the_same_the_first_is_kept(log):
    before, after = match(log({"a": "1?", "b": "1 ?", "c": "1?"}), log({"x": "1?", "y": "1?", "z": "1 ?"}))
    assert common(before, after) == (("a", "b"), ((), ()))
    told = "1 problems ask what an earlier one asks, and were left out"
    assert before.notes == (told,)
    assert after.notes == (told, "problems were matched by the text of their questions, not by id")


def test_suites_are_matched_as_well(log):
    before, after = match(log({"a": "1?"}, suite="far"), log({"x": "1?"}, suite="far"))
    assert common(before, after, "far") == (("a",), ((), ()))
    assert after.notes == ("suite far: problems were matched by the text of their questions, not by id",)


def test_logs_of_nothing_in_common_stay_as_they_are(log):
    before, after = match(log({"a": "1?"}), log({"b": "2?"}))
    assert (before.main.problems, after.main.problems) == (("a",), ("b",))
    assert before.notes == after.notes == ()
