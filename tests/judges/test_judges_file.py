"""A file of responses is judged row by row; a bad row is a DataError and leaves nothing behind."""

import json
from pathlib import Path

import pytest

from selftrain.errors import ConfigError, DataError, WorkspaceError
from selftrain.judges import judge_file
from selftrain.judges.file import _problem

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


def test_the_reference_reaches_the_judge(tmp_path: Path) -> None:
    pytest.importorskip("reasoning_gym")
    reference = {"dataset": "chain_sum", "entry": {"question": "1 + 2 =", "answer": "3", "metadata": {}}}
    rows: list[object] = [{"response": text, "gold": "3", "reference": reference} for text in ("It is 3.", "It is 4.")]
    rows.append({"response": "3", "gold": "3", "reference": None})
    counts = judge_file(write(tmp_path / "in.jsonl", [*rows]), "reasoning_gym", tmp_path / "out.jsonl", workers=1)
    assert counts == {"right": 1, "wrong": 1, "unjudged": 1}


def test_rows_with_options_are_judged_by_letter(tmp_path: Path) -> None:
    """Gold may be a letter, the text of an option, or its place counted from 0."""
    asked = {"question": "Where are books?", "options": ["bank", "library"], "response": "**Answer:** B"}
    rows = [{**asked, "gold": gold} for gold in ("B", "library", 1, "A", None)]
    out = tmp_path / "out.jsonl"
    assert judge_file(write(tmp_path / "in.jsonl", rows), "choice", out, workers=1) == {
        "right": 3,
        "wrong": 1,
        "unjudged": 1,
    }


def test_only_the_judge_choice_reads_options(tmp_path: Path) -> None:
    rows: list[object] = [
        {"response": "A: 2", "gold": 2, "options": [5, 3, 9]},
        {"response": "A: 7", "gold": "7", "options": ["one and the same", "one and the same"]},
    ]
    assert judge_file(write(tmp_path / "in.jsonl", rows), "number", tmp_path / "out.jsonl", workers=1)["right"] == 2
    row = '{"response": "1", "gold": 0, "options": ["x", "y"], "reference": {"unit": "m"}}'
    problem = _problem(json.loads(row), "choice", "here")
    assert (problem.gold, problem.options, problem.reference) == ("A", ("x", "y"), {"unit": "m"})
    problem = _problem(json.loads(row), "exact", "here")
    assert (problem.gold, problem.options, problem.reference) == ("0", (), {"unit": "m"})


def test_options_that_repeat_are_refused_with_their_line(tmp_path: Path) -> None:
    rows = [{"response": "B", "gold": "B", "options": ["bank", "Bank "]}]
    with pytest.raises(DataError, match=r"line 1: options 1 and 2 have the same text"):
        judge_file(write(tmp_path / "in.jsonl", rows), "choice", tmp_path / "out.jsonl", workers=1)


def test_a_number_as_gold_is_its_shortest_text(tmp_path: Path) -> None:
    rows = [{"response": text, "gold": gold} for text, gold in [("18", 18.0), ("0.1", 0.1), ("18", 18), ("1.0", 1)]]
    counts = judge_file(write(tmp_path / "in.jsonl", [*rows]), "exact", tmp_path / "out.jsonl", workers=1)
    assert (counts["right"], counts["wrong"]) == (3, 1)


def test_an_older_result_is_replaced_and_a_folder_is_not(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", [*ROWS]), tmp_path / "out.jsonl"
    out.write_text("old")
    assert judge_file(source, "number", out, workers=1)["right"] == 1
    assert len(out.read_text(encoding="utf-8").splitlines()) == len(ROWS)
    with pytest.raises(WorkspaceError, match="exists already"):
        judge_file(source, "number", tmp_path, workers=1)


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
        ('{"response": "1", "gold": "1", "reference": []}', "'reference' of type list"),
        ('{"response": "1", "gold": NaN}', "gold holds nan: wanted a finite number"),
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
