"""AS-ES through the command line with the tiny model: segments, pairs of models that write in turn, kills, plans."""

import json
import os
import signal
import sys
from itertools import pairwise

import pytest
import yaml
from forked import forked
from orchard import COUNTS, LINES, PROMPT, TURNS, write_orchard
from small import Lab, inside, read_json, weights
from tiny import tiny_model_folder

from selftrain import run_folder
from selftrain.models import open_model
from selftrain.plan import paper
from selftrain.plan.stages import read_stages
from selftrain.segments.chains import read_chains
from selftrain.store import Step, read_parquet
from selftrain.training_set import TrainingSet

RATIONALES = ("recipe.options.chains=rationales",)
DUAL = "recipe.options.path=dual"
LEARNED = ("training.epochs=24", "training.learning_rate=0.01")
"""So long that the solutions are known by heart."""
LORA = ("training.method=lora", "training.learning_rate=0.003")
PAIRS = (*RATIONALES, DUAL, *LORA, "rounds=2", "seed=5")
BYTES = ("rounds/01/training.parquet", "rounds/01/segments.parquet", "rounds/01/funnel.json", "result.json")
WEIGHTS = ("final/model.safetensors", "final/extractive/model.safetensors")


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Lab:
    """Its model knows the solutions of the training problems by heart, segment by segment."""
    folder = tmp_path_factory.mktemp("as_es")
    blank = tiny_model_folder(folder / "blank", hidden=48, tied=False, vocab=420, lines=LINES)
    school = write_orchard(folder / "school", blank)
    run = school.run("school", *RATIONALES, "recipe.options.strategy=location", *LEARNED)
    return write_orchard(folder / "lab", run / "final")


@pytest.fixture(scope="module")
def own(lab):
    """A run of one model on its own right responses."""
    return lab.run("own", "recipe.options.strategy=entropy")


@pytest.fixture(scope="module")
def pairs(lab):
    """Two rounds of two adapters each, on rationales."""
    return lab.run("pairs", *PAIRS)


@pytest.fixture(scope="module")
def learned(lab):
    """A pair that knows the solutions by heart, each its own segments."""
    return lab.run("learned", *RATIONALES, DUAL, "recipe.options.strategy=location", "training.epochs=8", LEARNED[1])


def round_of(run, number=1):
    return run / "rounds" / f"{number:02d}"


def rows_of(run, number=1):
    return TrainingSet.load(round_of(run, number) / "training.parquet")


def chains_of(run, number=1):
    return read_chains(round_of(run, number) / "segments.parquet")


def trainings(run):
    """How many sets a run trained itself, and the optimizer steps of them."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    done = [line for line in lines if line["event"] == "stage" and line["stage"] == "train" and line["rows"]]
    return len(done), sum(line["event"] == "train" for line in lines)


def asked(model, lab, out, prompt, *, split="train"):
    """What a model writes greedily, by problem."""
    (file := out / "prompt.yaml").write_text(yaml.safe_dump(prompt))
    words = ("--split", split, "--temperature", 0, "--samples", 1)
    ended = inside("sample", model, "--task", lab.config, "--prompt", file, "--out", out / "log.jsonl", *words)
    assert ended.code == 0, ended.err
    return {row["problem"]: row for row in map(json.loads, (out / "log.jsonl").read_text().splitlines())}


# One model


def test_rows_are_the_segments_of_its_own_right_responses(own):
    chains, rows = chains_of(own), rows_of(own)
    assert len(chains) == COUNTS["train"]
    assert {chain.source for chain in chains} == {"response"}
    assert all(chain.trained and len(chain.pieces) == 3 and {*chain.labels} == {"A", "E"} for chain in chains)
    segments = [part for chain in chains for part in segments_of(chain)]
    assert [row.completion_text.removesuffix("<|im_end|>").strip() for row in rows] == segments
    for chain in chains:
        mine = [row for row in rows if row.problem == chain.problem]
        assert [row.completion_text[-10:] == "<|im_end|>" for row in mine] == [False] * (len(mine) - 1) + [True]
        assert [row.completion_text[-1:] == "\n" for row in mine] == [True] * (len(mine) - 1) + [False]
        for before, after in pairwise(mine):
            assert after.prompt_text == before.prompt_text + before.completion_text


def segments_of(chain):
    """The text of each segment."""
    return [
        " ".join(piece for piece, place in zip(chain.pieces, chain.segments, strict=True) if place == number)
        for number in sorted(set(chain.segments))
    ]


def test_samples_are_written_in_turns(lab, own):
    (sample,), (segments,) = (lab.steps(own, 1, kind) for kind in ("sample", "segments"))
    assert read_json(sample / "step.json")["inputs"] == read_json(segments / "step.json")["inputs"]
    whole, parts = (read_parquet(step / "rows.parquet") for step in (sample, segments))
    assert len(whole) == 2 * COUNTS["train"] < len(parts)
    assert sum(len(row["tokens"]) for row in whole) == sum(len(row["tokens"]) for row in parts)
    assert all(len(row["text"].split("\n")) == 1 for row in parts)
    assert any(len(row["text"].split("\n")) == 3 for row in whole)


def test_the_page_tells_of_segments(own):
    page = (own / "report.html").read_text()
    assert "Segments, round 1" in page
    assert "strategy is entropy" in page
    shown = inside("show", own)
    assert f"{COUNTS['train']} chains in {3 * COUNTS['train']} pieces" in " ".join(shown.out.split())


def test_an_audit_gives_the_figures_of_the_run_again(own, tmp_path):
    ended = inside("audit", own, "--json", tmp_path / "again.json")
    assert ended.code == 0, ended.err
    assert read_json(tmp_path / "again.json")["figures"] == read_json(own / "audit.json")["figures"]


def test_in_one_pass_and_in_turns_it_writes_the_same(lab, tmp_path):
    model = yaml.safe_load(lab.config.read_text())["model"]
    found = []
    for prompt in (PROMPT, {**PROMPT, "alternate": TURNS}):
        (out := tmp_path / str(len(found))).mkdir()
        found.append(asked(model, lab, out, prompt))
    once, turns = found
    both = [name for name in once if once[name]["finish"] == turns[name]["finish"] == "stop"]
    assert len(both) == COUNTS["train"]
    assert [once[name]["response"].strip() for name in both] == [turns[name]["response"] for name in both]
    assert any(len(turns[name]["response"].split("\n")) == 3 for name in both)


# Two models


def test_two_adapters_are_kept_and_two_models_promoted(pairs):
    for place in (round_of(pairs), round_of(pairs) / "extractive"):
        assert (place / "adapter" / "adapter_model.safetensors").is_file()
        assert (place / "model" / "model.safetensors").is_file()
    final = open_model(pairs / "final")
    assert final.extractive
    assert read_json(pairs / "result.json")["model"] != final.digest
    whole, part = (weights(pairs / name) for name in ("final", "final/extractive"))
    assert any(bool((whole[name] != part[name]).any()) for name in whole)


def test_each_is_trained_from_its_own(lab, pairs):
    base = open_model(lab.folder.parent / "school" / "runs" / "school" / "final")
    places = {"A": round_of(pairs), "E": round_of(pairs) / "extractive"}
    first = {name: open_model(base.folder, adapter=place / "adapter").digest for name, place in places.items()}
    steps = [name for name in read_json(round_of(pairs, 2) / "round.json")["steps"] if name.startswith("train-")]
    made = [read_json(lab.workspace / ".steps" / name / "step.json")["inputs"] for name in steps]
    candidate = [step["parent"] for step in made if step["rows"] == rows_of(pairs, 2).digest]
    others = sorted(step["parent"] for step in made if step["rows"] != rows_of(pairs, 2).digest)
    assert candidate == [first["A"]]
    assert others == sorted(first.values())  # the scorer, and the extractive model


def test_its_training_set_is_the_abstractive_segments(pairs):
    abstractive = [
        text
        for chain in chains_of(pairs)
        for text, number in zip(segments_of(chain), sorted(set(chain.segments)), strict=True)
        if chain.labels[chain.segments.index(number)] == "A"
    ]
    assert [row.completion_text.removesuffix("<|im_end|>").strip() for row in rows_of(pairs)] == abstractive != []


def test_a_pair_writes_in_turns_and_alone(lab, learned, tmp_path):
    """What the one has learned the other has not: in turns all is right."""
    turns = asked(learned / "final", lab, tmp_path, {**PROMPT, "alternate": TURNS})
    assert {row["judgement"] for row in turns.values()} == {"right"}
    assert {len(row["response"].split("\n")) for row in turns.values()} == {3}
    alone = asked(learned / "final", lab, tmp_path, PROMPT)
    assert {row["response"] for row in alone.values()}.isdisjoint(row["response"] for row in turns.values())


def test_a_pair_is_exported(learned, tmp_path):
    ended = inside("export", learned, "--as", "hf", "--out", tmp_path / "hf")
    assert ended.code == 0, ended.err
    for made, there in (("hf", "final"), ("hf/extractive", "final/extractive")):
        one, other = weights(tmp_path / made), weights(learned / there)
        assert all(bool((one[name] == other[name]).all()) for name in other)
    assert inside("export", learned, "--as", "gguf", "--out", tmp_path / "m.gguf").code == 0
    assert (tmp_path / "m-extractive.gguf").is_file()
    assert "is two models" in inside("export", learned, "--as", "adapter", "--out", tmp_path / "a").complaint


# Planned, swept


def test_a_plan_of_a_pair_has_the_stages_of_the_run(lab, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "SECONDS", 1e9)
    ended = inside("plan", lab.config, "name=pairs", *PAIRS, f"workspace={tmp_path}")
    assert ended.code == 0, ended.err
    plan = {(s["round"], s["stage"]): s for s in read_json(tmp_path / "pairs" / "plan.json")["stages"]}
    truth = {(s.round, s.stage): s for s in read_stages(pairs / "metrics.jsonl")}
    assert plan.keys() == truth.keys()
    assert plan[1, "entropies"]["rows"] == truth[1, "entropies"].rows == COUNTS["train"]
    for key in ((1, "train"), (2, "train"), (1, "sample select")):
        assert plan[key]["rows"] == pytest.approx(truth[key].rows, rel=0.3), key


def test_a_sweep_over_beta_trains_the_scorer_once(lab):
    ended = inside("sweep", lab.config, "name=betas", *RATIONALES, "recipe.options.beta=0.8,1.2")
    assert ended.code == 0, ended.err
    first, second = (trainings(lab.workspace / f"betas-beta-{beta}") for beta in (0.8, 1.2))
    assert (first[0], second[0]) == (2, 1)
    assert first[1] > second[1]


def test_a_sweep_over_alternation_trains_once(lab):
    words = ("name=turns", *RATIONALES, "seed=3", "prompt.alternate=null,{loops: 3}")
    ended = inside("sweep", lab.config, *words)
    assert ended.code == 0, ended.err
    runs = [path.parent for path in sorted(lab.workspace.glob("turns-*/result.json"))]
    assert sorted(trainings(run)[0] for run in runs) == [0, 2]
    assert len({read_json(run / "result.json")["model"] for run in runs}) == 1


# Killed


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def stage_of(step):
    """What a step is for, in the words of MOMENTS."""
    kind = step.folder.name.partition("-")[0]
    if kind in ("sample", "segments"):
        return f"{kind} {json.loads((step.folder / 'step.json').read_text())['inputs']['purpose']}"
    return kind


def killed_at(words, stage, count):
    """Runs the command line until something was done so many times."""
    import torch

    from selftrain.cli import main
    from selftrain.metrics import Metrics

    torch.set_num_threads(1)
    left = [count]

    def deadly(act, is_it):
        def acted(*args, **values):
            act(*args, **values)
            left[0] -= is_it(*args)
            if left[0] <= 0:
                die()

        return acted

    if stage == "training":
        Metrics.write = deadly(Metrics.write, lambda self, event, *_: event == "train")
    elif stage == "saving":
        run_folder._put_model = deadly(run_folder._put_model, lambda *_: True)
    else:
        Step.append = deadly(Step.append, lambda self, rows: stage_of(self) == stage)
    sys.argv = ["selftrain", *map(str, words)]
    main()


MOMENTS = (
    ("segments train", 2),
    ("sample train", 3),
    ("training", 1),  # of the scorer
    ("entropies", 1),
    ("training", 2),  # of the extractive model, at a checkpoint
    ("training", 2),  # of the abstractive model, the first: the extractive one had one left
    ("saving", 1),  # one of two is there
    ("segments select", 3),  # the candidate's
)
"""Where the run is killed, one after the other: once that was done so many times."""


@pytest.fixture(scope="module")
def start():
    return forked(killed_at)


@pytest.mark.slow
def test_killed_in_every_stage_it_ends_with_the_same_bytes(lab, start, tmp_path):
    changes = (DUAL, "training.batch_size=2")
    whole = lab.run("run", *changes)
    words = ["run", lab.config, "name=run", *changes, f"workspace={tmp_path}"]
    for moment in MOMENTS:
        assert start(words, *moment) == -signal.SIGKILL, moment
    ended = inside(*words)
    assert ended.code == 0, ended.err
    for name in (*BYTES, *WEIGHTS):
        assert (whole / name).read_bytes() == (tmp_path / "run" / name).read_bytes(), name
