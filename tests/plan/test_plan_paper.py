"""What models on paper say."""

import pytest
from make_round import make_group
from make_rows import make_pair, make_row

from selftrain.config import load_config
from selftrain.metrics import Metrics
from selftrain.models import Model, open_model
from selftrain.plan.needs import Shape
from selftrain.plan.paper import PaperVerbs
from selftrain.plan.pool import Pool
from selftrain.plan.rates import SamplingRate, TrainingRate
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

    def pool_of(base, problems, n, prompt, sampling):
        return Pool(prompt, sampling, 1, (make_group("known", "R", texts=[texts[prompt]]),), 1.0)

    verbs._pool_of = pool_of

    def sample(purpose, *, of_candidate, n=1):
        settings = {"prompt": config.prompt, "sampling": config.sampling, "draw": Draw(purpose)}
        return verbs.sample(candidate if of_candidate else base, PROBLEMS, n, **settings)

    sample.base = base
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
