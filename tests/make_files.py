"""A user's own files of problems, written and loaded, for tests of the task `files`."""

import json

from selftrain.tasks import TaskConfig, load_task
from selftrain.tasks.files import Columns, read_problems


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def rows(*numbers, word="Question"):
    return [{"question": f"{word} {n}?", "answer": str(n)} for n in numbers]


def load(seed=0, **options):
    return load_task(TaskConfig(name="files", options=options), seed)


def read(path, **columns):
    return list(read_problems(path, Columns(**columns)))


def split_files(folder):
    """The files of the splits that every task has."""
    return {
        "train": write(folder / "train.jsonl", rows(1, 2, 3)),
        "select": write(folder / "select.jsonl", rows(4)),
        "test": write(folder / "test.jsonl", rows(5, 6)),
    }
