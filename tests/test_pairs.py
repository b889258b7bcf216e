"""Pairs of models through the verbs and the measure: both are merged, one is trained, the two answer together."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from make_rows import make_row
from tiny import tiny_model_folder

from selftrain import measure as measure_module
from selftrain.config import AuditConfig, load_config
from selftrain.engines import EngineConfig
from selftrain.measure import Measure
from selftrain.metrics import Metrics
from selftrain.models import load_model, open_model, save_adapter
from selftrain.plan.dealt import Dealt
from selftrain.prompts import PromptConfig
from selftrain.records import Problem
from selftrain.sampling import Draw, SamplingConfig
from selftrain.session import run_digests
from selftrain.store import Workspace
from selftrain.training import TrainingConfig
from selftrain.training_set import TrainingSet
from selftrain.training_step import Training
from selftrain.verbs import Verbs

PROBLEMS = [Problem.make("what is the sum of 1 and 2?", gold="3")]
PLAIN = PromptConfig(style="plain")


def make_verbs(root):
    settings = {"judge": "exact", "judge_workers": 1, "judge_deadline": 1.0, "shots": (), "metrics": Metrics()}
    return Verbs(Workspace(root), seed=0, engine=EngineConfig(name="transformers", precision="fp32"), **settings)


def write_adapter(base, folder, seed):
    """A random adapter for a model."""
    import torch
    from peft import LoraConfig, get_peft_model

    module = get_peft_model(load_model(base), LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    generator = torch.Generator().manual_seed(seed)
    for name, weight in module.named_parameters():
        if "lora_" in name:
            weight.data = torch.randn(weight.shape, generator=generator)
    save_adapter(module, folder)
    return folder


@pytest.fixture
def base(tiny_folder):
    return open_model(tiny_folder, name="base")


@pytest.fixture
def candidate(base, tmp_path):
    """A pair of which each model has an adapter."""
    one, other = (
        open_model(base.folder, name=name, adapter=write_adapter(base, tmp_path / name, seed))
        for seed, name in enumerate(("one", "other"))
    )
    return replace(one, extractive=other)


def steps(root, kind):
    return {path.name for path in (root / ".steps").glob(f"{kind}-*")}


def same(one, other):
    """Whether two models have equal weights."""
    return all(a.equal(b) for a, b in zip(load_model(one).parameters(), load_model(other).parameters(), strict=True))


def test_both_models_are_merged_and_stay_who_they_are(candidate, tmp_path):
    verbs = make_verbs(tmp_path / "w")
    merged = verbs.merged(candidate)
    assert (merged.adapter, merged.extractive.adapter) == (None, None)
    assert merged.identity == candidate.identity
    assert merged.digest == candidate.digest
    assert same(merged, candidate)
    assert same(merged.extractive, candidate.extractive)
    assert not same(merged, merged.extractive)
    assert len(steps(tmp_path / "w", "merge")) == 2
    assert verbs.merged(candidate) == verbs.merged(merged) == merged


def test_one_of_the_two_may_be_whole_already(candidate, base, tmp_path):
    verbs = make_verbs(tmp_path / "w")
    merged = verbs.merged(replace(candidate, extractive=base))
    assert merged.adapter is None
    assert merged.extractive == base
    merged = verbs.merged(replace(base, extractive=candidate.extractive))
    assert (merged.folder, merged.extractive.adapter) == (base.folder, None)


def test_responses_are_the_pairs_and_a_merged_pairs_too(candidate, tmp_path):
    def drawn(model):
        settings = {"prompt": PLAIN, "sampling": SamplingConfig(max_tokens=3), "draw": Draw("select")}
        return verbs.sample(model, PROBLEMS, 1, **settings).cell

    with make_verbs(tmp_path / "w") as verbs:
        cells = [drawn(model) for model in (candidate.alone, candidate, verbs.merged(candidate))]
    assert cells[0] != cells[1] == cells[2]
    assert len(steps(tmp_path / "w", "sample")) == 2


def test_a_pair_is_at_hand_when_either_of_it_is(candidate, base, tmp_path):
    with make_verbs(tmp_path / "w") as verbs:
        for loaded in (candidate, candidate.extractive):
            verbs.score(loaded, [([1, 2], [len(loaded.name)])])
            assert verbs.holds(candidate)
            assert not verbs.holds(base)
            assert verbs.holds(candidate.alone) == (loaded is candidate)


def test_what_is_trained_of_a_pair_has_no_partner(base, tmp_path, monkeypatch):
    folder = shutil.copytree(base.folder, tmp_path / "pair")
    tiny_model_folder(folder / "extractive", seed=1)
    trained = []

    def run(self, target, **more):
        trained.append(self)
        write_adapter(self.parent, target, 3)

    monkeypatch.setattr(Training, "run", run)
    pair, rows = open_model(folder), TrainingSet((make_row(),))
    found = [
        make_verbs(tmp_path / "w").train(parent, rows, TrainingConfig(), base=pair, name="round-01")
        for parent in (pair, pair.alone, base)
    ]
    assert [model.extractive for model in found] == [None] * 3
    assert {model.identity for model in found} == {found[0].digest}
    assert [training.parent for training in trained] == [pair.alone], "the partner is no part of what is trained"


def test_a_pair_is_measured_apart_from_its_model(candidate, monkeypatch):
    class Asked:
        models = []

        def sample(self, model, problems, n, **settings):
            self.models.append(model)
            return SimpleNamespace(cell="cell")

        def judge(self, samples, problems):
            return []

    right = {candidate.identity: 0.5, candidate.digest: 0.25}

    def tally(rows, labels, embed):
        share = right[Asked.models[-1].identity]
        return SimpleNamespace(n=np.ones(1), right=np.array([share]))

    monkeypatch.setattr(measure_module, "tally", tally)
    task = SimpleNamespace(splits={"select": PROBLEMS}, suites={})
    measure = Measure(Asked(), task, AuditConfig(), prompt=PLAIN, drawing_prompt=PLAIN, texts=())
    found = [measure.baseline(model) for model in (candidate, candidate.alone, candidate)]
    assert [list(each.values()) for each in found] == [[0.5], [0.25], [0.5]]
    assert Asked.models == [candidate, candidate.alone]


def test_on_paper_a_pair_writes_other_responses_than_its_model(candidate):
    dealt = Dealt()
    asked = (candidate.alone, candidate, candidate.alone)
    assert [dealt.before(model, PLAIN, Draw("train", 1)) for model in asked] == [0, 1, 0]


def test_a_run_that_goes_on_wants_the_same_pair(candidate):
    config, task, options = load_config({"task": "files"}), SimpleNamespace(digest="t"), SimpleNamespace(digests=dict)
    assert run_digests(config, task, candidate, options)["model"] == candidate.identity
    assert run_digests(config, task, candidate.alone, options)["model"] == candidate.digest
