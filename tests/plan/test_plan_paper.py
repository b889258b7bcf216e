"""What models on paper say."""

import dataclasses
from itertools import product

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
from selftrain.prompts import Alternation, PromptConfig
from selftrain.records import Problem, given
from selftrain.sampling import Draw, Samples
from selftrain.store import Workspace, read_json_lines
from selftrain.training import TrainingConfig
from selftrain.training_set import Pair, Row, TrainingSet

SIDES = ("chosen_response", "rejected_response")
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

    sample.base, sample.candidate, sample.asked = base, candidate, asked
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


def test_judging_without_gold_and_with_it_are_two(said):
    """As a run judges the pseudo-responses of a probe, which its recipe has read."""
    samples = said("train", of_candidate=False)
    for _ in range(2):
        said.verbs.read(samples)
        said.verbs.judge(samples, PROBLEMS)
    assert said.made() == [("sample train", 1), ("judge", 1), ("judge", 1)]


def test_what_no_model_wrote_is_read(said):
    """A recipe may ask whether the judge reads the answers that labelled problems give."""
    group = given(PROBLEMS[0], "given")
    with said.verbs:
        (found,) = said.verbs.read(Samples.gathered([group.problem], [group.responses]))
    assert [judgement.answer for judgement in found.judgements] == ["given"]
    assert found.majority() == [0]
    assert said.made() == [("judge", 1)]


@pytest.mark.parametrize(
    ("answers", "clusters", "majority"),
    [(("one", "two"), (0, 1), [0]), (("one", "one"), (0, 0), [0, 1]), ((None, "two"), (0, 1), [1])],
)
def test_responses_of_several_sources_are_compared_by_their_answers(said, answers, clusters, majority):
    """Each calibration problem has clusters of its own; under two prompts a problem is dealt from two of them."""
    pools = {}
    for prompt, answer in zip(said.texts, answers, strict=True):
        group = make_group("known", "R", answers=[answer])
        pools[prompt] = Pool(prompt, said.verbs._config.sampling, 1, (group,), 1.0)
    said.verbs._pool_of = lambda base, problems, n, asking: pools[asking.prompt]
    alone = [said("train", of_candidate=False, prompt=prompt) for prompt in pools]
    for samples in alone:
        assert said.verbs.read(samples)[0].clusters == (0,)
    assert not said.verbs.dealt.mixed
    responses = [response for samples in alone for response in samples.responses[0]]
    (found,) = said.verbs.read(Samples.gathered(PROBLEMS, [responses]))
    assert found.clusters == clusters
    assert found.majority() == majority
    assert said.verbs.dealt.mixed


def test_two_models_under_one_prompt_say_different_things(said):
    """The second is dealt what the first was not; in another round, or for an audit, it begins again."""
    group = make_group("known", "RWRW", texts=list("abcd"))
    said.verbs._pool_of = lambda base, problems, n, asking: Pool(asking.prompt, asking.sampling, 4, (group,), 1.0)

    def texts(purpose, number=0, *, of_candidate):
        found = said(purpose, of_candidate=of_candidate, n=2, draw=Draw(purpose, number))
        return "".join(response.text for response in found.responses[0])

    assert [texts("train", 1, of_candidate=who) for who in (False, True, False)] == ["ab", "cd", "ab"]
    assert [texts("train", 2, of_candidate=who) for who in (True, False)] == ["ab", "cd"]
    assert [texts("select", of_candidate=who) for who in (False, True)] == ["ab", "ab"]


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


def test_a_pair_is_loaded_turn_by_turn(said):
    """One of the two is in memory at a time; alone, or under a prompt answered in one pass, a model is loaded once."""
    partner = Model(name="round-01-extractive", folder=said.candidate.folder, digest="paper 2")
    once = said.verbs._config.prompt
    turns = once.model_copy(update={"alternate": Alternation()})
    said.verbs._loading, said.verbs._rates[turns] = 1.0, SamplingRate(0.0, 0.0)
    said.texts[turns], said.verbs._rates[once] = "a\nb\nc", SamplingRate(0.0, 0.0)
    for model in (said.candidate, dataclasses.replace(said.candidate, extractive=partner)):
        for prompt in (once, turns):
            said.verbs._ready = None
            draw = Draw("train", 1)
            said.verbs.sample(model, PROBLEMS, 1, prompt=prompt, sampling=said.verbs._config.sampling, draw=draw)
            assert said.verbs.holds(model)
    assert [line["seconds"] for line in read_json_lines(said.ledger)] == [1.0, 1.0, 1.0, 3.0]


def test_a_tokenizer_is_read_once(said, monkeypatch):
    """Whatever the prompt and its shots, and for what descends from a model, too."""
    read = []
    load = verbs_module.load_tokenizer
    monkeypatch.setattr(verbs_module, "load_tokenizer", lambda model: read.append(model) or load(model))
    for model, prompt in product((said.base, said.candidate), (PromptConfig(), PromptConfig(system="S"))):
        for shots in (None, {}, {}):
            said.verbs.renderer(model, prompt, shots)
    assert read == [said.base]


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


def test_each_verb_that_reads_given_completions_is_calibrated_once(said):
    """What it told of a few pairs is dealt to all, by verb: an entropy is no log-probability."""
    asked = []

    class Reads:
        def score(self, pairs):
            asked.append(("score", len(pairs)))
            return ([-0.5 for _ in completion] for _, completion in pairs)

        def entropies(self, pairs):
            asked.append(("entropies", len(pairs)))
            return ([1.5 for _ in completion] for _, completion in pairs)

    said.verbs._engine = lambda model: Reads()
    said.verbs._block = 2
    pairs = [((1, 2), (number, 4, 5)) for number in range(5)]
    for _ in range(2):
        assert said.verbs.entropies(said.candidate, pairs) == [[1.5] * 3] * 5
        assert said.verbs.score(said.candidate, pairs, "losses") == [[-0.5] * 3] * 5
    assert asked == [("entropies", 2), ("score", 2)]
    assert said.made() == [("entropies", 5), ("losses", 5)] * 2
    assert said.verbs.entropies(said.candidate, []) == []


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


def test_what_was_trained_before_costs_nothing(said):
    """As a second round's warm model is the first round's candidate; tokens alike of other responses are another."""
    verbs, base, config = said.verbs, said.base, TrainingConfig(method="full")
    verbs._calibrate_training = lambda base, rows, config: (TrainingRate(0.1, 0.0), 100)

    def train(rows, name, **more):
        return verbs.train(base, TrainingSet((rows,)), config.model_copy(update=more), base=base, name=name)

    first, again = train(make_row(), "first"), train(make_row(), "again")
    assert (again.digest, again.name) == (first.digest, "again")
    assert (verbs.trainings, said.made()) == (1, [("train", 1)])
    others = [train(dataclasses.replace(make_row(), response="other"), "b"), train(make_row(), "c", epochs=7)]
    pairs = [train(dataclasses.replace(make_pair(), **{side: "other"}), "d") for side in ("problem", *SIDES)]
    assert len({model.digest for model in (first, *others)}) == 3
    assert len({model.digest for model in pairs}) == 3
    assert verbs.trainings == 6


def test_a_base_beside_the_parent_takes_memory(said):
    verbs, base = said.verbs, said.base
    verbs._calibrate_training = lambda base, rows, config: (TrainingRate(0.0, 0.0), 0)
    config, pairs = TrainingConfig.model_validate({"preference": {"reference": "base"}}), TrainingSet((make_pair(),))
    first = verbs.train(base, pairs, config, base=base, name="first")
    needed = verbs.training_memory
    verbs.train(first, pairs, config, base=base, name="second")
    assert verbs.training_memory == needed + 4 * Shape.read(base.folder).parameters
