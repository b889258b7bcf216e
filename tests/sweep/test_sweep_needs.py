"""What variants need: looked at once, before the first run, and missed by the name of the variant."""

import json
from types import SimpleNamespace

import pytest

from selftrain.errors import ConfigError, MissingExtraError
from selftrain.sweep import needs
from selftrain.sweep.needs import check_needs
from selftrain.sweep.variants import read_sweep

LIBRARY = MissingExtraError("bitsandbytes", "4bit")


@pytest.fixture
def looked(monkeypatch):
    """What was looked at, in order; qlora lacks its library, and any model but `nope` is there."""
    found = []

    def resolve(name):
        found.append(f"model {name}")
        if name == "nope":
            raise ConfigError("model 'nope' is not known")

    def check(config):
        found.append(f"training {config.method}")
        if config.method == "qlora":
            raise LIBRARY

    def load(config, seed, load=needs.load_task):
        found.append(f"task {seed}")
        return load(config, seed)

    monkeypatch.setattr(needs, "resolve_model", resolve)
    monkeypatch.setattr(needs, "load_task", load)
    monkeypatch.setattr(needs, "training", SimpleNamespace(check_training=check))
    return found


def checked(folder, *words, answers=("train", "select", "test"), **more):
    """A sweep over a task of questions in files, of which some splits have answers."""
    options = {"judge": "number"}
    for split in ("train", "select", "test"):
        rows = [{"question": f"{split} {i}?", **({"answer": i} if split in answers else {})} for i in range(4)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        options[split] = str(folder / f"{split}.jsonl")
    config = {"name": "s", "workspace": folder, "task": {"name": "files", "options": options}, **more}
    check_needs(read_sweep(config, words).variants)


def test_everything_is_looked_at_once(tmp_path, looked):
    checked(tmp_path, "recipe=vanilla,east", "seed=1,2", "training.epochs=2", "model=a,b")
    assert looked == ["training lora", "model a", "model b", "task 1", "task 2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("recipe=lmsi,vanilla",), "the variant recipe-vanilla: the recipe vanilla reads gold answers, the training"),
        (("recipe=lmsi,iwsi",), "the variant recipe-iwsi: the recipe iwsi compares with the rationales of a valid"),
        (("recipe=lmsi", "seed=1,2", "task.options.test=gone.jsonl"), "the variant seed-1: .*gone.jsonl"),
        (("recipe=lmsi", "model=a,nope"), "the variant model-nope: model 'nope' is not known"),
        (("recipe=lmsi", "training.method=lora,qlora"), f"the variant method-qlora: {LIBRARY}".replace("[", r"\[")),
        (("recipe=reward_filter", "recipe.options.reward_model=/gone,/lost"), "the variant reward_model--gone: "),
    ],
)
def test_what_is_missed_is_told_by_variant(tmp_path, looked, words, message):
    with pytest.raises(ConfigError, match=message) as caught:
        checked(tmp_path, *words, answers=("select", "test"))
    assert "\n" not in str(caught.value)


def test_a_judge_of_ones_own_may_know_without_gold_answers(tmp_path, looked):
    (tmp_path / "judge.py").write_text("def knows(problem, response):\n    return True\n")
    judges = f"judge.name=null,{tmp_path / 'judge.py'}:knows"
    with pytest.raises(ConfigError, match="the variant name-null: the recipe vanilla reads gold answers"):
        checked(tmp_path, judges, answers=("select", "test"))
    checked(tmp_path, judges.replace("null,", ""), "seed=1,2", answers=("select", "test"))
