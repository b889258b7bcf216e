"""Entropies of given tokens: what they are, and that the logits of a text are never there at once."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import math
import random

import numpy as np
import pytest
import torch
from test_engines_contract import other_family
from tiny import tiny_model_folder
from torch.utils._python_dispatch import TorchDispatchMode

from selftrain.engines import entropy, readers
from selftrain.engines.entropy import entropies, head_entropies
from selftrain.engines.openvino import OpenVinoEngine
from selftrain.engines.transformers import TransformersEngine
from selftrain.errors import ConfigError
from selftrain.models import load_model, open_model

VOCABULARY = 50_000
PROMPTS = (tuple(range(20, 27)), tuple(range(20, 24)), (*range(20, 24), *range(99, 105)), (55,), tuple(range(200, 240)))


class Largest(TorchDispatchMode):
    """Notes the most numbers in a tensor that an operation makes; views of others are not made."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for tensor in found if isinstance(found, tuple | list) else [found]:
            if isinstance(tensor, torch.Tensor) and tensor._base is None:
                self.numbers = max(self.numbers, tensor.numel())
        return found


def make_pairs(seed=0):
    """Prompts in turns, completions of all lengths, of one token and of none."""
    rng = random.Random(seed)
    return [(PROMPTS[n % 5], tuple(rng.choices(range(4, 300), k=7 * n % 31))) for n in range(40)]


def of_loop(model, pairs):
    """A second computation: float64, a pass a pair, no cache, no padding, all logits."""
    module = load_model(model).double()
    found = []
    for prompt, completion in pairs:
        with torch.no_grad():
            table = torch.log_softmax(module(torch.tensor([[*prompt, *completion]])).logits[0], dim=-1)
        whole = -(table.exp() * table).sum(dim=-1)
        found.append(whole[len(prompt) - 1 : len(prompt) + len(completion) - 1].tolist())
    return found


def check(found, wanted, atol):
    assert [len(one) for one in found] == [len(one) for one in wanted]
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(wanted), rtol=0, atol=atol)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Logits far enough apart that entropies differ."""
    folder = tiny_model_folder(tmp_path_factory.mktemp("entropy") / "model", tied=False)
    module = load_model(open_model(folder))
    with torch.no_grad():
        module.get_output_embeddings().weight.mul_(15)
    module.save_pretrained(folder)
    return open_model(folder)


@pytest.fixture(scope="module")
def engine(model):
    engine = TransformersEngine(model, precision="fp32")
    yield engine
    engine.close()


@pytest.mark.parametrize("at_once", [1, 1000, 2**20])
def test_golden(monkeypatch, at_once):
    """Uniform logits log V, one possible token 0, two halves log 2; whatever is added to all of them."""
    monkeypatch.setattr(entropy, "VALUES_AT_ONCE", at_once)
    size = 1000
    rows = torch.full((6, size), -math.inf)
    rows[0] = rows[1] = 0
    rows[1] += 1e4
    rows[2, 7] = rows[3, 998] = 3.0
    rows[3] = rows[3].clamp(min=-1e4)
    rows[4, 5] = rows[4, 995] = -50.0
    rows[5] = torch.linspace(-3, 9, size)
    weights = torch.softmax(rows[5].double(), dim=0)
    wanted = [math.log(size), math.log(size), 0, 0, math.log(2), float(-(weights * weights.log()).sum())]
    np.testing.assert_allclose(entropies(rows).tolist(), wanted, rtol=0, atol=2e-6)


@pytest.mark.parametrize("bias", [False, True])
def test_a_head_in_parts_is_the_whole_head(monkeypatch, bias):
    monkeypatch.setattr(entropy, "VALUES_AT_ONCE", 7 * 33)
    torch.manual_seed(0)
    head, states = torch.nn.Linear(16, 100, bias=bias), 4 * torch.randn(7, 16)
    with torch.no_grad():
        logprobs = torch.log_softmax(head.double()(states.double()), dim=-1)
        found = head_entropies(head.float(), states)
    np.testing.assert_allclose(found, -(logprobs.exp() * logprobs).sum(dim=-1), rtol=0, atol=1e-5)


def test_no_number_gives_no_number():
    assert torch.isnan(entropies(torch.tensor([[0.0, math.nan]]))).tolist() == [True]


@pytest.mark.parametrize("at_once", [100, 2**20])
def test_a_float64_loop_agrees(engine, model, monkeypatch, at_once):
    monkeypatch.setattr(entropy, "VALUES_AT_ONCE", at_once)
    pairs = make_pairs()
    found = list(engine.entropies(iter(pairs)))
    check(found, of_loop(model, pairs), 1e-5)
    assert np.ptp(np.concatenate(found)) > 1
    assert list(engine.entropies([])) == []


def test_bf16_is_near(model):
    pairs = make_pairs()
    engine = TransformersEngine(model, precision="bf16")
    check(list(engine.entropies(pairs)), of_loop(model, pairs), 0.1)


@pytest.mark.parametrize("name", ["scaled", "capped", "absolute"])
def test_other_families_agree(tmp_path, monkeypatch, name):
    """Logits that are scaled or capped after the head are told of a few tokens at a time."""
    monkeypatch.setattr(readers, "VALUES_AT_ONCE", 1000)
    model = other_family(tmp_path / "model", name)
    pairs = [(prompt, completion[:24]) for prompt, completion in make_pairs()[:12]]
    engine = TransformersEngine(model, precision="fp32")
    check(list(engine.entropies(pairs)), of_loop(model, pairs), 1e-5)


def test_openvino_agrees(model, tmp_path, monkeypatch):
    monkeypatch.setenv("SELFTRAIN_CACHE", str(tmp_path))
    engine, pairs = OpenVinoEngine(model, precision="fp32", batch=8), make_pairs()
    check(list(engine.entropies(pairs)), of_loop(model, pairs), 1e-5)
    scorer = engine._scorer
    assert engine._sampler is None
    list(engine.score(pairs[:2]))
    assert engine._scorer is scorer  # one model reads for both
    engine.close()


def test_prompts_are_read_once_as_for_scores(engine, monkeypatch):
    passes = {"_logits": [], "_states": []}

    def spy_on(name):
        whole = getattr(engine, name)

        def spy(ids, mask, cache, keep=1):
            passes[name].append((*ids.shape, mask.shape[1]))
            return whole(ids, mask, cache, keep)

        monkeypatch.setattr(engine, name, spy)

    for name in passes:
        spy_on(name)
    pairs = make_pairs()
    list(engine.score(pairs))
    list(engine.entropies(pairs))
    assert passes["_logits"] == passes["_states"]
    assert len(passes["_states"]) > 1


def test_a_prompt_without_tokens_or_room_is_refused(engine):
    with pytest.raises(ConfigError, match="a prompt has no tokens"):
        list(engine.entropies([((), (1, 2))]))
    long = (tuple(range(20, 30)) * 60)[:507]
    assert [len(one) for one in engine.entropies([(long, (7,) * 5)])] == [5]
    with pytest.raises(ConfigError, match="the model's context holds 512"):
        list(engine.entropies([(long, (7,) * 7)]))


def test_the_logits_of_a_text_are_never_there(engine, monkeypatch):
    """No tensor is as large as the logits of a tenth of the tokens of a pass, in whatever type; a score's is."""
    head = torch.nn.Linear(32, VOCABULARY, bias=False)
    monkeypatch.setattr(engine._model, "lm_head", head)
    monkeypatch.setattr(entropy, "VALUES_AT_ONCE", 2**18)
    pairs = [(PROMPTS[0], tuple(range(20, 120))) for _ in range(4)]
    made = {}
    for name in ("entropies", "score"):
        with Largest() as seen:
            assert len(list(getattr(engine, name)(pairs))) == 4
        made[name] = seen.numbers
    logits = 4 * 99 * VOCABULARY
    assert made["score"] >= logits
    assert made["entropies"] < logits / 10
