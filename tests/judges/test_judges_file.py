"""A file of responses is judged row by row; a bad row is a DataError and leaves nothing behind."""

import json
from pathlib import Path

import pytest

from selftrain.errors import ConfigError, DataError
from selftrain.judges import judge_file

ROWS = [
    {"response": "A: 18", "gold": "18", "id": 7, "nested": {"a": [1, None]}},
    {"response": "A: 19", "gold": 18, "question": "How many?"},
    {"response": "no idea \ud800 é", "gold": 18.0},
    {"response": "A: 1", "gold": None},
]


def write(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_rows_pass_through_with_the_judgement_added(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out.jsonl"
    counts = judge_file(write(tmp_path / "in.jsonl", [*ROWS]), "number", out, workers=1)
    assert counts == {"right": 1, "wrong": 2, "unjudged": 1}
    found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [{k: row[k] for k in given} for row, given in zip(found, ROWS, strict=True)] == ROWS
    assert [row["answer"] for row in found] == ["18", "19", None, "1"]
    assert [row["judgement"] for row in found] == ["right", "wrong", "wrong", "unjudged"]
    assert found[3]["reason"] == "no gold answer"
    assert "é" in out.read_text(encoding="utf-8")


def test_a_file_may_be_judged_in_place(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [*ROWS] * 100)
    assert judge_file(path, "number", path, workers=1)["right"] == 100
    assert len(path.read_text(encoding="utf-8").splitlines()) == 400
    assert [p.name for p in tmp_path.iterdir()] == ["x.jsonl"]


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("3", "is a int"),
        ('{"gold": "1"}', "has no 'response'"),
        ('{"response": "1"}', "has no 'gold'"),
        ('{"response": 1, "gold": "1"}', "'response' of type int"),
        ('{"response": "1", "gold": [1]}', "'gold' of type list"),
        ('{"response": "1", "gold": true}', "'gold' of type bool"),
        ('{"response": "1", "gold": "1", "question": 5}', "'question' of type int"),
    ],
)
def test_a_bad_row_names_its_line_and_leaves_nothing(row: str, part: str, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"response": "1", "gold": "1"}\n\n' + row + "\n")
    with pytest.raises(DataError) as caught:
        judge_file(source, "number", tmp_path / "out.jsonl", workers=1)
    assert "line 3" in str(caught.value)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_missing_file_and_an_unknown_judge_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        judge_file(tmp_path / "in.jsonl", "number", tmp_path / "out.jsonl")
    with pytest.raises(ConfigError, match="unknown judge"):
        judge_file(write(tmp_path / "in.jsonl", []), "nothing", tmp_path / "out.jsonl")
    assert [p.name for p in tmp_path.iterdir()] == ["in.jsonl"]
