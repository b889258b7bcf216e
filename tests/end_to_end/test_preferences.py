"""Rounds that learn from pairs (DPO) and from labelled responses (KTO), whole and killed."""

import json
import signal
import subprocess
import sys
from collections import Counter

import pytest
from small import environment, inside, outcome, read_json, weights, write_lab

from selftrain.digest import digest
from selftrain.plan import paper
from selftrain.plan.stages import read_stages
from selftrain.report.record import read_run
from selftrain.report.responses import Responses
from selftrain.report.views import drawn_for_training, trained
from selftrain.story import story
from selftrain.training.references import blocks_of
from selftrain.training_set import Labelled, Pair, TrainingSet

RECIPES = """
from selftrain import Round, TrainingSet, recipe
from selftrain.recipes.vanilla import VanillaOptions


@recipe("pairs", paper="none")
def pairs(round: Round, options: VanillaOptions) -> TrainingSet:
    groups = round.judge(round.sample(round.parent, round.problems, n=4))
    both = [(group.problem, *pair) for group in groups for pair in zip(group.right, group.marked("wrong"))]
    return round.pair_set(both)


@recipe("labels", paper="none")
def labels(round: Round, options: VanillaOptions) -> TrainingSet:
    groups = round.judge(round.sample(round.parent, round.problems, n=4))
    return round.labelled_set(groups, [1 + index % 2 for index in range(len(groups))])
"""
KILLED = """
import os
import signal
import sys

from selftrain.cli import main
from selftrain.metrics import Metrics
from selftrain.training.references import References

owner, name, wanted, left = {
    "reference": (References, "add", None, 3),
    "train": (Metrics, "write", "train", int(sys.argv[2])),
}[sys.argv[1]]
method = getattr(owner, name)


def deadly(self, *words, **values):
    global left
    method(self, *words, **values)
    left -= wanted in (None, words[0])
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)


setattr(owner, name, deadly)
sys.argv[1:3] = []
main()
"""
CHAINED = ("training.preference.reference=base", "rounds=2", "promote=always")
ADAPTERS = ("training.method=lora", "training.learning_rate=0.01")


@pytest.fixture(scope="module")
def lab(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("preferences")
    (folder / "own.py").write_text(RECIPES)
    return write_lab(folder, model)


@pytest.fixture(scope="module")
def recipe(lab):
    return lambda name: f"recipe.name={lab.folder / 'own.py'}:{name}"


@pytest.fixture(scope="module")
def chained(lab, recipe):
    """Two rounds of pairs, compared with the base."""
    return lab.run("chained", recipe("pairs"), *CHAINED)


def training(run, number=1):
    return TrainingSet.load(run / "rounds" / f"{number:02d}" / "training.parquet")


def steps(run, kind):
    """The folders of the steps of a kind that a run's rounds used, in the order of their rounds."""
    names = [read_json(path)["steps"] for path in sorted(run.glob("rounds/*/round.json"))]
    found = dict.fromkeys(name for each in names for name in each if name.startswith(f"{kind}-"))
    return [run.parent / ".steps" / name for name in found]


def references(step):
    """The reference's log-probabilities in a step, by block."""
    rows = [json.loads(line) for line in (step / "logprobs.jsonl").read_text().splitlines()[1:]]
    return {row["block"]: row["logprobs"] for row in rows}


def completions(rows):
    """(Prompt, completion) of everything in a set of pairs, as token ids."""
    return [(pair.prompt_ids, side) for pair in rows for side in (pair.chosen_ids, pair.rejected_ids)]


def test_a_round_of_pairs_makes_progress(chained):
    promoted, verdict = outcome(chained)
    assert (promoted, verdict) == ([1, 2], "progress")
    rows = training(chained)
    assert rows.kind is Pair
    assert len(rows) > 20


def test_its_page_marks_the_right_ones_as_chosen_and_the_wrong_ones_as_rejected(chained):
    run = read_run(chained)
    assert (chained / "report.html").stat().st_size > 0
    for one in run.rounds:
        view = trained(run, one, drawn_for_training(run, one, Responses(run)))
        uses = [(shown[1], side) for item in view.items(99) for shown in item[6][0] for side, _ in shown[5]]
        assert Counter(uses) == {("r", "chosen"): len(one.rows), ("w", "rejected"): len(one.rows)}
    assert f"round 2: {len(training(chained, 2))} pairs, weights 1.00 to 1.00" in "\n".join(story(run))


def test_the_base_is_read_for_each_round_into_one_step(chained, model):
    import torch

    from selftrain.models import load_model, open_model

    (step,) = steps(chained, "reference")
    found = references(step)
    size = read_run(chained).config["training"]["batch_size"]
    blocks = [block for number in (1, 2) for block in blocks_of(completions(training(chained, number)), size)]
    assert found.keys() == {digest(block) for block in blocks}
    base = load_model(open_model(model))
    for block in blocks[:: len(blocks) // 3]:
        for (prompt, completion), logprob in zip(block, found[digest(block)], strict=True):
            with torch.no_grad():
                logprobs = base(torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
            expected = sum(logprobs[len(prompt) - 1 + place, token] for place, token in enumerate(completion))
            assert logprob == pytest.approx(float(expected), abs=1e-3)


def test_the_parent_of_a_first_round_is_the_base(lab, recipe, chained):
    """Compared with parents, the first round is that of the other run, and the second has a reference of its own."""
    run = lab.run("parents", recipe("pairs"), "rounds=2", "promote=always")
    (one, two), (same, other) = (steps(each, "train") for each in (chained, run))
    assert one == same
    assert two != other
    (base,), (first, second) = (steps(each, "reference") for each in (chained, run))
    assert base == first != second
    assert training(run, 2).digest == training(chained, 2).digest
    assert sum(map(len, references(second).values())) == len(set(completions(training(run, 2))))
    trained = [weights(step / "model") for step in (two, other)]
    assert any((trained[0][name] != trained[1][name]).any() for name in trained[0])


@pytest.fixture(scope="module")
def adapted(lab, recipe, tmp_path_factory):
    """A round of labelled responses with an adapter, in a workspace of its own."""
    workspace = tmp_path_factory.mktemp("adapted")
    lab.run("adapted", recipe("labels"), *ADAPTERS, f"workspace={workspace}")
    return workspace / "adapted"


@pytest.mark.parametrize(
    ("name", "kind", "changes", "steps_done"),
    [("chained", Pair, CHAINED, 43), pytest.param("adapted", Labelled, ADAPTERS, 17, marks=pytest.mark.extra)],
)
def test_a_killed_run_ends_as_one_that_was_not(request, lab, recipe, tmp_path, name, kind, changes, steps_done):
    whole, run = request.getfixturevalue(name), tmp_path / name
    recipes = {Pair: "pairs", Labelled: "labels"}
    words = ["run", lab.config, f"name={name}", f"workspace={tmp_path}", recipe(recipes[kind]), *changes]
    kept = b""
    for moment in ("reference", "train"):
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, moment, str(steps_done), *map(str, words)],
            env=environment(),
            capture_output=True,
            text=True,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        (path,) = tmp_path.glob(".steps/reference-*/logprobs.jsonl")
        before, kept = kept, path.read_bytes()
        assert len(kept) > len(before)
        assert kept.startswith(before)
        assert len(list(run.glob("rounds/*/round.json"))) == (moment == "train" and kind is Pair)
    assert len(list(tmp_path.glob(".steps/train-*/checkpoints/checkpoint-*"))) > 0
    assert inside(*words).code == 0
    assert path.read_bytes().startswith(kept)
    for pattern in (
        "rounds/*/training.parquet",
        "rounds/*/round.json",
        "rounds/*/*/*.safetensors",
        "result.json",
    ):
        made, again = (sorted(folder.glob(pattern)) for folder in (whole, run))
        assert [path.name for path in made] == [path.name for path in again] != []
        assert [path.read_bytes() for path in made] == [path.read_bytes() for path in again], pattern
    assert training(run).kind is kind
    (one,), (other,) = (steps(each, "reference") for each in (whole, run))
    assert references(one) == references(other)


def test_a_plan_has_the_stages_of_its_run(chained, lab, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "SECONDS", 1e9)  # on a busy machine too a calibration draws all its blocks
    changes = (recipe("pairs"), *CHAINED, f"workspace={tmp_path}")
    ended = inside("plan", lab.config, "name=planned", *changes)
    assert ended.code == 0, ended.err
    plan = {
        (stage["round"], stage["stage"]): stage for stage in read_json(tmp_path / "planned" / "plan.json")["stages"]
    }
    truth = {(stage.round, stage.stage): stage for stage in read_stages(chained / "metrics.jsonl")}
    assert plan.keys() == truth.keys()
    assert plan[1, "train"]["rows"] == pytest.approx(truth[1, "train"].rows, rel=0.5)
    each = truth[1, "train"].tokens / truth[1, "train"].rows
    assert plan[1, "train"]["tokens"] / plan[1, "train"]["rows"] == pytest.approx(each, rel=0.1)
