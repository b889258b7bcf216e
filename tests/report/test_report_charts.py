"""The sentences and notes of the charts say what the numbers say."""

import re
from dataclasses import replace

import pytest
from make_run import make_run

from selftrain.audit import compare, tally
from selftrain.report.charts import curve_chart, diversity_chart, funnel_chart, stages_chart, support_chart
from selftrain.report.record import read_run


@pytest.mark.parametrize(("seconds", "share"), [((36, 34, 30), "36%"), ((75, 25, 0), "75%")])
def test_the_longest_stage_is_called_no_more_than_that(seconds, share):
    stages = {name: {"seconds": s, "rows": 1, "tokens": 0} for name, s in zip("abc", seconds, strict=True)}
    assert stages_chart(stages).sentence == f"The run took 2 min; the longest stage was a ({share})."


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """A round whose recipe judged."""
    return read_run(make_run(tmp_path_factory.mktemp("runs"))).rounds[0]


def places(chart):
    return sorted(place for trace in chart.traces for place in trace["y"])


def test_a_funnel_shows_what_was_judged(one):
    chart = funnel_chart(one)
    assert f"{one.funnel['right']} were right" in chart.sentence
    assert [name for name, _ in chart.rows][:3] == ["responses drawn", "judged", "judged right"]
    assert places(chart) == list(range(6))


def test_a_funnel_without_judgements_says_so(one):
    funnel = {**one.funnel, "right": 0, "wrong": 0, "unjudged": 0, "groups_right": 0, "dropped": {}}
    chart = funnel_chart(replace(one, funnel=funnel))
    assert "12 questions none was judged; " in chart.sentence
    assert [name for name, _ in chart.rows] == ["responses drawn", "questions asked", "training rows"]
    assert chart.layout["yaxis"]["ticktext"] == [name for name, _ in chart.rows]
    assert places(chart) == [0, 1, 2]


def cell(name, counts):
    """A cell with so many judged responses to each problem, every second of them right."""
    rows = (
        {"problem": str(i), "judgement": "wrong" if k % 2 else "right", "answer": "1", "finish": "stop"}
        for i, n in enumerate(counts)
        for k in range(n)
    )
    return tally(rows, {"model": name, "prompt": "p", "samples": 4})


def test_charts_of_k_responses_say_how_many_problems_they_rest_on():
    whole = [4] * 98 + [2] * 2
    audit = compare(cell("one", whole), cell("two", whole), null=cell("one", [4] * 100))
    assert audit.counts["problems"] == 100
    assert "on 98 test problems with 4 judged responses or more;" in curve_chart(audit, "test").note
    note = support_chart(audit, "test").note
    assert "98 test problems with 4 judged responses or more." in note
    single = compare(cell("one", [1] * 100), cell("two", [1] * 100))
    assert "on 100 test problems with a judged response;" in curve_chart(single, "test").note


def varied(name, words, mark="right"):
    """A cell whose responses to each of 20 problems are made of so many different words."""
    rows = (
        {
            "problem": str(i),
            "judgement": mark,
            "response": " ".join(str(i + k * w % words) for w in range(12)),
            "index": k,
        }
        for i in range(20)
        for k in range(4)
    )
    return tally(rows, {"model": name, "prompt": "p", "samples": 4})


def test_diversity_is_drawn_where_texts_are_known():
    less = diversity_chart(compare(varied("one", 12), varied("two", 2)), "test")
    names = [name for name, *_ in less.rows]
    assert names == ["distinct-n right"]
    assert re.search(
        r"Right responses to a problem vary less than before: distinct-n 0\.\d+ to 0\.\d+\.", less.sentence
    )
    before, after = less.traces[1:]
    assert (before["name"], after["name"]) == ("before", "after")
    assert less.traces[0]["x"] == [before["x"][0], after["x"][0], None]
    assert after["x"][0] < before["x"][0]
    assert [f"{before['x'][0]:.3f}", f"{after['x'][0]:.3f}"] == list(less.rows[0][2:4])
    assert "vary more than" in diversity_chart(compare(varied("two", 2), varied("one", 12)), "test").sentence
    assert "vary about as much as" in diversity_chart(compare(varied("one", 9), varied("two", 9)), "test").sentence
    wrong = compare(varied("one", 12, "wrong"), varied("two", 2, "wrong"))
    assert diversity_chart(wrong, "test").sentence.startswith("Wrong responses to a problem vary less than")
    assert diversity_chart(compare(cell("one", [4] * 9), cell("two", [4] * 9)), "test") is None
