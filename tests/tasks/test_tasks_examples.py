"""The documented examples of a user's own task and judge, and the task of the benchmarks, do what they say."""

from pathlib import Path

import pytest

from selftrain.errors import DataError
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


def two_families(seed=0, **options):
    spec = f"{EXAMPLES.parents[1] / 'benchmarks' / 'methods_task.py'}:two_families"
    return load_task(TaskConfig(name=spec, options=options), seed)


def test_the_task_of_the_methods_is_sound_and_its_rationales_end_in_their_golds():
    report = check_task(two_families(train=20, test=20, valid=10), workers=1)
    assert report.ok, report.lines()
    assert report.counts["train"] == {"sum": 20, "product": 20}
    assert (report.rationales["shots"], report.rationales["valid"]) == (16, 20)
    assert report.counts["suite harder, test"] == {"sum": 40, "product": 40}


def test_a_larger_training_split_of_the_methods_moves_nothing_else():
    small, large = two_families(train=10), two_families(train=20)
    for split in ("shots", "select", "test", "valid"):
        assert small.splits[split] == large.splits[split]
    assert two_families(1).splits["test"] != small.splits["test"]
    with pytest.raises(DataError, match="the family product holds 585 problems, 658 were asked: lower train"):
        two_families(train=400)
