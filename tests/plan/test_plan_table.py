"""What people see of a plan."""

import pytest

from selftrain.plan import Plan, tell_plan
from selftrain.plan.plan import Need, PromptSeen
from selftrain.plan.stages import Stage, by_name, total
from selftrain.plan.table import size


def example(tmp_path, **needs):
    seen = PromptSeen("training prompt", 3, 5, "x" * 2000 + "\x1b[31mred", 4, 3, 1, 20, 2.0)
    stages = (Stage(0, "judge", 4, 0, 0, 0.5), Stage(1, "sample train", 4, 20, 12, 90.0), Stage(1, "judge", 2, 0, 0, 1))
    enough = Need(peak=10, free=20)
    return Plan({}, tmp_path, (seen,), stages, needs.get("disk", enough), needs.get("memory", enough), ("careful",), 3)


def test_a_plan_is_told(tmp_path, capsys):
    tell_plan(example(tmp_path))
    out = capsys.readouterr().out
    assert "training prompt (3 tokens, the longest 5); of 4 calibration responses 3 finished, 1 are right" in out
    assert "5.0 tokens each, 10 tokens/s" in out
    assert "characters ..." in out
    assert "\x1b[31m" not in out
    assert "time: 92 s" in out
    assert "note: careful" in out
    assert "warning:" not in out


@pytest.mark.parametrize("what", ["disk", "memory"])
def test_a_warning_where_there_is_not_enough(tmp_path, capsys, what):
    tell_plan(example(tmp_path, **{what: Need(peak=30, free=20)}))
    assert f"warning: the {what} will not suffice" in capsys.readouterr().out
    tell_plan(example(tmp_path, **{what: Need(peak=30, free=None)}))
    assert "warning:" not in capsys.readouterr().out


def test_stages_add_up(tmp_path):
    stages = example(tmp_path).stages
    assert total(stages) == Stage(0, "judge", 10, 20, 12, 91.5)
    assert by_name(stages)["judge"] == Stage(0, "judge", 6, 0, 0, 1.5)


def test_words():
    assert [size(b) for b in (1_640_000_000, 5_000_000)] == ["1.6 GB", "5.0 MB"]
