"""Pseudo-labels are read back as they were written, and what is none is refused."""

import math
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from make_few_labels import PROBLEMS, taught

from selftrain import pseudo_labels
from selftrain.errors import WorkspaceError
from selftrain.pseudo_labels import PSEUDO_LABELS, read_pseudo_labels, save_pseudo_labels

LABELS = [taught(problem, f"Answer: {letter}", letter) for problem, letter in zip(PROBLEMS, "ABCD", strict=True)]


def columns(path):
    return {name: [row[name] for row in read_pseudo_labels(path)] for name in PSEUDO_LABELS.names}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pseudo_labels.parquet"


def test_every_column_is_read_back_in_order(path):
    labels = [
        LABELS[0],
        replace(LABELS[1], kept=False, nll=0.0),
        replace(LABELS[2], answer=None, nll=math.nan, kept=False, source="base, 0 shots"),
        replace(LABELS[3], nll=math.inf, kept=False),
    ]
    save_pseudo_labels(
        path, labels, {labels[0].response.id: "right", labels[1].response.id: "unjudged", "other": "wrong"}
    )
    assert columns(path) == {
        "problem": [problem.id for problem in PROBLEMS],
        "response": [label.response.id for label in labels],
        "text": ["Answer: A", "Answer: B", "Answer: C", "Answer: D"],
        "answer": ["A", "B", None, "D"],
        "nll": [0.5, 0.0, None, None],
        "source": ["warm, 3 shots", "warm, 3 shots", "base, 0 shots", "warm, 3 shots"],
        "kept": [True, False, False, False],
        "judgement": ["right", "unjudged", None, None],
    }


def test_equal_labels_make_equal_bytes(path, tmp_path):
    for file in (path, tmp_path / "again.parquet"):
        save_pseudo_labels(file, LABELS, {})
    assert path.read_bytes() == (tmp_path / "again.parquet").read_bytes()


def test_no_label_at_all(path):
    save_pseudo_labels(path, [], {})
    assert read_pseudo_labels(path) == []


def test_any_character_of_a_response_is_read_back(path):
    label = replace(LABELS[0], response=replace(LABELS[0].response, text="a \U0001f600 \x00 b"))
    save_pseudo_labels(path, [label], {})
    assert read_pseudo_labels(path)[0]["text"] == "a \U0001f600 \x00 b"


def written(path, **changes):
    """A file with a row in which some values are other ones."""
    save_pseudo_labels(path, LABELS[:1], {})
    row = {**read_pseudo_labels(path)[0], **changes}
    pq.write_table(pa.Table.from_pylist([row], schema=PSEUDO_LABELS), path)


@pytest.mark.parametrize("name", ["problem", "response", "text", "source", "kept"])
def test_a_value_that_is_missing(path, name):
    written(path, **{name: None})
    with pytest.raises(
        WorkspaceError, match="is damaged: restore it from a copy, or run again under another name"
    ) as e:
        read_pseudo_labels(path)
    assert "\n" not in str(e.value)


def test_a_judgement_that_is_none(path):
    written(path, judgement="perhaps")
    with pytest.raises(WorkspaceError, match="is damaged"):
        read_pseudo_labels(path)
    written(path, judgement="wrong")
    assert read_pseudo_labels(path)[0]["judgement"] == "wrong"


@pytest.mark.parametrize("spoil", ["text", "torn", "columns", "missing", "folder"])
def test_a_file_that_is_none(path, spoil):
    save_pseudo_labels(path, LABELS, {})
    if spoil == "text":
        path.write_text("no parquet")
    elif spoil == "torn":
        path.write_bytes(path.read_bytes()[:-20])
    elif spoil == "columns":
        pq.write_table(pa.table({"problem": ["a"]}), path)
    else:
        path.unlink()
        if spoil == "folder":
            path.mkdir()
    with pytest.raises(WorkspaceError, match="is damaged"):
        read_pseudo_labels(path)


def test_a_file_that_unpacks_to_far_too_much(path, monkeypatch):
    save_pseudo_labels(path, LABELS, {})
    monkeypatch.setattr(pseudo_labels, "LARGEST", 100)
    with pytest.raises(WorkspaceError, match="is damaged"):
        read_pseudo_labels(path)
