"""What is scored together: how much at once, what is read once, and that a crash changes no bit of it."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import random

import numpy as np
import pytest
import torch
from tiny import tiny_model_folder

from selftrain import scoring_step
from selftrain.engines import EngineConfig, scoring
from selftrain.engines.openvino import OpenVinoEngine
from selftrain.engines.transformers import TransformersEngine
from selftrain.metrics import Metrics
from selftrain.models import Model, open_model
from selftrain.store import Workspace, read_parquet
from selftrain.verbs import Verbs

HEAD = tuple(range(40, 60))


def make_pairs(questions, responses=6, seed=0):
    """Pairs of prompts that begin alike and completions of 1 to 40 tokens."""
    rng = random.Random(seed)

    def some(least, most):
        return tuple(rng.choices(range(4, 300), k=rng.randint(least, most)))

    prompts = [(*HEAD, *some(5, 25)) for _ in range(questions)]
    return [(prompt, some(1, 40)) for prompt in prompts for _ in range(responses)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return open_model(tiny_model_folder(tmp_path_factory.mktemp("scoring") / "model"))


@pytest.fixture(scope="module")
def engine(model):
    engine = TransformersEngine(model)
    yield engine
    engine.close()


@pytest.fixture
def passes(engine, monkeypatch):
    """The forward passes: (rows, tokens of each, tokens that each sees)."""
    seen = []
    whole = engine._logits

    def spy(ids, mask, cache, keep=1):
        seen.append((*ids.shape, mask.shape[1]))
        return whole(ids, mask, cache, keep)

    monkeypatch.setattr(engine, "_logits", spy)
    return seen


def set_bounds(monkeypatch, **bounds):
    for name, value in bounds.items():
        monkeypatch.setattr(scoring, name, value)


def test_a_forward_pass_has_no_more_tokens_than_its_bound(engine, passes, monkeypatch):
    pairs = make_pairs(12)
    whole = list(engine.score(pairs))
    most = max(rows * tokens for rows, tokens, _ in passes)
    assert 1000 < most <= scoring.TOKENS_AT_ONCE
    passes.clear()
    monkeypatch.setattr(engine, "_tokens_at_once", 100)
    for split, together in zip(engine.score(pairs), whole, strict=True):
        np.testing.assert_allclose(split, together, atol=0.05)
    assert max(rows * tokens for rows, tokens, _ in passes) <= 100
    assert len(passes) > 20


def test_what_a_forward_pass_sees_is_bounded_too(engine, passes, monkeypatch):
    set_bounds(monkeypatch, CACHED_AT_ONCE=300)
    pairs = make_pairs(12)
    assert [len(found) for found in engine.score(pairs)] == [len(completion) for _, completion in pairs]
    assert max(rows * seen for rows, _, seen in passes) <= 300


def test_a_row_beyond_every_bound_goes_alone(engine, passes, monkeypatch):
    set_bounds(monkeypatch, CACHED_AT_ONCE=4)
    monkeypatch.setattr(engine, "_tokens_at_once", 4)
    pairs = make_pairs(2, responses=2)
    assert [len(found) for found in engine.score(pairs)] == [len(completion) for _, completion in pairs]
    assert {rows for rows, _, _ in passes} == {1}


def test_the_bound_of_tokens_follows_the_vocabulary():
    assert scoring.tokens_at_once(300) == scoring.TOKENS_AT_ONCE
    assert scoring.tokens_at_once(scoring.LOGITS_AT_ONCE // 10) == 10
    assert scoring.tokens_at_once(2 * scoring.LOGITS_AT_ONCE) == 1


def test_a_prompt_is_read_once_for_all_its_completions_and_what_prompts_share_once_for_all(engine, passes):
    pairs = make_pairs(10)
    list(engine.score(pairs))
    head, rest, *completions = passes
    assert head[:2] == (1, len(HEAD))
    assert rest[:2] == (10, max(len(prompt) for prompt, _ in pairs) - len(HEAD))
    assert sum(rows for rows, _, _ in completions) == sum(len(completion) > 1 for _, completion in pairs)


def test_completions_of_like_lengths_stand_side_by_side(engine, passes, monkeypatch):
    monkeypatch.setattr(engine, "_tokens_at_once", 400)
    pairs = make_pairs(1, responses=80)
    list(engine.score(pairs))
    wanted = sum(len(completion) - 1 for _, completion in pairs)
    padded = sum(rows * tokens for rows, tokens, _ in passes[2:])
    assert wanted <= padded < 1.25 * wanted  # unsorted, about 1.9 times as many


def test_completions_of_one_token_need_no_pass_of_their_own(engine, passes):
    found = list(engine.score([(HEAD, (token,)) for token in range(5, 20)]))
    assert [len(one) for one in found] == [1] * 15
    assert len(passes) == 2


def test_openvino_has_one_model_in_memory(model, tmp_path, monkeypatch):
    monkeypatch.setenv("SELFTRAIN_CACHE", str(tmp_path))
    engine = OpenVinoEngine(model, precision="fp32", batch=8)
    assert (engine._sampler is None, engine._scorer is None) == (False, True)
    assert len(list(engine.score(make_pairs(2)))) == 12
    assert (engine._sampler is None, engine._scorer is None) == (True, False)
    assert list(engine.generate([], None)) == []
    assert (engine._sampler is None, engine._scorer is None) == (False, True)
    engine.close()


def make_verbs(root):
    settings = {"judge": "exact", "judge_workers": 1, "judge_deadline": 1.0, "shots": (), "metrics": Metrics()}
    return Verbs(Workspace(root), seed=0, engine=EngineConfig(name="transformers"), **settings)


class KilledError(Exception):
    """What stands for the end of the process."""


def killed_after(verbs, blocks):
    """Lets the engine of verbs die when it is given one more block than these."""
    load = verbs._engine
    left = [blocks]

    class Dying:
        def __init__(self, engine):
            self.score = lambda pairs: self._score(engine, pairs)

        def _score(self, engine, pairs):
            left[0] -= 1
            for place, values in enumerate(engine.score(pairs)):
                if left[0] < 0 and place == 3:
                    raise KilledError
                yield values

    verbs._engine = lambda model: Dying(load(model))


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(scoring_step, "PAIRS_AT_ONCE", 8)


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_after_a_crash_scores_are_those_of_an_undisturbed_run_to_the_bit(model, tmp_path, small_blocks, blocks):
    pairs = make_pairs(7)
    random.Random(1).shuffle(pairs)
    undisturbed = make_verbs(tmp_path / "undisturbed").score(model, pairs)
    killed = make_verbs(tmp_path / "killed")
    killed_after(killed, blocks)
    with pytest.raises(KilledError):
        killed.score(model, pairs)
    (torn,) = (tmp_path / "killed").rglob("score-*")
    rows = torn / "rows.jsonl"
    assert (len(rows.read_bytes().splitlines()) if rows.exists() else 0) == 8 * blocks
    if blocks:
        rows.write_bytes(rows.read_bytes()[:-5])
    assert make_verbs(tmp_path / "killed").score(model, pairs) == undisturbed


def test_what_was_scored_before_changes_no_bit(model, tmp_path, small_blocks):
    pairs = make_pairs(7)
    fresh = make_verbs(tmp_path / "fresh").score(model, pairs)
    again = make_verbs(tmp_path / "again")
    known = again.score(model, pairs[::5])
    assert known != fresh[::5]  # other neighbours, other bits
    assert again.score(model, pairs) == fresh


def test_blocks_are_of_the_prompts_side_by_side_in_whatever_order_they_are_asked(model, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring_step, "PAIRS_AT_ONCE", 12)
    blocks = []

    def spy(engine, pairs):
        blocks.append(pairs)
        return [[0.0] * len(completion) for _, completion in pairs]

    monkeypatch.setattr(TransformersEngine, "score", spy)
    pairs = make_pairs(6)
    for number, seed in enumerate((1, 2)):
        random.Random(seed).shuffle(pairs)
        make_verbs(tmp_path / str(number)).score(model, pairs)
    assert [len(block) for block in blocks] == [12, 12, 12] * 2
    assert blocks[:3] == blocks[3:]
    assert {len({prompt for prompt, _ in block}) for block in blocks} == {2}
    assert [len(block[0][0]) for block in blocks[:3]] == sorted(len(block[0][0]) for block in blocks[:3])


def test_scores_come_in_the_order_asked_and_equal_pairs_are_scored_once(model, tmp_path, small_blocks):
    pairs = make_pairs(5)
    verbs = make_verbs(tmp_path)
    found = verbs.score(model, [*pairs, *reversed(pairs)])
    assert found[: len(pairs)] == list(reversed(found[len(pairs) :]))
    assert [len(values) for values in found[: len(pairs)]] == [len(completion) for _, completion in pairs]
    (step,) = tmp_path.rglob("rows.parquet")
    assert step.parent.name.startswith("score-")
    assert verbs.score(model, pairs) == found[: len(pairs)]
    assert verbs.score(model, []) == []
    assert verbs.score(model, pairs[:1]) == found[:1]


class Said:
    """In place of an engine: tells of a completion its ids over 10, and for entropies one more."""

    def score(self, pairs):
        return ([-token / 10 for token in completion] for _, completion in pairs)

    def entropies(self, pairs):
        return ([token / 10 + 1 for token in completion] for _, completion in pairs)


def test_entropies_are_kept_as_scores_are_in_a_step_of_their_own(model, tmp_path, small_blocks):
    pairs = make_pairs(3)
    verbs = make_verbs(tmp_path)
    verbs._engine = lambda model: Said()
    entropies, scores = verbs.entropies(model, pairs), verbs.score(model, pairs)
    assert entropies == [[token / 10 + 1 for token in completion] for _, completion in pairs]
    assert scores == [[-token / 10 for token in completion] for _, completion in pairs]
    verbs._engine = None
    assert verbs.entropies(model, pairs) == entropies
    steps = {path.name.split("-")[0]: read_parquet(path / "rows.parquet") for path in (tmp_path / ".steps").iterdir()}
    assert steps.keys() == {"score", "entropies"}
    assert [row["id"] for row in steps["score"]] == [row["id"] for row in steps["entropies"]]
    assert {len(row) for rows in steps.values() for row in rows} == {2}
    assert all(row["entropies"] for row in steps["entropies"])


def test_after_a_crash_entropies_are_those_of_an_undisturbed_run_to_the_bit(model, tmp_path, small_blocks):
    pairs = make_pairs(4)
    undisturbed = make_verbs(tmp_path / "undisturbed").entropies(model, pairs)
    killed = make_verbs(tmp_path / "killed")
    engine, left = killed._engine(model), [1]

    class Dying:
        def entropies(self, pairs):
            if not left[0]:
                raise KilledError
            left[0] -= 1
            return engine.entropies(pairs)

    killed._engine = lambda model: Dying()
    with pytest.raises(KilledError):
        killed.entropies(model, pairs)
    again = make_verbs(tmp_path / "killed")
    asked = []
    again._engine = lambda model: asked.append(model) or engine
    assert again.entropies(model, pairs) == undisturbed
    assert len(asked) == 2  # of three blocks


def test_what_was_kept_in_other_versions_is_found(tmp_path):
    """The name of a step and the ids of its rows are a promise to the workspaces that have them."""
    verbs = make_verbs(tmp_path)
    verbs._engine = lambda model: Said()
    verbs.score(Model(name="any", folder=tmp_path, digest="a model"), [((1, 2), (3, 4)), ((1,), (5,)), ((1,), (5,))])
    (step,) = (tmp_path / ".steps").iterdir()
    assert step.name == "score-4df49011e911627a"
    assert [row["id"] for row in read_parquet(step / "rows.parquet")] == [
        "5bf8769c54a72c45-f624395b5e46fb1b",
        "5bf8769c54a72c45-03a4cc702aa6e4f1",
    ]


def test_a_float64_loop_agrees(model, tmp_path):
    from selftrain.models import load_model

    module, pairs = load_model(model).double(), make_pairs(3)
    for (prompt, completion), values in zip(pairs, make_verbs(tmp_path).score(model, pairs), strict=True):
        with torch.no_grad():
            table = torch.log_softmax(module(torch.tensor([[*prompt, *completion]])).logits[0], dim=-1)
        wanted = [float(table[len(prompt) - 1 + place, token]) for place, token in enumerate(completion)]
        np.testing.assert_allclose(values, wanted, atol=0.1)
