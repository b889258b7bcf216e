"""A run small enough for a test: a tiny random Llama, a few made-up questions and a judge in a user's own file."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SELFTRAIN = (sys.executable, "-c", "from selftrain.cli import main; main()")
JUDGE = r'''
"""Right if the first letter or digit is of the kind the gold answer names."""

from selftrain.records import Judgement


def kind(problem, response):
    if not response.strip():
        return Judgement(judgement="wrong", answer=None, reason="nothing said")
    first = next((c for c in response.lower() if c.isascii() and c.isalnum()), "-")
    kinds = {"vowel": "aeiou", "digit": "0123456789", "early": "bcdfghjkl", "late": "mnpqrstvwxyz", "none": "-"}
    answer = next(kind for kind, letters in kinds.items() if first in letters)
    mark = "right" if answer == problem.gold else "wrong"
    return Judgement(judgement=mark, answer=answer, reason=f"starts with {first}")


def never(problem, response):
    return False


def broken(problem, response):
    raise ValueError(f"cannot read\n{response!r}")
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
        """The one line of an error; fails if there is a traceback, or more or less than one line of complaint."""
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if line.startswith("selftrain: ")]
        assert len(lines) == 1, self.err
        assert self.err.splitlines()[-1] == lines[0], self.err
        return lines[0]


def environment() -> dict[str, str]:
    """The environment of a command: one thread, no network, the sources of this checkout."""
    quiet = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "COLUMNS": "200"}
    return {**os.environ, **quiet, "PYTHONPATH": str(ROOT / "src")}


def selftrain(*words: object, cwd: Path | None = None, before: Callable[[], None] | None = None) -> Ended:
    """Runs the command line in a process of its own; `before` runs in it first."""
    done = subprocess.run(
        [*SELFTRAIN, *map(str, words)],
        env=environment(),
        cwd=cwd,
        preexec_fn=before,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


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


def succeed(*words: object) -> Ended:
    """Runs the command line inside this process and fails unless it succeeds."""
    ended = inside(*words)
    assert ended.code == 0, ended.err
    return ended


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A JSONL file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def questions(split: str, count: int) -> list[dict[str, Any]]:
    """Different questions for each split."""
    return [{"question": f"{split}: name of {NAMES[i % 8]} {i}?", "answer": "vowel"} for i in range(count)]


def write_config(folder: Path, model: Path, changes: Mapping[str, Any] | None = None) -> Path:
    """Writes a configuration with its task and judge into a folder; `changes` replace whole sections."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "judge.py").write_text(JUDGE)
    sizes = {"train": 40, "select": 40, "test": 40}
    files = {split: str(write_rows(folder / f"{split}.jsonl", questions(split, n))) for split, n in sizes.items()}
    config: dict[str, Any] = {
        "workspace": str(folder / "runs"),
        "model": str(model),
        "task": {"name": "files", "options": {**files, "judge": f"{folder / 'judge.py'}:kind"}},
        "recipe": {"name": "east", "options": {"samples": 4}},
        "sampling": {"temperature": 1.0, "max_tokens": 3},
        "engine": {"precision": "fp32", "batch": 16},
        "judge": {"workers": 1},
        "training": {
            "method": "full",
            "precision": "fp32",
            "epochs": 10,
            "learning_rate": 0.01,
            "batch_size": 8,
            "save_steps": 10,
        },
        "audit": {"samples": 4, "sampling": {"temperature": 1.0, "max_tokens": 3}},
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump({**config, **(changes or {})}))
    return path


def write_model(path: Path) -> Path:
    """The tiny model with a louder output head, so that an adapter too can change what it says."""
    from safetensors.torch import load_file, save_file
    from tiny import tiny_model_folder

    file = tiny_model_folder(path, hidden=48, tied=False) / "model.safetensors"
    weights = load_file(file)
    weights["lm_head.weight"] *= 8
    save_file(weights, file, metadata={"format": "pt"})
    return path
