"""check_task counts what a task holds and finds gold answers their judge does not accept."""

import pytest

from selftrain.records import Problem
from selftrain.tasks import Suite, TaskConfig, load_task, make_task
from selftrain.tasks.check import check_task


def problems(name, golds):
    return tuple(Problem.make(f"{name} {n}?", gold=gold) for n, gold in enumerate(golds))


def test_gold_answers_that_fail_are_counted_and_the_first_five_shown():
    task = make_task(
        "mine",
        splits={
            "train": problems("a", ["1", "two", *["none"] * 6]),
            "select": problems("b", ["2"]),
            "test": problems("c", ["3.5", "-4"]),
        },
        suites={"hard": Suite(select=problems("d", ["7"]), test=problems("e", ["x"]))},
        judge="number",
        notes=["a note"],
    )
    report = check_task(task, workers=1)
    assert not report.ok
    assert len(report.failed) == 8
    assert [failed.part for failed in report.failed] == ["train"] * 7 + ["suite hard, test"]
    lines = report.lines()
    assert lines[0] == "mine: 13 problems, judged by number"
    assert lines[1] == "  train: 8"
    assert "  a note" in lines
    assert "8 gold answers not judged right, the first 5 at most:" in lines
    assert len([line for line in lines if "with gold" in line]) == 5
    assert lines[-5].startswith("  train: 'a 1?' with gold 'two' is ")


def test_the_report_controls_no_terminal():
    task = make_task(
        "mine\x1b[2J",
        splits={
            "train": (Problem.make("\x1b]0;q\x07?", gold="\u202ex", family="f\x9b1m"),),
            "select": problems("b", ["2"]),
            "test": problems("c", ["3"]),
        },
        judge="number",
        notes=["a\x08note"],
    )
    lines = check_task(task, workers=1).lines()
    assert lines[0].startswith(r"mine\x1b[2J: 3 problems")
    assert r"  a\x08note" in lines
    assert not [c for line in lines for c in line if not c.isprintable()]


def test_problems_without_gold_are_counted_and_not_judged():
    task = make_task(
        "mine",
        splits={
            "train": problems("a", [None, None]),
            "select": problems("b", ["2"]),
            "test": problems("c", ["3"]),
        },
        judge="number",
    )
    report = check_task(task, workers=1)
    assert report.ok
    assert "  2 problems without a gold answer, not checked" in report.lines()
    assert report.lines()[-1] == "every gold answer judges itself right (2 checked)"


def test_generated_families_are_counted_by_name():
    pytest.importorskip("reasoning_gym")
    options = {"families": {"gcd": {}, "syllogism": {}}, "train": 3, "select": 2, "test": 2, "shots": 1}
    report = check_task(load_task(TaskConfig(name="reasoning_gym", options=options), 0), workers=1)
    assert report.ok, report.lines()
    assert report.lines()[1] == "  train: 6 (gcd 3, syllogism 3)"
