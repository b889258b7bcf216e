"""What models on paper say."""

import pytest
from make_round import make_group

from selftrain.config import load_config
from selftrain.metrics import Metrics
from selftrain.models import Model, open_model
from selftrain.plan.paper import PaperVerbs
from selftrain.plan.pool import Pool
from selftrain.plan.rates import SamplingRate
from selftrain.records import Problem
from selftrain.sampling import Draw
from selftrain.store import Workspace, read_json_lines

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
