"""What goes wrong from outside: one clear line, no traceback, and a workspace that goes on once it is put right."""

import json
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from small import (
    JUDGE,
    Lab,
    begin,
    end,
    inside,
    living,
    outcome,
    questions,
    wait_for,
    wait_until_gone,
    write_lab,
    write_rows,
)


@pytest.fixture
def spoilt(lab, first, tmp_path):
    """A copy of the configuration to spoil; it shares the workspace of the finished run."""
    config = yaml.safe_load(lab.config.read_text())
    path = tmp_path / "spoilt.yaml"

    def spoil(**changes: object) -> Path:
        path.write_text(yaml.safe_dump({**config, **changes}))
        return path

    spoil.task = config["task"]
    return spoil


def refusal(config: object, name: str, *changes: str) -> str:
    return inside("run", config, f"name={name}", *changes).complaint


def with_file(spoilt, file: Path, split: str = "train") -> Path:
    options = {**spoilt.task["options"], split: str(file)}
    return spoilt(task={**spoilt.task, "options": options})


def goes_on(lab: Lab, name: str) -> None:
    """The corrected command, under the same name, finishes as if nothing had been wrong."""
    run = lab.run(name)
    assert outcome(run) == ([1], "progress")


def test_missing_file(spoilt, lab, tmp_path):
    said = refusal(with_file(spoilt, tmp_path / "nowhere.jsonl"), "missing")
    assert "there is no file" in said
    assert "nowhere.jsonl" in said
    goes_on(lab, "missing")


def test_empty_file(spoilt, lab, tmp_path):
    said = refusal(with_file(spoilt, write_rows(tmp_path / "empty.jsonl", [])), "empty")
    assert "empty.jsonl holds no rows" in said
    goes_on(lab, "empty")


def test_row_without_a_question(spoilt, lab, tmp_path):
    rows = [*questions("train", 3), {"answer": "letter"}]
    said = refusal(with_file(spoilt, write_rows(tmp_path / "rows.jsonl", rows)), "without")
    assert "rows.jsonl line 4 has no column question" in said
    goes_on(lab, "without")


def test_row_that_is_not_json(spoilt, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"question": "a", "answer": "b"}\nhello\n')
    assert "rows.jsonl line 2 is not JSON" in refusal(with_file(spoilt, tmp_path / "rows.jsonl"), "broken-row")


def test_duplicates_are_dropped_and_told(spoilt, lab, tmp_path):
    rows = questions("train", 40)
    file = write_rows(tmp_path / "twice.jsonl", [*rows, *rows[:3]])
    ended = inside("run", with_file(spoilt, file), "name=twice")
    assert ended.code == 0, ended.err
    assert "note: dropped 3 duplicate questions from train" in ended.err
    assert "dropped 3 duplicate questions from train" in inside("check-task", tmp_path / "spoilt.yaml").out
    assert outcome(lab.workspace / "twice") == ([1], "progress")


def test_a_question_in_two_splits(spoilt, lab, tmp_path):
    file = write_rows(tmp_path / "both.jsonl", [*questions("train", 5), *questions("test", 2)])
    said = refusal(with_file(spoilt, file), "both")
    assert "2 questions of test also in other parts" in said
    assert "'test: name of ant 0?' in train" in said
    goes_on(lab, "both")


def test_more_questions_than_exist(spoilt, lab):
    options = {"train": 500, "select": 5, "test": 5, "shots": 0}
    config = spoilt(task={"name": "reasoning_gym:count_bits", "options": {**options, "settings": {"max_n": 63}}})
    said = refusal(config, "many")
    assert "count_bits with these settings holds 63 distinct questions, 510 were asked" in said
    goes_on(lab, "many")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("trainning.epochs=1", "unknown key trainning: known keys are name, workspace"),
        ("training.epoch=1", "unknown key training.epoch: known keys are method, loss, preference"),
        ("audit.sampling.heat=1", "unknown key audit.sampling.heat: known keys are temperature, top_p, max_tokens"),
        ("recipe.options.sample=4", "unknown key recipe.options.sample: known keys are samples, per_problem"),
        ("task.options.jugde=exact", "unknown key task.options.jugde: known keys are ratios, sizes, path"),
    ],
)
def test_unknown_key(first, lab, change, told):
    assert told in refusal(lab.config, "unknown-key", change)
    assert not (lab.workspace / "unknown-key" / "run.yaml").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("task=riddles", "there is no task 'riddles': known are reasoning_gym:FAMILY"),
        ("task=reasoning_gym:riddles", "riddles"),
        ("judge=jury", "unknown judge 'jury': use one of choice, exact, math, number"),
        ("judge=nowhere.py:judge", "there is no file nowhere.py"),
        ("model=gpt", "model 'gpt' is not known: use smollm2, a .gguf file, a model folder"),
        ("model=nobody/nothing", "model nobody/nothing is no local folder and the hub does not give it"),
        ("recipe=magic", "unknown recipe 'magic': known are as_es, east"),
        ("recipe=nowhere.py:magic", "there is no file nowhere.py"),
    ],
)
def test_unknown_name(first, lab, monkeypatch, change, told):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert told in refusal(lab.config, "unknown-name", change)
    assert not (lab.workspace / "unknown-name" / "run.yaml").exists()


def test_unknown_preset(tmp_path):
    said = inside("run", "grand", f"workspace={tmp_path}").complaint
    assert "there is no file or preset 'grand': give a YAML file or one of" in said
    assert "unknown preset 'grand': known are" in inside("presets", "grand").complaint


def test_a_correction_is_not_a_change(first, lab):
    refusal(lab.config, "corrected", "judge=jury")
    refusal(lab.config, "corrected", "prompt.shots=4")
    refusal(lab.config, "corrected", "recipe=magic")
    goes_on(lab, "corrected")


@pytest.mark.parametrize("family", ["string_insertion", "spiral_matrix", "n_queens", "puzzle24", "simple_integration"])
def test_a_family_whose_scorer_executes_text(spoilt, lab, family):
    said = refusal(spoilt(task=f"reasoning_gym:{family}"), "executes")
    assert family in said
    assert "execut" in said or "evaluat" in said


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("recipe.options.samples=0", "recipe.options.samples: input should be greater than or equal to 1, found 0"),
        ("audit.samples=0", "audit.samples: input should be greater than or equal to 1, found 0"),
        ("rounds=0", "rounds: input should be greater than or equal to 1, found 0"),
        ("sampling.max_tokens=0", "sampling.max_tokens: input should be greater than or equal to 1, found 0"),
    ],
)
def test_nothing_asked_for(first, lab, change, told):
    assert told in refusal(lab.config, "none", change)


def test_sampling_nothing(lab, model, tmp_path):
    ended = inside("sample", model, "--task", lab.config, "--out", tmp_path / "log.jsonl", "--samples", 0)
    assert "--samples" in ended.complaint


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"model: [smollm2", "is not YAML"),
        (b"", "holds nothing: a mapping is wanted"),
        (b"- model\n- task\n", "holds list: a mapping is wanted"),
        (b"\xff\xfe\x00model", "is not UTF-8 text"),
        (b"model: smollm2\n", "task is missing"),
        (b"task: !!python/object/apply:os.system ['true']\n", "is not YAML"),
    ],
)
def test_a_configuration_that_is_not_one(tmp_path, content, told):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    assert told in inside("run", path).complaint
    assert list(tmp_path.iterdir()) == [path]


def test_an_override_that_is_not_one(lab):
    assert "'epochs' is not key=value" in inside("run", lab.config, "epochs").complaint
    assert inside("run").complaint


def test_a_prompt_longer_than_the_context(spoilt, lab, tmp_path):
    rows = [*questions("select", 39), {"question": "why? " * 200, "answer": "letter"}]
    said = refusal(with_file(spoilt, write_rows(tmp_path / "long.jsonl", rows), "select"), "long")
    assert "the model's context holds 512: use fewer shots or shorter questions" in said
    goes_on(lab, "long")


def test_a_judge_that_raises(spoilt, lab, tmp_path):
    own = tmp_path / "judge.py"
    own.write_text(JUDGE.replace("first = ", "first = [][0]\n    first = "))
    config = spoilt(judge=f"{own}:kind")
    said = refusal(config, "raises")
    assert f"the judge {own}:kind could mark none of 160 responses (judge raised IndexError: list index out" in said
    own.write_text(JUDGE)
    ended = inside("run", config, "name=raises")
    assert ended.code == 0, ended.err
    assert outcome(lab.workspace / "raises") == ([1], "progress")


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Writing fails with EFBIG where a file would grow beyond `size` bytes; Python ignores the signal of it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def same_result(run: Path, other: Path) -> bool:
    names = ("audit.json", "final/model.safetensors", "rounds/01/audit.json", "rounds/01/training.parquet")
    return all((run / name).read_bytes() == (other / name).read_bytes() for name in names)


@pytest.mark.parametrize(("size", "reached"), [(9_000, "sample"), (300_000, "sample, judge, cluster, train")])
def test_a_file_that_cannot_grow(first, model, tmp_path, size, reached):
    own = write_lab(tmp_path, model)
    with no_file_above(size):
        said = refusal(own.config, "first")
    assert said.endswith("free some space and repeat the command, it goes on from here")
    steps = {path.name.partition("-")[0] for path in (own.workspace / ".steps").iterdir()}
    assert steps == set(reached.split(", "))
    assert same_result(own.run("first"), first)


@pytest.mark.parametrize("kilobytes", [24, 800])
def test_a_full_disk(first, model, tmp_path, kilobytes):
    own = write_lab(tmp_path, model)
    own.workspace.mkdir()

    def mount(*options: str) -> int:
        command = ["mount", "-t", "tmpfs", *options, "tmpfs", own.workspace]
        return subprocess.run(command, capture_output=True).returncode

    if os.geteuid() != 0 or mount("-o", f"size={kilobytes}k") != 0:
        pytest.skip("mounting a small disk needs more rights")
    try:
        said = refusal(own.config, "first")
        assert said.endswith("free some space and repeat the command, it goes on from here")
        mount("-o", "remount,size=100m")
        assert same_result(own.run("first"), first)
    finally:
        subprocess.run(["umount", own.workspace], check=True)


def test_ctrl_c_while_the_workers_start(model, tmp_path):
    process = begin("run", write_lab(tmp_path, model).config)
    wait_for(lambda: len(living(parent=process.pid)) == 2, process)  # multiprocessing's own and the judge's
    os.killpg(process.pid, signal.SIGINT)
    ended = end(process)
    assert ended.code == 130
    assert ended.complaint == "interrupted; the same command goes on from here"
    wait_until_gone(lambda: living(group=process.pid))


def test_ctrl_c_while_sampling(model, tmp_path):
    own = write_lab(tmp_path, model)
    changes = ("name=stopped", "recipe.options.samples=1", "audit.sampling.max_tokens=40")
    process = begin("run", own.config, *changes)
    open_rows = own.workspace.glob
    wait_for(lambda: any(path.stat().st_size for path in open_rows(".steps/sample-*/rows.jsonl")), process)
    os.killpg(process.pid, signal.SIGINT)
    ended = end(process)
    assert ended.code == 130
    assert ended.complaint == "interrupted; the same command goes on from here"
    wait_until_gone(lambda: living(group=process.pid))
    (rows,) = open_rows(".steps/sample-*/rows.jsonl")
    kept = [json.loads(line) for line in rows.read_text().splitlines()]
    assert 0 < len(kept) < 160
    own.run("stopped", *changes[1:])
    final = {row["id"]: row["tokens"] for row in pq.read_table(rows.parent / "rows.parquet").to_pylist()}
    assert len(final) == 160
    assert all(final[row["id"]] == row["tokens"] for row in kept)
