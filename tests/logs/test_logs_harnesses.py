"""Both harnesses evaluate the embedded model, and their logs come to what they report themselves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from selftrain.logs import read_log

MAKE_LOGS = Path(__file__).parents[2] / "benchmarks/harness_logs/make_logs.py"
PROBLEMS, EPOCHS = 12, 4


@pytest.fixture(scope="module")
def made(tmp_path_factory, smollm2):
    """Logs of the embedded model, and the command that made them."""
    pytest.importorskip("lm_eval")
    pytest.importorskip("inspect_ai")
    folder = tmp_path_factory.mktemp("harnesses")
    (folder / "base").symlink_to(smollm2.folder)
    own = {name: str(folder / "cache") for name in ("HF_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    command = [sys.executable, MAKE_LOGS, "logs", "base", "--limit", str(PROBLEMS)]

    def run():
        env = {**os.environ, **own, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=500, check=False)

    done = run()
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "logs", run


@pytest.mark.extra
def test_lm_eval_reports_the_same(made):
    folder = made[0] / "lm_eval/base"
    log = read_log(folder)
    (results,) = folder.glob("*/results_*.json")
    reported = json.loads(results.read_text())
    assert log.main.right.sum() / PROBLEMS == pytest.approx(
        reported["results"]["short_sums"]["exact_match,last-number"]
    )
    assert 0 < log.main.right.sum() < PROBLEMS
    assert (log.main.n == 1).all()
    assert len(log.main.problems) == PROBLEMS
    assert Path(log.labels["model"]).name == "base"
    assert log.labels.items() >= {"temperature": 0.0, "max_tokens": 24, "shots": 0, "task": "short_sums"}.items()


@pytest.mark.extra
def test_inspect_reports_the_same(made):
    from inspect_ai.log import read_eval_log

    (path,) = (made[0] / "inspect/base").iterdir()
    log = read_log(path)
    reported = read_eval_log(str(path), header_only=True).results.scores[0].metrics["accuracy"].value
    assert log.main.right.sum() / (PROBLEMS * EPOCHS) == pytest.approx(reported)
    assert (log.main.n == EPOCHS).all()
    assert len(log.main.problems) == PROBLEMS
    assert log.labels.items() >= {"model": "hf/base", "temperature": 0.7, "max_tokens": 24, "samples": EPOCHS}.items()


@pytest.mark.extra
def test_both_ask_the_same(made):
    logs = [read_log(path) for path in (made[0] / "lm_eval/base", *(made[0] / "inspect/base").iterdir())]
    asked = [sorted(zip(log.main.detail.questions, log.main.detail.levels, strict=True)) for log in logs]
    assert asked[0] == asked[1]
    assert len(set(asked[0])) == PROBLEMS
    assert {level for _, level in asked[0]} == {"1", "2", "3"}


@pytest.mark.extra
def test_what_is_there_is_left_alone(made):
    folder, run = made
    before = sorted(folder.rglob("*"))
    done = run()
    assert (done.returncode, done.stdout) == (0, "")
    assert sorted(folder.rglob("*")) == before
