"""GSM8K from a local folder: splits, gold answers and bad data."""

import json
import os
from pathlib import Path

import pytest

from selftrain.errors import ConfigError, DataError
from selftrain.tasks import TaskConfig, load_task
from selftrain.tasks.check import check_task

SIZES = {"select": 4, "shots": 3}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def row(number, answer=None):
    rationale = f"Twice {number} is <<2*{number}={2 * number}>>{2 * number}."
    return {"question": f"What is twice {number}?", "answer": answer or f"{rationale}\n#### {2 * number:,}"}


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "train.jsonl", [row(n) for n in range(600, 620)])
    write(tmp_path / "test.jsonl", [row(n) for n in range(10)])
    return tmp_path


def load(folder, seed=0, **options):
    return load_task(TaskConfig(name="gsm8k", options={"path": str(folder), **options}), seed)


def ids(problems):
    return [problem.id for problem in problems]


def test_select_and_shots_are_cut_from_the_training_set(folder):
    task = load(folder, **SIZES)
    sizes = {split: len(problems) for split, problems in task.splits.items()}
    assert sizes == {"train": 13, "select": 4, "test": 10, "shots": 3}
    assert task.judge == "number"
    first = next(p for p in task.splits["train"])
    assert first.gold == str(2 * int(first.text.split()[-1].rstrip("?")))
    assert "," not in first.gold
    assert first.rationale == f"Twice {int(first.gold) // 2} is {first.gold}.\nThe answer is {first.gold}."


def test_the_cut_is_fixed_by_the_seed_and_raising_a_size_moves_nothing_of_the_rest(folder):
    small, large, other = (
        load(folder, train=5, test=4, valid=2, **SIZES),
        load(folder, train=9, test=8, valid=4, **SIZES),
        load(folder, seed=1, **SIZES),
    )
    for split in ("select", "shots"):
        assert small.splits[split] == large.splits[split]
    assert ids(small.splits["train"]) == ids(large.splits["train"])[:5]
    assert ids(small.splits["test"]) == ids(large.splits["test"])[:4]
    assert ids(small.splits["valid"]) == ids(large.splits["valid"])[:2]
    assert small.splits == load(folder, train=5, test=4, **SIZES).splits | {"valid": small.splits["valid"]}
    assert ids(other.splits["select"]) != ids(small.splits["select"])


def test_labelled_problems_are_cut_after_the_shots(folder):
    before, after = load(folder, valid=2, **SIZES), load(folder, valid=2, labelled=4, **SIZES)
    assert "labelled" not in before.splits
    assert ids(after.splits["labelled"]) + ids(after.splits["train"]) == ids(before.splits["train"])
    assert len(after.splits["labelled"]) == 4
    for split in ("select", "shots", "test", "valid"):
        assert before.splits[split] == after.splits[split]


def test_training_questions_of_the_test_set_and_duplicates_are_dropped(folder):
    write(folder / "train.jsonl", [row(n) for n in (1, 2, *range(600, 620), 600)])
    task = load(folder, **SIZES)
    assert len(task.splits["train"]) == 13
    assert task.notes == (
        "dropped 1 duplicate question from the original training set",
        "dropped 2 training questions that are in the test set",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 14}, "14 problems asked for train, 13 are beside the other splits"),
        ({"train": 10, "valid": 4}, "10 problems asked for train, 9 are beside the other splits"),
        ({"valid": 14}, "14 problems asked for valid, 13 are after select, shots and labelled"),
        ({"valid": 13}, "train has no problems"),
        ({"test": 11}, "11 problems asked for test, 10 are in the test set"),
        ({"select": 21}, "21 problems asked for select, 20 are in the training set"),
        ({"labelled": 14}, "14 problems asked for labelled, 13 are after select and shots"),
        ({"labelled": 5, "train": 9}, "9 problems asked for train, 8 are beside the other splits"),
        ({"select": 18}, "3 problems asked for shots, 2 are after select"),
    ],
)
def test_asking_more_than_there_is(folder, options, message):
    with pytest.raises(DataError, match=message):
        load(folder, **{**SIZES, **options})


@pytest.mark.parametrize(
    "bad",
    [row(1, "no final answer"), row(1, "#### twelve"), {"question": "only"}, {"question": 3, "answer": "#### 3"}],
)
def test_a_row_without_a_final_number(folder, bad):
    write(folder / "test.jsonl", [row(0), bad])
    with pytest.raises(DataError, match=r"test.jsonl line 2: wanted a question and an answer that ends in '####"):
        load(folder, **SIZES)


@pytest.mark.parametrize(
    ("final", "gold"), [("1,234", "1234"), ("-5", "-5"), ("$7", "7"), ("2.5", "2.5"), (".5", ".5")]
)
def test_forms_of_the_final_number(folder, final, gold):
    write(folder / "test.jsonl", [row(0, f"So.\n#### {final}")])
    (problem,) = load(folder, **SIZES).splits["test"]
    assert (problem.gold, problem.rationale) == (gold, f"So.\nThe answer is {gold}.")
    assert check_task(load(folder, **SIZES), workers=1).ok


def test_a_solution_without_words_is_its_answer(folder):
    write(folder / "test.jsonl", [row(0, "#### 3")])
    assert load(folder, **SIZES).splits["test"][0].rationale == "The answer is 3."


def test_a_folder_that_is_not_there():
    with pytest.raises(ConfigError, match=r"there is no folder \./nowhere"):
        load("./nowhere")


def test_a_folder_without_the_files(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*train\.jsonl"):
        load(tmp_path)


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def unreachable(*_, **__):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(DataError, match=r"openai/gsm8k cannot be read from the hub \(no route\)") as caught:
        load("openai/gsm8k")
    assert "\n" not in str(caught.value)


def test_the_hub_gives_the_same_task_as_a_folder(folder, monkeypatch):
    datasets = pytest.importorskip("datasets")

    def hub(name, config, split):
        assert (name, config) == ("openai/gsm8k", "main")
        return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]

    monkeypatch.setattr(datasets, "load_dataset", hub)
    assert load("openai/gsm8k", **SIZES) == load(folder, **SIZES)


def test_the_real_data():
    data = os.environ.get("SELFTRAIN_DATA") or Path(__file__).parents[3] / "shared" / "data"
    folder = Path(data) / "gsm8k"
    if not folder.is_dir():
        pytest.skip("no GSM8K here")
    task = load(folder, valid=100)
    assert {split: len(p) for split, p in task.splits.items()} == {
        "train": 6865,
        "select": 500,
        "test": 1319,
        "shots": 8,
        "valid": 100,
    }
    report = check_task(task)
    assert report.ok, report.lines()
