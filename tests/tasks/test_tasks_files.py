"""A user's own files: how they are cut, and every way in which they can be unusable."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from make_files import load, read, rows, split_files, write

from selftrain.errors import ConfigError, DataError
from selftrain.tasks.tables import MAX_ROW


@pytest.fixture
def files(tmp_path):
    return split_files(tmp_path)


# How problems are cut


def test_one_file_for_each_split(files):
    task = load(**files)
    assert [p.text for p in task.splits["train"]] == ["Question 1?", "Question 2?", "Question 3?"]
    assert [p.gold for p in task.splits["test"]] == ["5", "6"]
    assert task.judge == "exact"


def test_shots_judge_and_suites(files, tmp_path):
    hard = write(tmp_path / "hard.jsonl", rows(*range(10, 15)))
    shots = write(tmp_path / "shots.jsonl", rows(20))
    task = load(**files, shots=shots, suites={"hard": hard}, judge="number")
    assert task.judge == "number"
    assert len(task.splits["shots"]) == 1
    assert (len(task.suites["hard"].select), len(task.suites["hard"].test)) == (2, 3)


def test_the_threshold_of_summaries_goes_to_the_judge(files, tmp_path):
    hard = write(tmp_path / "hard.jsonl", rows(*range(10, 14)))
    for more, wanted in (({}, 0.4), ({"right_from": 0.25}, 0.25)):
        task = load(**files, suites={"hard": hard}, judge="summary", **more)
        assert {p.reference["right_from"] for _, part in task.parts() for p in part} == {wanted}
    assert [dict(p.reference) for p in load(**files).splits["test"]] == [{}, {}]
    bare = write(tmp_path / "bare.jsonl", [{"question": "Report 8."}])
    with pytest.raises(DataError, match="1 problem of test without a gold answer"):
        load(**{**files, "test": bare}, judge="summary")


def test_a_valid_split_has_rationales(files, tmp_path):
    worked = [{"question": f"Valid {n}?", "answer": str(n), "rationale": f"So it is {n}."} for n in (30, 31)]
    task = load(**files, valid=write(tmp_path / "valid.jsonl", worked))
    assert [p.rationale for p in task.splits["valid"]] == ["So it is 30.", "So it is 31."]
    for rationale in (None, "", " \n"):
        worked[1]["rationale"] = rationale
        with pytest.raises(
            DataError, match=r"1 problem of valid without a rationale, such as 'Valid 31\?': give each a"
        ):
            load(**files, valid=write(tmp_path / "valid.jsonl", worked))


def test_a_valid_split_by_ratios(tmp_path):
    path = write(tmp_path / "all.jsonl", [row | {"rationale": "So it is."} for row in rows(*range(50))])
    task = load(path=path, ratios={"train": 0.5, "select": 0.1, "test": 0.3, "valid": 0.1})
    assert len(task.splits["valid"]) == 5


def test_one_file_by_ratios(tmp_path):
    path = write(tmp_path / "all.jsonl", rows(*range(50)))
    ratios = {"train": 0.6, "select": 0.1, "test": 0.3}
    task = load(path=path, ratios=ratios)
    assert {name: len(part) for name, part in task.parts()} == {"train": 30, "select": 5, "test": 15}
    write(tmp_path / "all.jsonl", rows(*reversed(range(50))))
    assert load(path=path, ratios=ratios).splits == task.splits  # whatever the order of the rows
    assert load(1, path=path, ratios=ratios).splits != task.splits


QUESTIONS = st.lists(st.sampled_from([f"{space}Q{n}" for n in range(40) for space in ("", " ")]), min_size=15)


@settings(max_examples=40, deadline=None)
@given(main=QUESTIONS, hard=QUESTIONS, seed=st.integers(0, 99))
def test_parts_never_share_a_question_or_lose_one(main, hard, seed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    path = write(folder / "all.jsonl", [{"question": q, "answer": "x"} for q in main])
    suite = write(folder / "hard.jsonl", [{"question": f"{q} hard", "answer": "x"} for q in hard])
    ratios = {"train": 0.5, "select": 0.2, "test": 0.2, "shots": 0.1}
    assume(len({q.strip() for q in main}) >= 10)  # enough to fill every part
    assume(len({q.strip() for q in hard}) >= 2)
    task = load(seed, path=path, ratios=ratios, suites={"hard": suite})
    found = [p.text.strip() for _, part in task.parts() for p in part]
    assert sorted(found) == sorted({q.strip() for q in main} | {f"{q.strip()} hard" for q in hard})


@settings(max_examples=40, deadline=None)
@given(parts=st.lists(st.sets(st.integers(0, 12), min_size=1, max_size=4), min_size=3, max_size=3))
def test_split_files_are_refused_exactly_when_they_overlap(parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    names = ("train", "select", "test")
    given_files = {
        name: write(folder / f"{name}.jsonl", rows(*sorted(numbers)))
        for name, numbers in zip(names, parts, strict=True)
    }
    if len(set.union(*parts)) < sum(map(len, parts)):
        with pytest.raises(DataError, match="also in other parts, such as 'Question"):
            load(**given_files)
    else:
        assert len({p.id for _, part in load(**given_files).parts() for p in part}) == sum(map(len, parts))


def test_duplicates_are_dropped_and_noted(files, tmp_path):
    write(tmp_path / "train.jsonl", [*rows(1, 2, 1), {"question": "Question 2?", "answer": "other"}])
    assert load(**files).notes == ("dropped 2 duplicate questions from train, 1 of them with another answer",)
    path = write(tmp_path / "all.jsonl", rows(*range(10), 3))
    task = load(path=path, ratios={"train": 0.5, "select": 0.2, "test": 0.3})
    assert task.notes == (f"dropped 1 duplicate question from {path}",)


def test_split_files_that_overlap(files, tmp_path):
    write(tmp_path / "test.jsonl", rows(1, 2, 6))
    with pytest.raises(DataError, match=r"2 questions of test also in other parts, such as 'Question 1.' in train: re"):
        load(**files)


def test_a_suite_that_overlaps(files, tmp_path):
    with pytest.raises(DataError, match=r"1 question of suite hard, .* in train"):
        load(**files, suites={"hard": write(tmp_path / "hard.jsonl", rows(1, 10, 11))})


def test_a_suite_of_one_problem(files, tmp_path):
    with pytest.raises(DataError, match="suite hard, select has no problems"):
        load(**files, suites={"hard": write(tmp_path / "hard.jsonl", rows(10))})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "train is missing: give train, select and test, or path and ratios"),
        ({"train": "a.jsonl", "test": "b.jsonl"}, "select is missing"),
        ({"path": "a.jsonl"}, "path goes with ratios or sizes"),
        ({"path": "a.jsonl", "ratios": {"train": 1.0}, "train": "b.jsonl"}, "path goes with ratios or sizes, and not"),
        ({"ratios": {"train": 1.0}}, "ratios and sizes need a path"),
        ({"path": "a.jsonl", "ratios": {"train": 0.5, "test": 0.5}}, "select is missing"),
        ({"path": "a.jsonl", "ratios": {"train": 0.5, "dev": 0.5}}, "unknown split dev: known are train, select"),
        ({"path": "a.jsonl", "ratios": {"train": 0.5, "select": 0.5, "test": 0.5}}, "add up to 1.5"),
        ({"path": "a.jsonl", "ratios": {"train": 1.5, "select": -1, "test": 0.5}}, "must be above 0"),
        ({"path": "a.jsonl", "ratios": {"train": float("nan"), "select": 0.5, "test": 0.5}}, "add up to 1"),
        (
            {"path": "a.jsonl", "ratios": {"train": 0.4, "unlabelled": 0.1, "select": 0.2, "test": 0.3}},
            "task.options.ratios: train and unlabelled are the same split: give one of the two",
        ),
        ({"train": "a.jsonl", "unlabelled": "b.jsonl"}, "task.options: train and unlabelled are the same split"),
        (
            {"path": "a.jsonl", "ratios": {"train": 0.5, "select": 0.2, "test": 0.3}, "sizes": {"train": 1}},
            "task.options: ratios and sizes are two ways to cut: give one of them",
        ),
        ({"sizes": {"train": 1, "select": 1, "test": 1}}, "ratios and sizes need a path"),
        ({"path": "a.jsonl", "sizes": {"train": 1, "select": 1}}, "test is missing"),
        (
            {"path": "a.jsonl", "sizes": {"train": 1.5, "select": 1, "test": 1}},
            "task.options.sizes.train: input should",
        ),
        ({"path": "a.jsonl", "sizes": {"train": 0, "select": 1, "test": 1}}, "should be greater than or equal to 1"),
        ({"path": "a.jsonl", "sizes": {"train": 9, "dev": 1}}, "sizes: unknown split dev: known are train, select"),
        ({"train": "a.jsonl", "select": "b.jsonl", "test": "c.jsonl", "probe": 0.5}, "probe needs a labelled split"),
        ({"probe": 1.0}, "task.options.probe: input should be less than 1"),
        (
            {"train": "a.jsonl", "select": "b.jsonl", "test": "c.jsonl", "right_from": 0.4, "judge": "exact"},
            "right_from goes with judge: summary",
        ),
        ({"judge": "summary", "right_from": 0}, "task.options.right_from: input should be greater than 0"),
        ({"columns": {"queston": "q"}}, "unknown key task.options.columns.queston: known keys are question, answer"),
        ({"file": "a.jsonl"}, "unknown key task.options.file: known keys are ratios, sizes, path"),
    ],
)
def test_unusable_options(options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load(**options)
    assert "\n" not in str(caught.value)


# The three formats


def test_formats_read_alike(tmp_path):
    table = [
        {"question": "Über 1,\n2?", "answer": "a", "level": "easy", "rationale": 'Über,\n"a"'},
        {"question": "3?", "answer": None, "level": None, "rationale": None},
    ]
    write(tmp_path / "a.jsonl", table)
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["question", "answer", "level", "rationale"])
        writer.writeheader()
        writer.writerows(table)
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "a.parquet")
    first = read(tmp_path / "a.jsonl")
    assert [p.gold for p in first] == ["a", None]
    assert [p.level for p in first] == ["easy", None]
    assert [p.rationale for p in first] == ['Über,\n"a"', None]
    assert read(tmp_path / "a.csv") == read(tmp_path / "a.parquet") == first


def test_chat_messages_in_jsonl_and_parquet(tmp_path):
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "And 2+2?"},
    ]
    write(tmp_path / "a.jsonl", [{"question": turns, "answer": "4"}])
    pq.write_table(pa.Table.from_pylist([{"question": turns, "answer": "4"}]), tmp_path / "a.parquet")
    (problem,) = read(tmp_path / "a.jsonl")
    assert [m.role for m in problem.messages] == ["system", "user", "assistant", "user"]
    assert problem.text == "And 2+2?"
    assert read(tmp_path / "a.parquet") == [problem]


def test_columns_of_other_names(tmp_path):
    write(tmp_path / "a.jsonl", [{"prompt": "1?", "gold": "1", "grade": "b", "why": "1."}])
    (problem,) = read(tmp_path / "a.jsonl", question="prompt", answer="gold", level="grade", rationale="why")
    assert (problem.text, problem.gold, problem.level, problem.rationale) == ("1?", "1", "b", "1.")


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_byte_order_mark_and_windows_line_ends(tmp_path, name):
    text = '{"question": "1?", "answer": "x"}' if name == "a.jsonl" else "question,answer\r\n1?,x"
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n\r\n")
    (problem,) = read(tmp_path / name)
    assert (problem.text, problem.gold) == ("1?", "x")


def test_unicode_line_separators_do_not_end_a_json_line(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"question": "one\u2028two\x85"}\n', encoding="utf-8")
    assert read(tmp_path / "a.jsonl")[0].text == "one\u2028two\x85"


# Files that cannot be used


def refused(path, message, **columns):
    with pytest.raises(DataError, match=message) as caught:
        read(path, **columns)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_missing_file(tmp_path):
    refused(tmp_path / "no.jsonl", r"there is no file .*no\.jsonl")


def test_a_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "a.csv").mkdir()
    refused(tmp_path / "a.csv", "there is no file")


@pytest.mark.parametrize(
    ("name", "text"), [("a.jsonl", ""), ("a.jsonl", "\n\n"), ("a.csv", ""), ("a.csv", "question\n")]
)
def test_an_empty_file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    refused(tmp_path / name, "holds no rows")


def test_an_empty_parquet_file(tmp_path):
    pq.write_table(pa.table({"question": pa.array([], pa.string())}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "holds no rows")


def test_an_unknown_extension(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04.")
    refused(tmp_path / "a.pkl", r"no known kind of file: wanted one of \.jsonl, \.csv, \.parquet")


@pytest.mark.parametrize(
    "line", ["{'question': 1}", '{"question": "x"', "[" * 100_000, '{"question": ' + "9" * 5000 + "}", "NaNs"]
)
def test_bad_json_names_its_line(tmp_path, line):
    (tmp_path / "a.jsonl").write_text('{"question": "1?"}\n\n' + line + "\n")
    refused(tmp_path / "a.jsonl", r"a\.jsonl line 3 is not JSON \(")


def test_a_json_line_that_is_no_object(tmp_path):
    (tmp_path / "a.jsonl").write_text('["question", "1?"]\n')
    refused(tmp_path / "a.jsonl", "line 1 holds list: wanted one JSON object a line")


def test_text_that_is_not_utf8(tmp_path):
    (tmp_path / "a.jsonl").write_bytes('{"question": "café"}\n'.encode("latin-1"))
    refused(tmp_path / "a.jsonl", "not UTF-8 text near line 1: convert it to UTF-8")


def test_bytes_that_are_no_parquet(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing PAR1")
    refused(tmp_path / "a.parquet", "not readable as Parquet")


def test_csv_with_an_open_quote(tmp_path):
    (tmp_path / "a.csv").write_text('question,answer\n"1?,x\n')
    refused(tmp_path / "a.csv", "line 2 is not CSV .*: check its quotes")


def test_csv_with_more_fields_than_the_header(tmp_path):
    (tmp_path / "a.csv").write_text("question,answer\n1?,x\nWhat, then?,y\n")
    refused(tmp_path / "a.csv", "line 3 has more fields than the header: put quotes around")


def test_csv_with_fewer_fields_than_the_header(tmp_path):
    (tmp_path / "a.csv").write_text("question,answer\n1?\n")
    refused(tmp_path / "a.csv", "line 2 has fewer fields than the header")


def test_csv_fields_of_any_allowed_length_without_a_lasting_change_of_the_limit(tmp_path):
    limit = csv.field_size_limit()
    (tmp_path / "a.csv").write_text("question,answer\n" + "x" * 300_000 + ",y\n")
    assert len(read(tmp_path / "a.csv")[0].text) == 300_000
    assert csv.field_size_limit() == limit


def test_a_csv_field_too_long_over_many_lines(tmp_path):
    (tmp_path / "a.csv").write_text('question\n"' + ("x" * 999 + "\n") * 1100 + '"\n')
    refused(tmp_path / "a.csv", "is not CSV .*field larger than field limit")


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_line_too_long(tmp_path, name):
    long = "x" * MAX_ROW
    text = json.dumps({"question": long}) if name == "a.jsonl" else f"question\n{long}x"
    (tmp_path / name).write_text(text + "\n")
    refused(tmp_path / name, "is longer than 1,000,000 characters")


def test_a_parquet_row_too_long(tmp_path):
    pq.write_table(pa.table({"question": ["1?", "x" * MAX_ROW]}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "row 2 is longer than 1,000,000 characters")


# Rows that are no problem


def test_a_row_without_the_question_column(tmp_path):
    write(tmp_path / "a.jsonl", [{"question": "1?"}, {"prompt": "2?", "answer": "x"}])
    refused(tmp_path / "a.jsonl", r"line 2 has no column question \(columns: prompt, answer\): name yours with columns")
    pq.write_table(pa.table({"prompt": ["1?"]}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "row 1 has no column question")


@pytest.mark.parametrize("question", [None, "", " \n"])
def test_a_row_with_an_empty_question(tmp_path, question):
    write(tmp_path / "a.jsonl", [{"question": "1?"}, {"question": question}])
    refused(tmp_path / "a.jsonl", "line 2 has no question: ")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": 5}, "line 1, the question holds int '5': wanted text in quotes"),
        ({"question": {"role": "user"}}, "line 1, the question holds dict"),
        ({"question": "1?", "answer": True}, "line 1, column answer holds bool 'True': wanted text in quotes"),
        ({"question": "1?", "answer": float("nan")}, "line 1, column answer holds nan: wanted a finite number"),
        ({"question": "1?", "answer": float("-inf")}, "line 1, column answer holds -inf: wanted a finite number"),
        ({"question": "1?", "answer": ["a", "b"]}, "line 1, column answer holds list"),
        ({"question": "1?", "answer": "1", "level": 3}, "line 1, column level holds int '3'"),
        ({"question": "1?", "rationale": ["a", "b"]}, "line 1, column rationale holds list"),
        ({"question": "1?", "rationale": 5}, "line 1, column rationale holds int '5': wanted text in quotes"),
        ({"question": "1?", "rationale": "a\x00"}, "line 1, column rationale holds a null character"),
        ({"question": "1?", "rationale": "\udc00"}, "line 1, column rationale holds half a surrogate pair"),
        ({"question": "1\x00?"}, "line 1, the question holds a null character"),
        ({"question": "1?", "answer": "\ud800"}, "line 1, column answer holds half a surrogate pair"),
        ({"question": []}, "the last message of a question must be by the user"),
        ({"question": [{"role": "assistant", "content": "a"}]}, "last message of a question must be by the user"),
        ({"question": [{"role": "root", "content": "a"}]}, "a message needs a text and a role among system, user"),
        ({"question": [{"role": "user", "content": ""}]}, "a message needs a text and a role"),
        ({"question": [{"role": "user", "content": 5}]}, "a message holds int '5'"),
        ({"question": ["1?"]}, "a message needs a text and a role"),
    ],
)
def test_values_that_are_no_text(tmp_path, row, message):
    write(tmp_path / "a.jsonl", [row])
    refused(tmp_path / "a.jsonl", message)


def test_null_characters_in_csv(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"question,answer\n1\x00?,x\n")
    refused(tmp_path / "a.csv", "holds a null character")


@pytest.mark.parametrize(
    ("number", "text"),
    [(18, "18"), (-3, "-3"), (1.5, "1.5"), (18.0, "18"), (-0.0, "0"), (0.1, "0.1"), (2.0**53, "9007199254740992.0")],
)
def test_numbers_as_answers(tmp_path, number, text):
    table = [{"question": "1?", "answer": number}]
    write(tmp_path / "a.jsonl", table)
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "a.parquet")
    (problem,) = read(tmp_path / "a.jsonl")
    assert problem.gold == text
    assert read(tmp_path / "a.parquet") == [problem]


def test_a_whole_number_of_any_length_as_answer(tmp_path):
    write(tmp_path / "a.jsonl", [{"question": "1?", "answer": 10**400}])
    assert read(tmp_path / "a.jsonl")[0].gold == "1" + "0" * 400


def test_no_number_in_parquet(tmp_path):
    pq.write_table(pa.table({"question": ["1?"], "answer": [float("inf")]}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "row 1, column answer holds inf: wanted a finite number")
