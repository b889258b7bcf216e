"""check_task counts what a task holds and finds gold answers and rationales their judge does not accept."""

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


def test_rationales_that_do_not_end_in_the_gold_are_listed_as_failing_golds_are():
    wrong = Problem.make("2 and 5?", gold="7", rationale="It is not 7.\n2 and 5 are 10, so the answer is 10.")
    task = make_task(
        "mine",
        splits={
            "train": (Problem.make("2 and 2?", gold="4", rationale="2 and 2 are 4."), *problems("a", ["two"])),
            "select": problems("b", ["2"]),
            "test": problems("c", ["3"]),
            "valid": (wrong, Problem.make("1 and 1?", gold="2", rationale="1 and 1 are 2.")),
        },
        judge="number",
    )
    report = check_task(task, workers=1)
    assert not report.ok
    assert report.rationales == {"train": 1, "select": 0, "test": 0, "valid": 2}
    assert [(failed.claim, failed.part) for failed in report.failed] == [
        ("gold answer", "train"),
        ("rationale", "valid"),
    ]
    assert report.lines()[1:5] == [
        "  train: 2, 1 with a rationale",
        "  select: 1",
        "  test: 1",
        "  valid: 2, 2 with a rationale",
    ]
    assert report.lines()[5] == "1 gold answer and 1 rationale not judged right, the first 5 at most:"
    assert report.lines()[7] == (
        "  valid: '2 and 5?' with gold '7' and a rationale that ends in ' 7. 2 and 5 are 10, so the answer is 10.' "
        "is wrong (differs from gold)"
    )


def test_rationales_are_proved_where_there_is_a_gold():
    task = make_task(
        "mine",
        splits={
            "train": (Problem.make("2 and 2?", rationale="2 and 2 are 5."),),
            "select": problems("b", ["2"]),
            "test": (Problem.make("1 and 1?", gold="2", rationale="1 and 1 are 2."),),
        },
        judge="number",
    )
    lines = check_task(task, workers=1).lines()
    assert lines[-3:] == [
        "  1 problem without a gold answer, not checked",
        "every gold answer judges itself right (2 checked)",
        "every rationale judges itself right (1 checked)",
    ]


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
