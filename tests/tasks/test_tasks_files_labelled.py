"""Labelled and unlabelled problems, probes, sizes and multiple-choice rows in a user's own files."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from make_files import load, read, rows, split_files, write

from selftrain.errors import DataError


@pytest.fixture
def files(tmp_path):
    return split_files(tmp_path)


def test_one_file_by_sizes(tmp_path):
    path = write(tmp_path / "all.jsonl", rows(*range(50)))
    task = load(path=path, sizes={"test": 12, "select": 3, "labelled": 5, "unlabelled": 20})
    assert {name: len(part) for name, part in task.parts()} == {"test": 12, "select": 3, "labelled": 5, "train": 20}
    larger = load(path=path, sizes={"test": 12, "select": 3, "labelled": 9, "unlabelled": 26})
    assert larger.splits["test"] == task.splits["test"]
    assert larger.splits["select"] == task.splits["select"]
    assert larger.splits["labelled"][:5] == task.splits["labelled"]
    with pytest.raises(DataError, match=r"all.jsonl holds 50 problems, 51 were asked: lower sizes"):
        load(path=path, sizes={"test": 12, "select": 3, "labelled": 10, "unlabelled": 26})


def test_unlabelled_is_another_name_of_train(files, tmp_path):
    task = load(**files, labelled=write(tmp_path / "labelled.jsonl", rows(40, 41)))
    assert [p.gold for p in task.splits["labelled"]] == ["40", "41"]
    renamed = {"unlabelled" if split == "train" else split: file for split, file in files.items()}
    assert load(**renamed, labelled=str(tmp_path / "labelled.jsonl")) == task
    path = write(tmp_path / "all.jsonl", rows(*range(50)))
    by_ratios = load(path=path, ratios={"labelled": 0.2, "unlabelled": 0.6, "select": 0.1, "test": 0.1})
    assert {split: len(part) for split, part in by_ratios.parts()} == {
        "labelled": 10,
        "train": 30,
        "select": 5,
        "test": 5,
    }


# Labelled problems held back


def unlabelled(path, *numbers):
    return write(path, [{"question": f"Question {n}?"} for n in numbers])


def test_a_probe_is_a_share_of_the_labelled_problems_with_their_gold_answers(files, tmp_path):
    files |= {"train": unlabelled(tmp_path / "train.jsonl", *range(100, 110))}
    files |= {"labelled": write(tmp_path / "labelled.jsonl", rows(*range(20, 30)))}
    task = load(**files, probe=0.3)
    held = [p for p in task.splits["train"] if p.gold is not None]
    assert len(task.splits["train"]) == 13
    assert len(held) == 3
    assert sorted(int(p.gold) for p in (*held, *task.splits["labelled"])) == list(range(20, 30))
    assert task.notes == ("3 labelled problems held back as a probe: read by the report alone",)
    assert load(**files, probe=0.3) == task
    others = [load(seed, **files, probe=0.3).splits["labelled"] for seed in range(1, 4)]
    assert any(other != task.splits["labelled"] for other in others)
    assert len(load(**files).splits["train"]) == 10


def test_a_probe_of_a_file_in_another_order_or_with_repeats_is_the_same(files, tmp_path):
    files |= {"train": unlabelled(tmp_path / "train.jsonl", 100)}
    files |= {"labelled": write(tmp_path / "labelled.jsonl", rows(*range(20, 30)))}
    task = load(**files, probe=0.5)
    write(tmp_path / "labelled.jsonl", rows(*reversed(range(20, 30)), *range(20, 30)))
    again = load(**files, probe=0.5)
    assert again.splits["train"] == task.splits["train"]
    assert again.notes[0] == "dropped 10 duplicate questions from labelled"


@pytest.mark.parametrize(("probe", "held"), [(0.1, 0), (0.9, 4)])
def test_a_probe_leaves_labelled_problems_and_is_not_empty(files, tmp_path, probe, held):
    labelled = write(tmp_path / "labelled.jsonl", rows(20, 21, 22, 23))
    message = f"files: a probe of {probe} holds back {held} of 4 labelled problems: it and labelled need at least one"
    with pytest.raises(DataError, match=message):
        load(**files, labelled=labelled, probe=probe)


def test_a_probe_hides_no_question_that_is_labelled_and_unlabelled(files, tmp_path):
    labelled = write(tmp_path / "labelled.jsonl", rows(1, 20, 21, 22))
    for seed in range(4):
        with pytest.raises(
            DataError, match=r"1 question of labelled also in other parts, such as 'Question 1\?' in tr"
        ):
            load(seed, **files, labelled=labelled, probe=0.5)


@pytest.mark.parametrize("seed", range(4))
def test_labelled_problems_without_gold_are_told_before_a_probe_is_held_back(files, tmp_path, seed):
    labelled = write(tmp_path / "labelled.jsonl", [*rows(20, 21, 22), {"question": "Question 23?"}])
    message = r"files: 1 problem of labelled without a gold answer, such as 'Question 23\?': give each an answer"
    with pytest.raises(DataError, match=message):
        load(seed, **files, labelled=labelled, probe=0.5)


# Rows with options


def choice_rows(*numbers, **more):
    return [{"question": f"Which {n}?", "options": [f"{n} a", f"{n} b"], "answer": "B", **more} for n in numbers]


def test_rows_with_options_are_chosen_from_and_the_judge_follows(tmp_path):
    path = write(tmp_path / "all.jsonl", choice_rows(*range(20), level="hard", rationale="So it is B."))
    task = load(path=path, sizes={"test": 5, "select": 5, "labelled": 5, "unlabelled": 5})
    assert task.judge == "choice"
    problem = task.splits["labelled"][0]
    assert (problem.gold, problem.level, problem.rationale) == ("B", "hard", "So it is B.")
    first, second = problem.options
    assert problem.text.splitlines()[1:] == [f"(A) {first}", f"(B) {second}"]
    assert load(path=path, sizes={"test": 5, "select": 5, "train": 5}, judge="exact").judge == "exact"


def test_under_another_judge_questions_and_answers_are_as_written(tmp_path):
    path = write(tmp_path / "all.jsonl", choice_rows(*range(12)))
    hard = write(tmp_path / "hard.jsonl", choice_rows(90, 91))
    sizes = {"test": 4, "select": 4, "train": 4}
    asked = load(path=path, sizes=sizes, suites={"hard": hard}, judge="choice")
    assert asked == load(path=path, sizes=sizes, suites={"hard": hard})
    assert {(len(p.options), p.gold) for _, part in asked.parts() for p in part} == {(2, "B")}
    plain = load(path=path, sizes=sizes, suites={"hard": hard}, judge="exact")
    assert {p.text for _, part in plain.parts() for p in part} == {f"Which {n}?" for n in (*range(12), 90, 91)}
    assert {(p.options, p.gold) for _, part in plain.parts() for p in part} == {((), "B")}
    write(tmp_path / "all.jsonl", choice_rows(*range(12), options="a note", answer=5))
    assert load(path=path, sizes=sizes, judge="number").splits["test"][0].gold == "5"


def test_rows_with_and_without_options_need_another_judge(files, tmp_path):
    test = write(
        tmp_path / "test.jsonl", [*choice_rows(5), {"question": "Question 6?", "options": None, "answer": "6"}]
    )
    with pytest.raises(
        DataError, match=r"3 problems of train without options, such as 'Question 1\?': the judge choice"
    ):
        load(**files)
    assert len(load(**{**files, "test": test}, judge="exact").splits["test"]) == 2


def test_options_in_all_three_formats(tmp_path):
    table = [
        {"question": "1?", "options": ["x, y", "z"], "answer": "z"},
        {"question": "2?", "options": ["x", "y"], "answer": None},
        {"question": "3?", "options": None, "answer": "free"},
    ]
    write(tmp_path / "a.jsonl", table)
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "a.parquet")
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["question", "options", "answer"])
        writer.writeheader()
        writer.writerows(row | {"options": row["options"] and json.dumps(row["options"])} for row in table)
    first = read(tmp_path / "a.jsonl")
    assert [(p.options, p.gold) for p in first] == [(("x, y", "z"), "B"), (("x", "y"), None), ((), "free")]
    assert read(tmp_path / "a.csv") == read(tmp_path / "a.parquet") == first


def test_a_row_with_bad_options_names_its_place_and_column_names_may_differ(tmp_path):
    write(tmp_path / "a.jsonl", [{"question": "1?", "ways": ["x", "y"]}, {"question": "2?", "ways": ["x"]}])
    with pytest.raises(DataError, match=r"a\.jsonl line 2 has 1 option: wanted 2 to 26"):
        read(tmp_path / "a.jsonl", options="ways")
