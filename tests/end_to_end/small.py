"""A run small enough for a test: a tiny random Llama, made-up questions, a judge and a recipe in a user's own files."""

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SELFTRAIN = (sys.executable, "-c", "from selftrain.cli import main; main()")
JUDGE = r'''
"""Right if the response starts with the kind of character that the gold answer names."""

from selftrain.records import Judgement


def kind(problem, response):
    first = response.strip()[:1] or "."
    answer = "other" if not first.isascii() else "letter" if first.isalpha() else "digit" if first.isdigit() else "mark"
    mark = "right" if answer == problem.gold else "wrong"
    return Judgement(judgement=mark, answer=answer, reason=f"starts with {first}")


def never(problem, response):
    return False


def broken(problem, response):
    raise ValueError(f"cannot read\n{response!r}")
'''
RECIPE = '''
"""The opposite of a good idea: learn what was judged wrong."""

from selftrain import Round, TrainingSet, recipe
from selftrain.recipes.vanilla import VanillaOptions
from selftrain.records import Groups


@recipe("contrary", paper="none")
def contrary(round: Round, options: VanillaOptions) -> TrainingSet:
    groups = round.judge(round.sample(round.parent, round.problems, n=options.samples))
    return round.training_set(groups.where_any_wrong().where(lambda group: not group.right))
'''
NAMES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The error of a command that failed: one line, the last one, and no traceback."""
        assert self.code not in (0, 1), self.err
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if line.startswith("selftrain: ")]
        assert lines == self.err.splitlines()[-1:], self.err
        return lines[0].removeprefix("selftrain: ")


@dataclass(frozen=True)
class Lab:
    """A folder with a configuration; its runs share one workspace."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "small.yaml"

    @property
    def workspace(self) -> Path:
        return self.folder / "runs"

    def run(self, name: str, *changes: str) -> Path:
        """Runs the configuration inside this process; returns the run's folder."""
        ended = inside("run", self.config, f"name={name}", *changes)
        assert ended.code == 0, ended.err
        return self.workspace / name

    def steps(self, run: Path, number: int, kind: str) -> list[Path]:
        """The folders of the steps of a kind that a round's recipe used."""
        names = read_json(run / "rounds" / f"{number:02d}" / "funnel.json")["steps"]
        return [self.workspace / ".steps" / name for name in names if name.startswith(f"{kind}-")]


def environment() -> dict[str, str]:
    """The environment of a command: one thread, no network, the sources of this checkout."""
    quiet = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "COLUMNS": "200"}
    return {**os.environ, **quiet, "PYTHONPATH": str(ROOT / "src")}


def begin(*words: object) -> subprocess.Popen[str]:
    """Starts the command line in a process group of its own."""
    return subprocess.Popen(
        [*SELFTRAIN, *map(str, words)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> Ended:
    """Waits for a process that was begun."""
    out, err = process.communicate(timeout=300)
    return Ended(process.returncode, out, err)


def selftrain(*words: object, before: Callable[[], None] | None = None) -> Ended:
    """Runs the command line in a process of its own; `before` runs in it first."""
    done = subprocess.run(
        [*SELFTRAIN, *map(str, words)],
        env=environment(),
        preexec_fn=before,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 120) -> None:
    """Waits until something has happened; fails if the process ends before."""
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.005)


def living(*, parent: int | None = None, group: int | None = None) -> set[int]:
    """The processes that have a parent or are in a process group; those that ended and wait for it to be told not."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, its_parent, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if state != "Z" and (int(its_parent) == parent or int(its_group) == group):
                found.add(int(path.parent.name))
    return found


def wait_until_gone(find: Callable[[], set[int]], seconds: float = 5) -> None:
    """Fails if there are still such processes after a while."""
    until = time.monotonic() + seconds
    while left := find():
        assert time.monotonic() < until, f"still there: {left}"
        time.sleep(0.05)


def inside(*words: object) -> Ended:
    """Runs the command line inside this process, where the libraries are loaded already."""
    from selftrain.cli import main

    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["selftrain", *map(str, words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as exit:
        return Ended(int(exit.code or 0), out.getvalue(), err.getvalue())
    finally:
        sys.argv = before
    raise AssertionError("main() returned instead of exiting")


def read_json(path: Path) -> Any:
    """The value in a JSON file."""
    return json.loads(path.read_text())


def outcome(run: Path) -> tuple[list[int], str | None]:
    """The promoted rounds and the final verdict of a finished run."""
    result = read_json(run / "result.json")
    return result["promoted"], result["verdict"]


def weights(folder: Path) -> dict[str, Any]:
    """The tensors of a model folder."""
    from selftrain.models import load_model, open_model

    return dict(load_model(open_model(folder)).state_dict())


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A JSONL file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def questions(split: str, count: int) -> list[dict[str, Any]]:
    """Different questions for each split."""
    return [{"question": f"{split}: name of {NAMES[i % 8]} {i}?", "answer": "letter"} for i in range(count)]


def write_lab(folder: Path, model: Path, changes: Mapping[str, Any] | None = None) -> Lab:
    """Writes a configuration with its task, judge and recipe; `changes` replace whole sections."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "judge.py").write_text(JUDGE)
    (folder / "recipe.py").write_text(RECIPE)
    files = {split: str(write_rows(folder / f"{split}.jsonl", questions(split, 40))) for split in SPLITS}
    config: dict[str, Any] = {
        "workspace": str(folder / "runs"),
        "model": str(model),
        "task": {"name": "files", "options": {**files, "judge": f"{folder / 'judge.py'}:kind"}},
        "recipe": {"name": "vanilla", "options": {"samples": 4, "per_problem": 4}},
        "sampling": {"temperature": 1.0, "max_tokens": 3},
        "engine": {"precision": "fp32", "batch": 16},
        "judge": {"workers": 1},
        "training": {
            "method": "full",
            "precision": "fp32",
            "epochs": 5,
            "learning_rate": 0.01,
            "batch_size": 8,
            "save_steps": 10,
        },
        "audit": {
            "samples": 4,
            "sampling": {"temperature": 1.0, "max_tokens": 3},
            "settings": {"margin": 0.2, "draws": 500},
        },
    }
    (folder / "small.yaml").write_text(yaml.safe_dump({**config, **(changes or {})}))
    return Lab(folder)


SPLITS = ("train", "select", "test")


def write_model(path: Path) -> Path:
    """The tiny model with a louder output head, so that an adapter too can change what it says."""
    from safetensors.torch import load_file, save_file
    from tiny import tiny_model_folder

    file = tiny_model_folder(path, hidden=48, tied=False) / "model.safetensors"
    weights = load_file(file)
    weights["lm_head.weight"] *= 8
    save_file(weights, file, metadata={"format": "pt"})
    return path
