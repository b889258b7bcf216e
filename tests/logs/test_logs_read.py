"""A path says what it is, and becomes a log of cells."""

import json

import pytest
from make_log import row, write

from selftrain.errors import DataError
from selftrain.logs import read_log, read_logs
from selftrain.logs.log import MOST_SUITES
from selftrain.logs.read import _source


def test_rows_become_a_cell_for_each_suite(tmp_path):
    rows = [row("a"), row("a", "wrong", answer="5"), row("b", "unjudged"), row("b"), row("c", "wrong", suite="harder")]
    log = read_log(write(tmp_path / "log.jsonl", [{**one, "model": "m"} for one in rows]))
    assert log.path == tmp_path / "log.jsonl"
    assert list(log.cells) == [None, "harder"]
    assert log.main.problems == ("a", "b")
    assert log.main.right.tolist() == [1, 1]
    assert log.main.unjudged.tolist() == [0, 1]
    assert log.main.labels == {"model": "m", "suite": None}
    assert log.cells["harder"].labels == {"model": "m", "suite": "harder"}
    assert log.notes == ()


def test_problems_with_fewer_responses_are_counted(tmp_path):
    rows = [row("a"), row("a"), row("a"), row("b"), row("c"), row("c"), *[row("d", suite="far")] * 2]
    log = read_log(write(tmp_path / "log.jsonl", [*rows, row("e", suite="far")]))
    assert log.notes == (
        "2 of 3 problems have fewer responses than 3 (least 1)",
        "suite far: 1 of 2 problems have fewer responses than 2 (least 1)",
    )


def test_a_response_logged_twice_counts_once(tmp_path):
    rows = [row("a", index=0), row("a", "wrong", index=1), row("a", index=0)]
    log = read_log(write(tmp_path / "log.jsonl", rows))
    assert log.main.responses.tolist() == [2]
    assert any("repeated" in note for note in log.notes)


def test_what_cannot_be_written_as_text_is_escaped(tmp_path):
    log = read_log(write(tmp_path / "log.jsonl", [row("\ud800", level="\udfff", question="\ud800?")]))
    assert log.main.problems == ("\\ud800",)
    json.dumps([log.main.problems, log.main.detail.levels], ensure_ascii=False).encode()


def test_a_log_of_suites_alone_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds rows of suites alone \(far\): wanted rows without a suite"):
        read_log(write(tmp_path / "log.jsonl", [row(suite="far")]))


def test_a_log_of_countless_suites_is_refused(tmp_path):
    rows = [row(suite=f"s{i}") for i in range(MOST_SUITES + 2)]
    with pytest.raises(DataError, match=r"has more than 100 suites"):
        read_log(write(tmp_path / "log.jsonl", rows))


def test_several_logs_come_in_order(tmp_path):
    paths = [write(tmp_path / f"{name}.jsonl", [row(name)]) for name in "ba"]
    assert [log.main.problems for log in read_logs(paths)] == [("b",), ("a",)]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("none.jsonl", "there is no file or folder"),
        ("log.txt", "is no known kind of log: wanted a .jsonl, .csv or .parquet"),
        ("empty", "holds no run.yaml and no samples_"),
        ("two", r"holds 2 files of samples \(m/samples_b_2.jsonl, samples_a_1.jsonl\): name one"),
    ],
)
def test_what_is_no_log_is_one_line(tmp_path, name, told):
    (tmp_path / "log.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "two" / "m").mkdir(parents=True)
    for place in ("samples_a_1.jsonl", "m/samples_b_2.jsonl"):
        (tmp_path / "two" / place).write_text("{}")
    with pytest.raises(DataError, match=told) as found:
        read_log(tmp_path / name)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("place", ["samples_a.jsonl", "renamed.jsonl", "out", "out/m/samples_a_1.jsonl"])
def test_samples_of_the_harness_are_told_by_their_columns_or_their_folder(tmp_path, monkeypatch, place):
    import selftrain.logs.lm_eval as harness

    (tmp_path / "out" / "m").mkdir(parents=True)
    for path in ("samples_a.jsonl", "renamed.jsonl", "out/m/samples_a_1.jsonl"):
        (tmp_path / path).write_text('{"doc_id": 0, "filtered_resps": ["4"]}\n')
    monkeypatch.setattr(harness, "source", lambda path: ("harness", path))
    what, path = _source(tmp_path / place)
    assert what == "harness"
    assert path == (tmp_path / "out" / "m" / "samples_a_1.jsonl" if place.startswith("out") else tmp_path / place)


@pytest.mark.parametrize("name", ["log.eval", "log.json"])
def test_logs_of_inspect_go_to_their_reader(tmp_path, monkeypatch, name):
    import selftrain.logs.inspect as inspect

    (tmp_path / name).write_text("{}")
    monkeypatch.setattr(inspect, "source", lambda path: ("inspect", path))
    assert _source(tmp_path / name) == ("inspect", tmp_path / name)
