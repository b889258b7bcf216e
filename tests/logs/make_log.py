"""Small logs of sampled answers as files, for the tests of their readers."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from selftrain.logs import rows


def row(problem="a", judgement="right", **more):
    """A response as a log may have it; None leaves a column out."""
    made = {"problem": problem, "judgement": judgement, "response": "It is 4.", "answer": "4", **more}
    return {name: value for name, value in made.items() if value is not ...}


def write(path: Path, given):
    """Rows as a file of the kind that its name says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(given), path)
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(given[0]))
            writer.writeheader()
            writer.writerows(given)
    else:
        path.write_text("".join(f"{json.dumps(one)}\n" for one in given), encoding="utf-8")
    return path


def read(path: Path):
    """Suites and rows that the reader finds, its labels and its notes."""
    source = rows.source(path)
    return list(source.rows), source.labels, source.notes
