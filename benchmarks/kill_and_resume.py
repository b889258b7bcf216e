"""Kill a run over and over with SIGKILL and compare what comes out with a run that nobody disturbed.

    python benchmarks/kill_and_resume.py --config benchmarks/kill_and_resume.yaml --kills 12 --seed 0

The configuration runs once whole and once killed, in two fresh workspaces. A killer stops the second one's process
group at random moments, looks at its files and locks, and kills it there when it is at work on what is aimed at:
in turn sampling, judging, training, and a write (rows being sealed, a checkpoint, a model folder). The same command
then goes on. At the end all rows, judgements, training sets, weights and audits must be the same. Linux only.

Exits with 1 if anything differs, or if a planned kill could not be made.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from selftrain.digest import files_digest

SAMPLING, JUDGING, TRAINING = "sampling", "judging", "training"
SEALING, CHECKPOINT, MODEL = "sealing rows", "writing a checkpoint", "writing a model"
TURNS = tuple(target for write in (SEALING, CHECKPOINT, MODEL) for target in (SAMPLING, JUDGING, TRAINING, write))
COMMAND = (sys.executable, "-c", "from selftrain.cli import main; main()", "run")
NAME = "run"


@dataclass(frozen=True)
class Sight:
    """What a stopped run is in the middle of."""

    target: str
    detail: str
    share: float = 1.0
    """How much of a training is done; other work is not measured."""


def plan(kills: int) -> list[str]:
    """What to aim at, in the order in which a run comes by: half of the row work, the training, the rest."""
    counts = Counter(islice(cycle(TURNS), kills))
    rows = [target for target in (SAMPLING, JUDGING, SEALING) for _ in range(counts[target])]
    before, after = rows[::2], rows[1::2]
    training = [TRAINING] * counts[TRAINING]
    training[1:1] = [CHECKPOINT] * counts[CHECKPOINT]
    return [*before, *training, *[MODEL] * counts[MODEL], *after]


def look(workspace: Path, process: int, since: int) -> Sight | None:
    """What a process is at work on; None between steps and while it reads back what is there.

    What metrics.jsonl holds before byte `since` was written by others.
    """
    for step in (workspace / ".steps").glob("*"):
        with suppress(FileNotFoundError):
            if (step / "lock").stat().st_ino in _locked(process):
                return _inside(step, workspace / NAME / "metrics.jsonl", since)
    return None


def _locked(process: int) -> set[int]:
    """Inodes of the files on which a process holds a lock."""
    lines = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return {int(words[5].rsplit(":", 1)[1]) for words in lines if words[1] == "FLOCK" and int(words[4]) == process}


def _inside(step: Path, metrics: Path, since: int) -> Sight | None:
    kind = step.name.partition("-")[0]
    if kind == "train":
        return _training(step, metrics, since)
    if any(step.glob(".rows.parquet.*")):
        return Sight(SEALING, step.name)
    target = {"sample": SAMPLING, "judge": JUDGING}.get(kind)
    if target is None or ((step / "rows.parquet").exists() and not (step / "rows.jsonl").exists()):
        return None
    rows = (step / "rows.jsonl").read_bytes().count(b"\n") if (step / "rows.jsonl").exists() else 0
    return Sight(target, f"{step.name} with {rows} rows")


def _training(step: Path, metrics: Path, since: int) -> Sight | None:
    if any(step.glob(".model.tmp-*")) or any(step.glob(".adapter.tmp-*")):
        return Sight(MODEL, step.name)
    torn = [path.name for path in step.glob("checkpoints/checkpoint-*") if not (path / "complete").exists()]
    if torn:
        return Sight(CHECKPOINT, f"{torn[0]} of {step.name}")
    if (step / "model").exists() or (step / "adapter").exists():
        return None
    lines = metrics.read_bytes()[since:].decode().splitlines()
    taken = [json.loads(line) for line in lines if '"event": "train"' in line]
    if not taken:
        return None
    last = taken[-1]
    return Sight(TRAINING, f"{step.name} after step {last['step']:.0f}", last["step"] / last["total_steps"])


def start(config: Path, workspace: Path) -> subprocess.Popen[bytes]:
    """Runs the configuration in a process group of its own; what it says goes to a file beside the workspace."""
    with workspace.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            [*COMMAND, config, f"workspace={workspace}", f"name={NAME}"],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def finish(process: subprocess.Popen[bytes], workspace: Path) -> None:
    """Waits for a run that must succeed."""
    if process.wait() != 0:
        sys.exit(f"the run failed:\n{workspace.with_suffix('.log').read_text()[-2000:]}")


def strike(
    config: Path, workspace: Path, target: str, patience: float, share: float, rng: random.Random
) -> Sight | None:
    """Starts or goes on with the run and kills it at work on `target`; None if it ended without coming by.

    The blow falls at the first look after `patience` seconds of seeing the target, at once on a later occasion. A
    training, of which there is one occasion, is hit once `share` of it is done.
    """
    metrics = workspace / NAME / "metrics.jsonl"
    since = metrics.stat().st_size if metrics.exists() else 0
    process = start(config, workspace)
    seen: float | None = None
    pause = 0.02 if target == SAMPLING else 0.002
    while process.poll() is None:
        time.sleep(rng.uniform(0, pause))
        sight = look(workspace, process.pid, since) if _stop(process) else None
        if sight and sight.target == target and sight.share >= share:
            seen = seen or time.monotonic()
            if time.monotonic() - seen >= patience:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return sight
        os.killpg(process.pid, signal.SIGCONT)
    finish(process, workspace)
    return None


def _stop(process: subprocess.Popen[bytes]) -> bool:
    """Stops a process group and waits until it stands; False if it has ended, or is about to make a child."""
    os.killpg(process.pid, signal.SIGSTOP)
    until = time.monotonic() + 0.1
    while time.monotonic() < until:
        state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state in "TZX":
            return state == "T"
    return False


def typical_seconds(workspace: Path) -> dict[str, float]:
    """The mean seconds of an occasion of each target that lasts, in a run that was not disturbed."""
    seconds: dict[str, list[float]] = {SAMPLING: [], JUDGING: []}
    for line in (workspace / NAME / "metrics.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "stage" and event["rows"]:
            name = {"sample": SAMPLING, "judge": JUDGING}.get(event["stage"].split()[0])
            if name:
                seconds[name].append(event["seconds"])
    return {target: sum(found) / len(found) for target, found in seconds.items()}


def kill_and_resume(config: Path, workspace: Path, targets: list[str], usual: dict[str, float], seed: int) -> bool:
    """Kills a run at each target in turn, then lets it finish; whether every kill was made."""
    rng = random.Random(seed)
    trainings = 0
    started, missed = time.monotonic(), 0
    for number, target in enumerate(targets, start=1):
        patience, share = rng.uniform(0, 0.6 * usual.get(target, 0)), 0.0
        if target == TRAINING:  # each kill finds the training further on, and unfinished
            share = 0.6 * (trainings + rng.random()) / targets.count(TRAINING)
            trainings += 1
        sight = strike(config, workspace, target, patience, share, rng)
        missed += sight is None
        detail = sight.detail if sight else "MISSED: the run was over"
        print(f"{time.monotonic() - started:8.1f} s  kill {number:2}: {target}, {detail}", flush=True)
    finish(start(config, workspace), workspace)
    print(f"{time.monotonic() - started:8.1f} s  the run is finished after {len(targets) - missed} kills", flush=True)
    return not missed


def facts(workspace: Path) -> Iterator[tuple[str, Any]]:
    """Everything two runs of one configuration must agree on, by name."""
    for step in sorted((workspace / ".steps").iterdir()):
        if (step / "rows.parquet").exists():
            rows = pq.read_table(step / "rows.parquet").to_pylist()
            yield f"rows of {step.name}", sorted(rows, key=lambda row: str(row["id"]))
    run = workspace / NAME
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if path.suffix == ".safetensors":
            yield f"weights {name}", files_digest([path])
        elif path.suffix == ".parquet":
            yield name, pq.read_table(path).to_pylist()
        elif path.name in ("audit.json", "baseline.json", "funnel.json", "round.json", "result.json"):
            yield name, json.loads(path.read_text())
    yield "left over", sorted(path.name for path in workspace.rglob(".*") if path.name != ".steps")


def compare(whole: Path, killed: Path) -> bool:
    """Prints what is the same and what differs; whether all is the same."""
    before, after = dict(facts(whole)), dict(facts(killed))
    same = True
    for name in sorted({*before, *after}):
        equal = name in before and name in after and before[name] == after[name]
        same &= equal
        size = f" ({len(before[name])})" if equal and isinstance(before[name], list) else ""
        print(f"{'same   ' if equal else 'DIFFERS'} {name}{size}")
    verdict = after.get("audit.json", {}).get("verdict")
    print(f"{'all the same' if same else 'NOT the same'}: {len(before)} facts, verdict {verdict}")
    return same


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workspace", type=Path, help="an empty or new folder; a temporary one if not given")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.workspace or Path(temporary)).resolve()
        whole, killed = folder / "whole", folder / "killed"
        whole.mkdir(parents=True)
        started = time.monotonic()
        finish(start(given.config, whole), whole)
        print(f"the undisturbed run took {time.monotonic() - started:.1f} s", flush=True)
        made = kill_and_resume(given.config, killed, plan(given.kills), typical_seconds(whole), given.seed)
        return 0 if compare(whole, killed) and made else 1


if __name__ == "__main__":
    sys.exit(main())
