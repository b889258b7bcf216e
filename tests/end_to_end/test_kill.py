"""Killed anywhere, the same command ends as if nothing had happened; nobody survives a killed run."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from small import JUDGE, ROOT, begin, environment, inside, living, wait_for, wait_until_gone, write_lab

KILLS = 6
HANGING = """
def kind(problem, response):
    while True:
        pass
"""


@pytest.mark.extra
def test_a_run_killed_over_and_over_ends_as_one_that_was_not(model, tmp_path):
    lab = write_lab(tmp_path, model)
    script = ROOT / "benchmarks" / "kill_and_resume.py"
    words = ["--config", lab.config, "--kills", str(KILLS), "--workspace", tmp_path / "kills"]
    done = subprocess.run([sys.executable, script, *words], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    hit = re.findall(r"kill +\d+: ([a-z ]+), ", done.stdout)
    assert sorted(hit) == ["judging", "judging", "sampling", "sampling", "sealing rows", "training"]
    assert "DIFFERS" not in done.stdout
    assert re.search(r"all the same: \d\d facts, verdict progress", done.stdout)


def test_no_worker_outlives_a_killed_run_and_the_next_takes_its_place(model, tmp_path):
    lab = write_lab(tmp_path, model)
    (tmp_path / "judge.py").write_text(HANGING)
    killed = begin("run", lab.config, "judge.deadline=600", "judge.workers=2")
    steps = lab.workspace / ".steps"
    wait_for(lambda: list(steps.glob("judge-*/lock")), killed)
    time.sleep(0.5)
    assert len(living(parent=killed.pid)) >= 2
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    wait_until_gone(lambda: living(group=killed.pid))
    (tmp_path / "judge.py").write_text(JUDGE)
    ended = inside("run", lab.config, "judge.deadline=600", "judge.workers=2")
    assert ended.code == 0, ended.err
    assert "waiting for" not in ended.err
