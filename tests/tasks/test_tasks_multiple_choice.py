"""CommonsenseQA, MMLU and ARC: read from folders and from a hub in its rows' own shapes, pooled and cut."""

import json

import pytest

from selftrain.errors import ConfigError, DataError
from selftrain.tasks import TaskConfig, load_task
from selftrain.tasks.check import check_task

TEXTS = ["ash", "birch", "cedar", "date", "elm"]


def stated(n, number=5):
    """A row as CommonsenseQA is published."""
    choices = [{"label": label, "text": text} for label, text in zip("ABCDE"[:number], TEXTS, strict=False)]
    return {"id": str(n), "answerKey": "BCD"[n % 3], "question": {"stem": f"Which tree {n}?", "choices": choices}}


def flat(n, labels="ABCDE"):
    """The same row as the hub has it; ARC numbers some of its options."""
    choices = {"text": TEXTS[: len(labels)], "label": list(labels)}
    return {"id": str(n), "question": f"Which tree {n}?", "choices": choices, "answerKey": labels[1 + n % 3]}


def exam(n):
    return {"question": f"Exam {n}?", "subject": f"subject {n % 2}", "choices": TEXTS[:4], "answer": n % 4}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def load(name, seed=0, **options):
    return load_task(TaskConfig(name=name, options={k: str(v) if k == "path" else v for k, v in options.items()}), seed)


def sizes(task):
    return {split: len(part) for split, part in task.parts()}


@pytest.fixture
def hub(monkeypatch):
    """A hub of the three data sets that keeps what was asked of it."""
    datasets = pytest.importorskip("datasets")
    asked = []
    rows = {
        "tau/commonsense_qa": {"train": [flat(n) for n in range(60)], "validation": [flat(n) for n in range(60, 80)]},
        "cais/mmlu": {"test": [exam(n) for n in range(40)]},
        "allenai/ai2_arc": {
            "train": [flat(n, "ABCD") for n in range(20)],
            "validation": [flat(n, "1234") for n in range(20, 30)],
            "test": [flat(n, "ABCD") for n in range(30, 40)],
        },
    }

    def load_dataset(name, config, split):
        asked.append((name, config, split))
        return rows[name][split]

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


def test_commonsense_qa_is_pooled_and_cut_as_in_the_paper(hub):
    task = load("commonsense_qa")
    assert sizes(task) == {"labelled": 16, "train": 48, "select": 4, "test": 12}
    assert (task.name, task.judge, task.notes) == ("commonsense_qa", "choice", ())
    assert hub == [("tau/commonsense_qa", None, "train"), ("tau/commonsense_qa", None, "validation")]
    for _, part in task.parts():
        for problem in part:
            number = int(problem.text.splitlines()[0].split()[-1].rstrip("?"))
            assert problem.options == tuple(TEXTS)
            assert problem.gold == "BCD"[number % 3]
    assert check_task(task, workers=1).ok


@pytest.mark.parametrize("held", ["dev", "validation"])
def test_a_folder_in_the_published_shape_gives_the_same_task(hub, tmp_path, held):
    write(tmp_path / "train.jsonl", [stated(n) for n in range(60)])
    write(tmp_path / f"{held}.jsonl", [stated(n) for n in range(60, 80)])
    assert load("commonsense_qa", path=tmp_path) == load("commonsense_qa")
    write(tmp_path / "train.jsonl", [flat(n) for n in reversed(range(60))])  # the hub's shape, in another order
    assert load("commonsense_qa", path=tmp_path) == load("commonsense_qa")


def test_the_seed_and_sizes_say_how_it_is_cut(hub):
    task = load("commonsense_qa", sizes={"test": 10, "select": 5, "labelled": 4, "unlabelled": 30})
    assert sizes(task) == {"test": 10, "select": 5, "labelled": 4, "train": 30}
    more = load("commonsense_qa", sizes={"test": 10, "select": 5, "labelled": 9, "unlabelled": 30})
    assert (more.splits["test"], more.splits["select"]) == (task.splits["test"], task.splits["select"])
    assert load("commonsense_qa", 1).splits != load("commonsense_qa").splits
    assert sizes(load("mmlu", ratios={"train": 0.5, "select": 0.25, "test": 0.25})) == {
        "train": 20,
        "select": 10,
        "test": 10,
    }


def test_mmlu_has_subjects_as_levels_and_places_as_answers(hub):
    task = load("mmlu")
    assert hub == [("cais/mmlu", "all", "test")]
    for problem in task.splits["train"]:
        number = int(problem.text.splitlines()[0].split()[-1].rstrip("?"))
        assert (problem.gold, problem.level) == ("ABCD"[number % 4], f"subject {number % 2}")


def test_arc_pools_all_its_splits_and_has_two_subsets(hub):
    task = load("arc")
    assert sum(sizes(task).values()) == 40
    assert {config for _, config, _ in hub} == {"ARC-Challenge"}
    assert [split for _, _, split in hub] == ["train", "validation", "test"]
    assert {p.gold for p in task.splits["train"]} == {"B", "C", "D"}  # also where the labels are 1 to 4
    del hub[:]
    load("arc", subset="ARC-Easy")
    assert {config for _, config, _ in hub} == {"ARC-Easy"}


def test_questions_twice_and_rows_that_cannot_be_asked_are_dropped_and_noted(tmp_path):
    bad = stated(7)
    bad["question"]["choices"][3]["text"] = "Birch"
    write(tmp_path / "train.jsonl", [*[stated(n) for n in range(40)], stated(3), bad])
    write(tmp_path / "dev.jsonl", [stated(5)])
    task = load("commonsense_qa", path=tmp_path)
    assert task.notes == (
        f"dropped 1 row that cannot be asked, such as {tmp_path}/train.jsonl line 42: options 2 and 4 have the same "
        "text: remove one of them",
        f"dropped 2 duplicate questions from {tmp_path}",
    )
    assert sum(sizes(task).values()) == 40


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "1?"}, "line 1 has no question: wanted a text"),
        ({"question": {"choices": []}, "answerKey": "A"}, "line 1 has no question"),
        ({"question": "1?", "answerKey": "A"}, "line 1: the options hold NoneType"),
        ({**flat(1), "answerKey": ""}, "line 1 has no answer: wanted a label of its options"),
        ({**flat(1), "answerKey": "F"}, "line 1: the answer 'F' names no option: wanted one of A, B, C, D, E"),
    ],
)
def test_files_of_other_rows_are_refused(tmp_path, row, message):
    write(tmp_path / "train.jsonl", [row] * 2 + [stated(n) for n in range(20)])
    write(tmp_path / "dev.jsonl", [stated(30)])
    with pytest.raises(DataError, match=message) as caught:
        load("commonsense_qa", path=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mmlu", {"sizes": {"train": 5, "test": 5}}, "task.options: select is missing: ratios and sizes name train"),
        ("mmlu", {"subset": "all"}, "unknown key task.options.subset: known keys are ratios, sizes, path"),
        ("arc", {"subset": "ARC-Hard"}, "task.options.subset: input should be 'ARC-Challenge' or 'ARC-Easy', found"),
        (
            "arc",
            {"path": "./nowhere"},
            r"no folder \./nowhere \(with train.jsonl and validation.jsonl and test.jsonl\)",
        ),
        (
            "commonsense_qa",
            {"ratios": {"train": 0.5, "select": 0.2, "test": 0.3}, "sizes": {"train": 5, "select": 2, "test": 3}},
            "ratios and sizes are two ways to cut",
        ),
    ],
)
def test_unusable_options(name, options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load(name, **options)
    assert "\n" not in str(caught.value)


def test_a_folder_holds_one_subset_of_arc(tmp_path):
    with pytest.raises(ConfigError, match=r"task\.options\.subset chooses on the hub, .* is a folder: remove subset"):
        load("arc", path=tmp_path, subset="ARC-Easy")


def test_more_asked_than_there_is(hub):
    with pytest.raises(DataError, match="cais/mmlu holds 40 problems, 41 were asked: lower sizes"):
        load("mmlu", sizes={"train": 39, "select": 1, "test": 1})


def test_a_hub_out_of_reach_is_one_line(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def unreachable(*_, **__):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(DataError, match=r"allenai/ai2_arc cannot be read from the hub \(no route\): check") as caught:
        load("arc")
    assert "\n" not in str(caught.value)


def test_a_missing_file_of_a_folder_is_named(tmp_path):
    write(tmp_path / "train.jsonl", [stated(1)])
    with pytest.raises(DataError, match=r"there is no file .*validation\.jsonl"):
        load("commonsense_qa", path=tmp_path)
