"""What the readers of logs note stands among the warnings of `selftrain audit`."""

import pytest
from make_log import row, write

from selftrain.cli import app


@pytest.fixture
def printed(tmp_path, capsys):
    """What `selftrain audit` prints of two logs of rows, white space folded."""

    def run(before, after):
        paths = [str(write(tmp_path / f"{name}.jsonl", rows)) for name, rows in (("b", before), ("a", after))]
        assert app(["audit", *paths, "draws=200"], standalone_mode=False) == 0
        return " ".join(capsys.readouterr().out.split())

    return run


def answers(n=2, **more):
    """Two problems with n responses each."""
    return [row(problem, "right" if index else "wrong", index=index, **more) for problem in "ab" for index in range(n)]


def test_lines_that_are_there_twice_are_told(printed):
    told = "before: 4 repeated rows were left out"
    assert told in printed(answers() * 2, answers())
    assert told not in printed(answers(), answers())


def test_problems_with_unequal_numbers_of_responses_are_told(printed):
    told = "after: 1 of 2 problems have fewer responses than 3 (least 2)"
    assert told in printed(answers(3), answers(3)[:-1])
    assert told not in printed(answers(3), answers(3))


def test_answers_judged_both_ways_are_told(printed):
    told = "before: 2 answers of 2 problems were judged both right and wrong: each counts as most of its responses do"
    assert told in printed(answers(), answers(1))


def test_a_log_without_texts_is_told_once(printed):
    assert printed(answers(), answers(response=None)).count("no texts of responses") == 1
    assert "no response has a text" not in printed(answers(), answers(response=None))
