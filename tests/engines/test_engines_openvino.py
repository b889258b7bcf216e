"""The OpenVINO engine beyond the contract: what it shares, what it refuses, what it keeps in the cache."""

import json
import os
import random

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from tiny import tiny_model_folder

from selftrain.engines import EngineConfig, Request, Sampling, choose_engine, load_engine
from selftrain.engines import openvino as module
from selftrain.engines.openvino import OpenVinoEngine
from selftrain.engines.openvino_files import KEPT, openvino_files
from selftrain.errors import ConfigError, MissingExtraError
from selftrain.models import load_model, open_model
from selftrain.models.cache import default_cache

DRAWN = Sampling(temperature=1.0, top_p=1.0, max_tokens=12, end_ids=tuple(range(30, 45)))
HEAD = tuple(random.Random(0).choices(range(5, 300), k=70))
PROMPTS = [HEAD[: 20 + 9 * i] + tuple(range(100, 100 + 7 * i)) + (5 + i,) for i in range(6)]
REQUESTS = [Request(f"{i}/{k}", prompt, 100 * i + k) for i, prompt in enumerate(PROMPTS) for k in range(6)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SELFTRAIN_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return open_model(tiny_model_folder(tmp_path_factory.mktemp("openvino") / "model", hidden=128))


@pytest.fixture
def engine(model):
    engine = OpenVinoEngine(model, batch=16)
    yield engine
    engine.close()


def drawn(engine, asked):
    return {completion.id: completion for completion in engine.generate(asked, DRAWN)}


def test_in_bf16_a_completion_is_the_same_to_the_bit_whatever_was_run_before_and_beside_it(engine, model):
    together = drawn(engine, REQUESTS)
    rng = random.Random(1)
    for size in (36, 20, 7, 2, 1, 1):
        part = rng.sample(REQUESTS, size)
        assert drawn(engine, part) == {request.id: together[request.id] for request in part}
    fresh = OpenVinoEngine(model, batch=5)
    part = rng.sample(REQUESTS, 13)
    assert drawn(fresh, part) == {request.id: together[request.id] for request in part}
    fresh.close()


def test_a_prompt_that_continues_another_is_the_same_to_the_bit_too(engine, model):
    whole = HEAD[:64]
    asked = [Request("short", whole[:40], 1), Request("whole", whole, 2), Request("longer", (*whole, 7, 8), 3)]
    together = drawn(engine, asked)
    for request in reversed(asked):
        fresh = OpenVinoEngine(model, batch=16)
        assert drawn(fresh, [request]) == {request.id: together[request.id]}
        fresh.close()


def test_the_requests_that_follow_read_one_token_each(model, monkeypatch):
    """The scheduler itself is the witness: nine rows fit into a step of 16 tokens only with one token each."""
    monkeypatch.setattr(module, "TOKENS_AT_ONCE", 16)
    for length in (40, 64, 65):
        engine = OpenVinoEngine(model, batch=16)
        prompt = HEAD[:length]
        silent = engine._add(engine._sampler, prompt, max_new_tokens=3)
        while not silent.can_read():
            engine._sampler.step()
        running = [engine._begin(Request(str(seed), prompt, seed), 1, DRAWN) for seed in range(8)]
        engine._sampler.step()
        assert engine._sampler.get_metrics().scheduled_requests == 1 + len(running)
        module._drain(engine._sampler)
        engine.close()


def test_what_was_read_is_counted(engine):
    list(engine.generate([Request(str(seed), HEAD[:50], seed) for seed in range(8)], DRAWN))
    assert engine.prefilled == 50 + 8
    list(engine.generate([Request(str(seed), (*HEAD[:45], 9), seed) for seed in range(2)], DRAWN))
    assert engine.prefilled == 50 + 8 + (46 - 32) + 2


def test_a_generation_left_half_way_leaves_nothing_behind(engine):
    whole = drawn(engine, REQUESTS)
    stream = engine.generate(REQUESTS, DRAWN)
    next(stream)
    stream.close()
    assert not engine._sampler.has_non_finished_requests()
    assert drawn(engine, REQUESTS) == whole


def test_more_requests_than_the_cache_has_room_for_wait(model, monkeypatch):
    monkeypatch.setattr(module, "TOKENS_PER_REQUEST", 1)
    small = OpenVinoEngine(model, batch=200)
    assert small._blocks < 30
    engine = OpenVinoEngine(model, batch=200)
    many = [Request(str(seed), HEAD, seed) for seed in range(40)]
    assert drawn(small, many) == drawn(engine, many)
    small.close()
    engine.close()


def test_a_model_that_was_read_wrongly_is_refused(model):
    files = openvino_files(model)
    probe = files.gguf.with_name("probe.json")
    known = json.loads(probe.read_text())
    known["logprobs"] = [value - 2 for value in known["logprobs"]]
    probe.write_text(json.dumps(known))
    with pytest.raises(ConfigError, match=r"OpenVINO reads model wrongly, .* 2\.0\d nats off: set engine.name=transf"):
        OpenVinoEngine(model)


def test_the_cache_keeps_the_models_used_last_and_those_in_use(tmp_path):
    models = [open_model(tiny_model_folder(tmp_path / str(seed), seed=seed)) for seed in range(KEPT + 2)]
    files = [openvino_files(model) for model in models[: KEPT + 1]]
    assert all(file.gguf.exists() for file in files)
    for file in files:
        file.close()
    stamp = files[-1].gguf.stat().st_mtime_ns
    again = openvino_files(models[KEPT])
    assert again.gguf.stat().st_mtime_ns == stamp
    assert [file.gguf.exists() for file in files] == [False] + [True] * KEPT
    openvino_files(models[-1]).close()
    assert again.gguf.exists()
    again.close()


def test_what_a_killed_writer_left_goes_after_an_hour(model):
    cache = default_cache() / "openvino"
    old, new = (cache / f".1-{name}.tmp-{32 * name}" for name in "ab")
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    openvino_files(model).close()
    assert not old.exists()
    assert new.exists()


def test_weights_that_float16_cannot_hold(tmp_path):
    import torch

    model = open_model(tiny_model_folder(tmp_path / "wide"))
    module = load_model(model)
    with torch.no_grad():
        module.model.layers[0].mlp.up_proj.weight[0, 0] = 1e6
    module.save_pretrained(model.folder)
    with pytest.raises(ConfigError, match="values float16 cannot hold: set"):
        openvino_files(open_model(model.folder))


def gpt2(folder):
    """A model of an architecture that OpenVINO's reader does not know."""
    import transformers

    tiny_model_folder(folder)
    size = len(transformers.AutoTokenizer.from_pretrained(folder))
    config = transformers.GPT2Config(vocab_size=size, n_embd=32, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=2)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return open_model(folder)


def test_an_architecture_openvino_cannot_read_falls_back_with_one_line(tmp_path, capsys):
    model = gpt2(tmp_path / "gpt2")
    capsys.readouterr()
    assert choose_engine(model, EngineConfig()).name == "transformers"
    said = capsys.readouterr().err
    assert said.startswith("note: sampling with transformers, not openvino: openvino reads GGUF, and ")
    assert "architecture gpt2 cannot be written as GGUF" in said
    assert said.count("\n") == 1
    with pytest.raises(ConfigError, match="architecture gpt2 cannot be written as GGUF"):
        load_engine(model, EngineConfig(name="openvino"))


def test_a_tokenizer_that_cannot_be_written_falls_back_too(tmp_path, capsys):
    import tokenizers
    import transformers

    folder = tiny_model_folder(tmp_path / "words")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="?").save_pretrained(folder)
    capsys.readouterr()
    assert choose_engine(open_model(folder), EngineConfig()).name == "transformers"
    assert "and tokenizer (WordLevel after Whitespace) cannot be written as GGUF" in capsys.readouterr().err


def test_auto_takes_openvino_for_a_llama_and_says_nothing(model, capsys):
    chosen = choose_engine(model, EngineConfig())
    assert (chosen.name, chosen.at_once) == ("openvino", 256)
    assert capsys.readouterr().err == ""


def test_other_devices_take_transformers(model, capsys):
    assert choose_engine(model, EngineConfig(device="cuda")).name == "transformers"
    assert capsys.readouterr().err == ""
    with pytest.raises(ConfigError, match="openvino runs on the CPU, not on 'cuda'"):
        choose_engine(model, EngineConfig(name="openvino", device="cuda"))


def test_a_missing_library(model, monkeypatch, capsys):
    from selftrain import engines

    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert choose_engine(model, EngineConfig()).name == "transformers"
    assert "openvino_genai is not installed: run pip install 'selftrain[openvino]'" in capsys.readouterr().err
    with pytest.raises(MissingExtraError):
        choose_engine(model, EngineConfig(name="openvino"))


def test_a_single_core_cannot_run_bf16(model, monkeypatch, capsys):
    from selftrain import engines

    monkeypatch.setattr(engines, "_cores", lambda: 1)
    assert choose_engine(model, EngineConfig()).name == "transformers"
    assert "a single core" in capsys.readouterr().err
    assert choose_engine(model, EngineConfig(precision="fp32")).name == "openvino"


def test_a_completion_depends_on_the_batch_with_transformers_alone():
    small, large = (EngineConfig(name="transformers", batch=batch) for batch in (8, None))
    assert small.identity() != large.identity()
    small, large = (EngineConfig(name="openvino", batch=batch) for batch in (8, None))
    assert small.identity() == large.identity()
