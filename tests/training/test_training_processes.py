"""Several processes train as one does: the same losses and parameters after every step, however rows are split."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

TESTS = Path(__file__).parents[1]


def start(out, processes):
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS / "training")]),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    done = subprocess.run(
        [*command, TESTS / "processes.py", out], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    return [start(folder / f"{count}.json", count) for count in (1, 2)]


def test_two_processes_really_ran(runs):
    one, two = (run["ranks"] for run in runs)
    assert [rank for rank, _ in one] == [0]
    assert [rank for rank, _ in two] == [0, 1]
    assert len({process for _, process in two}) == 2


@pytest.mark.parametrize("kind", ["token", "sequence", "dpo", "kto", "evenly", "evaluated", "resumed"])
def test_they_train_as_one(runs, kind):
    one, two = (run[kind] for run in runs)
    assert len(one["losses"]) == len(one["path"]) == (4 if kind == "evenly" else 6)
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-5)
    for found, wanted in zip(two["path"], one["path"], strict=True):
        torch.testing.assert_close(torch.tensor(found), torch.tensor(wanted), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["evaluated", "resumed"])
def test_neither_an_evaluation_before_nor_a_stop_changes_anything(runs, kind):
    for run in runs:
        assert run[kind]["losses"] == pytest.approx(run["token"]["losses"], abs=1e-5)


def test_a_model_spread_over_processes_has_the_same_loss_and_gradient(runs):
    one, two = (run["sharded"] for run in runs)
    assert two["loss"] == pytest.approx(one["loss"], abs=1e-6)
    torch.testing.assert_close(torch.tensor(two["gradient"]), torch.tensor(one["gradient"]), rtol=0, atol=1e-6)
