"""The tables of a page: what is drawn where, and in which words."""

from dataclasses import replace

import pytest
from make_run import make_run

from selftrain.report.figures import EDGE, WIDTH, tables
from selftrain.report.record import read_run


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    return read_run(make_run(tmp_path_factory.mktemp("runs"))).audit


def test_the_figures_that_decide_come_first_and_lengths_last(audit):
    deciding, beside, neither = tables(audit)
    assert [row.figure.role for row in deciding.rows] == ["primary"] + ["guard"] * (len(deciding.rows) - 1)
    assert {"greedy pass@1", "pass@1, same prompt", "majority@4"} <= {row.figure.name for row in beside.rows}
    assert {"answer entropy", "words"} <= {row.figure.name for row in neither.rows}
    assert (deciding.gain, beside.gain, neither.gain) == ("better by", "better by", "change")
    assert sum(len(table.rows) for table in (deciding, beside, neither)) == len(audit.figures)


def test_lengths_are_neither_good_nor_bad(audit):
    longer = [replace(f, state="up") if f.name == "words" else f for f in audit.figures]
    (words,) = [row for row in tables(replace(audit, figures=tuple(longer)))[2].rows if row.figure.name == "words"]
    assert (words.word, words.tone) == ("rose", "unknown")


def test_intervals_that_decide_are_drawn_to_one_scale(audit):
    rows = tables(audit)[0].rows
    assert len({row.zero for row in rows}) == 1
    places = [place for row in rows for place in (row.low, row.high)]
    assert min([*places, *(row.margin for row in rows if row.margin)]) == EDGE
    assert max(places) == WIDTH - EDGE
    assert rows[0].margin is None
    assert all(row.low <= row.point <= row.high for row in rows)


def test_intervals_beside_have_zero_in_the_middle(audit):
    for table in tables(audit)[1:]:
        for row in table.rows:
            assert row.zero == WIDTH / 2
            assert EDGE <= row.low <= row.high <= WIDTH - EDGE
            assert (row.low < row.zero) == (row.figure.low < 0)


def test_an_undefined_figure_is_not_drawn(audit):
    nothing = replace(audit.figures[1], low=float("nan"), high=float("nan"), difference=float("nan"))
    row = tables(replace(audit, figures=(audit.figures[0], nothing)))[0].rows[1]
    assert (row.low, row.high, row.point) == (None, None, None)
    assert row.numbers.difference == "-"
