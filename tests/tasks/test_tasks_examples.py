"""The documented examples of a user's own task and judge do what they say."""

from pathlib import Path

import pytest

from selftrain.judges import JudgePool, load_judge
from selftrain.records import Problem
from selftrain.tasks import TaskConfig, load_task
from selftrain.tasks.check import check_task

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_the_task_loads_by_path_and_its_golds_pass():
    task = load_task(TaskConfig(name=f"{EXAMPLES / 'my_task.py'}:roman_numbers", options={"largest": 100}), 0)
    golds = {p.text: p.gold for _, part in task.parts() for p in part}
    assert len(golds) == 100
    assert golds["Write 49 as a Roman numeral."] == "XLIX"
    report = check_task(task, workers=1)
    assert report.ok, report.lines()
    assert report.counts["shots"] == {"": 4}


@pytest.mark.parametrize(
    ("response", "gold", "mark"),
    [
        ("First 12 degrees, no: 21.3 degrees.", "21", "right"),
        ("It is 25°.", "21°", "wrong"),
        ("No idea.", "21", "wrong"),
        ("21 degrees", None, "unjudged"),
    ],
)
def test_the_judge_marks_by_path(response, gold, mark):
    judge = load_judge(f"{EXAMPLES / 'my_judge.py'}:temperature")
    assert judge.judge(Problem.make("How warm is it?", gold=gold), response).judgement == mark


def test_the_judge_runs_in_a_pool():
    problem = Problem.make("How warm is it?", gold="21")
    with JudgePool(f"{EXAMPLES / 'my_judge.py'}:temperature", workers=1) as pool:
        found = dict(pool.judge([("a", problem, "20.8 degrees"), ("b", problem, "none")]))
    assert found["a"].answer == "20.8"
    assert [found[key].judgement for key in "ab"] == ["right", "wrong"]
