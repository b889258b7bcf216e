"""metrics.jsonl: stages are timed and counted, whatever becomes of them."""

import json

import pytest

from selftrain import metrics as module
from selftrain.metrics import Metrics


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_stage_is_one_line(tmp_path, capsys):
    metrics = Metrics(tmp_path / "metrics.jsonl")
    metrics.round = 2
    with metrics.stage("sample train", wanted=10) as count:
        count(rows=1, tokens=30, prompt_tokens=7)
        count(rows=5, tokens=12)
        count(problem_tokens=8, prefill_tokens=9)
    (line,) = lines(tmp_path / "metrics.jsonl")
    assert line.pop("seconds") >= 0
    assert line == {
        "event": "stage",
        "round": 2,
        "stage": "sample train",
        "wanted": 10,
        "rows": 6,
        "tokens": 42,
        "prompt_tokens": 7,
        "problem_tokens": 8,
        "prefill_tokens": 9,
    }
    said = capsys.readouterr().err
    assert "round 2 sample train: 6 new, 4 read back in " in said
    assert said.endswith("tokens/s, 1.12 prompts read a problem\n")


def test_a_stage_read_back_whole_is_passed_over(tmp_path, capsys):
    with Metrics(tmp_path / "metrics.jsonl").stage("judge", wanted=1200):
        pass
    assert capsys.readouterr().err == ""
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_stage_without_tokens_says_no_speed(capsys):
    with Metrics().stage("judge", wanted=1200) as count:
        count(rows=200)
    said = capsys.readouterr().err
    assert "round 0 judge: 200 new, 1,000 read back in " in said
    assert "tokens/s" not in said
    assert "prompts read" not in said


def fail(metrics):
    with metrics.stage("sample", wanted=10) as count:
        count(rows=3, tokens=9)
        raise KeyError


def test_a_stage_that_fails_is_counted_and_fails(tmp_path, capsys):
    with pytest.raises(KeyError):
        fail(Metrics(tmp_path / "metrics.jsonl"))
    assert (lines(tmp_path / "metrics.jsonl")[0]["rows"], capsys.readouterr().err) == (3, "")


def test_totals_are_over_all_sessions(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for rows, stage in ((3, "sample"), (4, "sample"), (2, "judge")):
        with Metrics(path).stage(stage, wanted=9) as count:
            count(rows=rows, tokens=10 * rows)
    with path.open("a") as file:
        file.write('{"event": "stage", "stage": "sam')
    Metrics(path).write("note", text="x")
    totals = Metrics(path).stage_totals()
    assert {name: (total["rows"], total["tokens"]) for name, total in totals.items()} == {
        "sample": (7, 70),
        "judge": (2, 20),
    }
    assert all(total["seconds"] >= 0 for total in totals.values())


@pytest.mark.parametrize(
    "line", ["3", "[]", "null", "{}", '{"event": "stage"}', '{"event": "stage", "stage": "judge", "rows": 2}',
             '{"event": "stage", "stage": ["x"], "seconds": 1, "rows": 2, "tokens": 3}',
             '{"event": "stage", "stage": "judge", "seconds": "1", "rows": 2, "tokens": 3}']
)  # fmt: skip
def test_a_damaged_line_is_not_counted(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text(line + "\n")
    assert Metrics(path).stage_totals() == {}


def test_without_a_file_nothing_is_kept():
    metrics = Metrics()
    metrics.write("note", text="x")
    assert metrics.stage_totals() == {}


def test_training_logs_every_step_and_speaks_now_and_then(tmp_path, capsys, monkeypatch):
    metrics = Metrics(tmp_path / "metrics.jsonl")
    step = {"step": 1.0, "total_steps": 4.0, "loss": 0.51234, "learning_rate": 1e-4}
    with metrics.training() as log:
        log(step)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(module, "PLAIN_SECONDS", 0)
        log({**step, "step": 2.0})
    assert "train: step 2 of 4, loss 0.512" in capsys.readouterr().err
    found = lines(tmp_path / "metrics.jsonl")
    assert found[0] == {"event": "train", "round": 0, **step}
    assert len(found) == 2
