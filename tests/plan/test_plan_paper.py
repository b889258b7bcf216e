"""What models on paper say."""

import numpy as np
import pytest
from make_round import make_group
from make_rows import make_pair, make_row

import selftrain.embedding_step as embedding_step
import selftrain.verbs as verbs_module
from selftrain.config import load_config
from selftrain.metrics import Metrics
from selftrain.models import Model, open_model
from selftrain.plan.needs import Shape
from selftrain.plan.paper import EMBEDDED, PaperVerbs
from selftrain.plan.pool import Pool
from selftrain.plan.rates import SamplingRate, TrainingRate
from selftrain.prompts import PromptConfig
from selftrain.records import Problem
from selftrain.sampling import Draw
from selftrain.store import Workspace, read_json_lines
from selftrain.training import TrainingConfig
from selftrain.training_set import Pair, Row, TrainingSet

PROBLEMS = [Problem.make("what is asked", gold="gold")]


@pytest.fixture
def said(tiny_folder, tmp_path):
    """What a base (or its candidate) says under the training prompt, by whether it is the candidate and by draw."""
    config = load_config({"task": "files", "sampling_prompt": {"system": "S"}, "workspace": tmp_path / "runs"})
    scratch, ledger = Workspace(tmp_path / "scratch"), tmp_path / "ledger.jsonl"
    settings = {"seed": 0, "engine": config.engine, "judge": "exact", "judge_workers": 1, "judge_deadline": 1.0}
    verbs = PaperVerbs(scratch, config=config, metrics=Metrics(ledger), shots=(), **settings)
    base, candidate = open_model(tiny_folder), Model(name="round-01", folder=tmp_path, digest="paper 1")
    verbs._bases[candidate.digest] = base
    texts = {config.prompt: "T", config.drawing_prompt: "S"}
    verbs._rates = dict.fromkeys(texts, SamplingRate(0.0, 1.0))

    asked = []

    def pool_of(base, problems, n, asking):
        asked.append(asking)
        group = make_group("known", "R", texts=[texts[asking.prompt]])
        return Pool(asking.prompt, asking.sampling, 1, (group,), 1.0)

    verbs._pool_of = pool_of

    def sample(purpose, *, of_candidate, n=1, **more):
        settings = {"prompt": config.prompt, "sampling": config.sampling, "draw": Draw(purpose), **more}
        return verbs.sample(candidate if of_candidate else base, PROBLEMS, n, **settings)

    sample.base, sample.asked = base, asked
    sample.texts, sample.ledger = texts, ledger
    sample.verbs, sample.made = verbs, lambda: [(s["stage"], s["rows"]) for s in read_json_lines(ledger) if s["rows"]]
    return sample


@pytest.mark.parametrize(
    ("purpose", "of_candidate", "text"),
    [("select", True, "S"), ("test", True, "S"), ("train", True, "T"), ("select", False, "T"), ("train", False, "T")],
)
def test_a_candidate_answers_the_training_prompt_as_its_base_the_sampling_prompt(said, purpose, of_candidate, text):
    assert said(purpose, of_candidate=of_candidate).responses[0][0].text == text


def test_responses_drawn_and_judged_before_cost_nothing(said):
    for n in (4, 8, 2):
        said.verbs.judge(said("train", of_candidate=False, n=n), PROBLEMS)
    assert said.made() == [("sample train", 4), ("judge", 4), ("sample train", 4), ("judge", 4)]


def test_a_prompt_with_own_shots_is_calibrated_with_them(said):
    """Its cost is told from prompts as long as those of the run, and its longest is shown."""
    prompt = PromptConfig(shots=1)
    said.verbs._rates[prompt] = SamplingRate(0.0, 1.0)
    said.texts[prompt] = "1"
    shots = {PROBLEMS[0].id: [Problem.make("what is shown", gold="this")]}
    found = said("train", of_candidate=False, prompt=prompt, shots=shots)
    assert found.responses[0][0].text == "1"
    assert [asking.shots for asking in said.asked] == [shots]
    assert "what is shown" in said.verbs.prompts[prompt][0][1]
    (line,) = [line for line in read_json_lines(said.ledger) if line["rows"]]
    assert line["prompt_tokens"] == said.verbs.prompts[prompt][0][0]


def test_embedding_is_calibrated_once_on_a_few_texts(said, monkeypatch):
    """Every text gets a row; one that was embedded before costs nothing, as in a run."""
    blocks = []

    def load(name, *, precision):
        def embed(texts):
            blocks.append(list(texts))
            return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)

        return embed

    monkeypatch.setattr(verbs_module, "load_embedder", load)
    monkeypatch.setattr(embedding_step, "embedder_digest", lambda name: name)
    texts = [f"{number} {'x' * number}" for number in range(3 * EMBEDDED)]
    rows = said.verbs.embed(texts, "mine")
    assert rows.shape == (len(texts), 2)
    assert np.isfinite(rows).all()
    assert sum(map(len, blocks)) == 1 + EMBEDDED
    assert said.verbs.embed(texts[:5], "mine").shape == (5, 2)
    assert said.verbs.embed(texts[:1], "mine").shape == (1, 2)
    assert sum(map(len, blocks)) == 1 + EMBEDDED
    said.verbs._ready = said.base.digest
    said.verbs.embed(["new", "new", *texts], "mine")
    assert said.made() == [("embed", 3 * EMBEDDED), ("embed", 1)]
    assert not said.verbs.holds(said.base)  # the embedder took its place


@pytest.mark.parametrize("count", [1, 2])
def test_few_texts_are_embedded_on_paper_too(said, monkeypatch, count):
    monkeypatch.setattr(
        verbs_module, "load_embedder", lambda name, *, precision: lambda texts: np.ones((len(texts), 2))
    )
    monkeypatch.setattr(embedding_step, "embedder_digest", lambda name: name)
    assert said.verbs.embed(["one", "two"][:count], "mine").shape == (count, 2)


def test_each_kind_of_training_is_calibrated_once(said, tmp_path):
    verbs, base, config = said.verbs, said.base, TrainingConfig(method="full", epochs=2, save_steps=1)
    asked = []

    def calibrate(base, rows, config):
        asked.append((base, rows.kind))
        return TrainingRate(0.1 if rows.kind is Row else 0.2, 0.0), 100 * len(asked)

    verbs._calibrate_training = calibrate
    pairs = TrainingSet((make_pair(prompt=(1, 2, 3), chosen=(4,), rejected=(5, 6)),) * 3)
    first = verbs.train(base, TrainingSet((make_row(),)), config, base=base, name="first")
    needed = verbs.training_memory
    second = verbs.train(first, pairs, config, base=base, name="second")
    verbs.train(second, pairs, config, base=base, name="third")
    assert asked == [(base, Row), (base, Pair)]
    assert verbs.trained_bytes == 200
    assert verbs.training_memory > needed
    lines = [line for line in read_json_lines(tmp_path / "ledger.jsonl") if line["stage"] == "train"]
    assert [(line["rows"], line["tokens"]) for line in lines] == [(1, 6), (3, 54), (3, 54)]
    assert [line["seconds"] for line in lines] == [pytest.approx(tokens) for tokens in (0.6, 10.8, 10.8)]


def test_a_base_beside_the_parent_takes_memory(said):
    verbs, base = said.verbs, said.base
    verbs._calibrate_training = lambda base, rows, config: (TrainingRate(0.0, 0.0), 0)
    config, pairs = TrainingConfig.model_validate({"preference": {"reference": "base"}}), TrainingSet((make_pair(),))
    first = verbs.train(base, pairs, config, base=base, name="first")
    needed = verbs.training_memory
    verbs.train(first, pairs, config, base=base, name="second")
    assert verbs.training_memory == needed + 4 * Shape.read(base.folder).parameters
