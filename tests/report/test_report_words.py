"""The words for what an audit found say what is so."""

import pytest

from selftrain.audit import Cell, compare
from selftrain.report.words import level, state_words


def single(name, rights):
    """A cell of one response a problem."""
    rows = (
        {"problem": i, "judgement": "right" if r else "wrong", "answer": "1", "finish": "stop"}
        for i, r in enumerate(rights)
    )
    return Cell.from_rows(rows, {"model": name, "prompt": "p", "samples": 1})


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ([1] * 10 + [0] * 90, [1] * 15 + [0] * 85, "not settled: the exact test leaves it open"),
        ([1] * 15 + [0] * 85, [1] * 10 + [0] * 90, "not settled: the exact test leaves it open"),
        ([1] * 15 + [0] * 85, [0] * 10 + [1] * 15 + [0] * 75, "not settled: the interval holds zero"),
        ([1] * 10 + [0] * 90, [1] * 30 + [0] * 70, "better: the whole interval lies above zero"),
    ],
)
def test_an_open_figure_says_what_leaves_it_open(before, after, why):
    figure = compare(single("one", before), single("two", after)).primary
    assert state_words(figure) == why
    assert (figure.low <= 0 <= figure.high) == ("holds zero" in why)


def test_the_level_is_that_of_the_audit():
    assert level(compare(single("one", [1, 0] * 9), single("two", [0, 1] * 9))) == "95 %"
