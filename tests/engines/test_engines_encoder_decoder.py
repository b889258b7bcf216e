"""The engine of encoder-decoder models against transformers' own generation and against plain forwards."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from tiny_t5 import tiny_t5_folder, tiny_t5_tokenizer
from transformers import BartConfig, BartForConditionalGeneration, T5ForConditionalGeneration

from selftrain import engines
from selftrain.engines import EngineConfig, Request, Sampling, load_engine
from selftrain.engines.encoder_decoder import EncoderDecoderEngine
from selftrain.errors import ConfigError
from selftrain.models import load_model, load_tokenizer, open_model

QUESTIONS = (
    "what is 1 and 2?",
    "Tom has 3 apples and 12 pears, 7 of them green.",
    "the",
    "what is 1 and 2? what is 3?",
)
END = 1
ENDS = (END, *range(20, 30))
BATCH = 8


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(folder, name):
    """A model: Flan-T5's kind, the first T5's, one with a deeper decoder, or another family."""
    tiny_t5_folder(folder, tied=name == "tied", decoder_layers=3 if name == "deep" else None)
    if name == "bart":
        size = len(tiny_t5_tokenizer())
        sizes = {f"{side}_{what}": 2 for side in ("encoder", "decoder") for what in ("layers", "attention_heads")}
        own = {"max_position_embeddings": 80, "init_std": 0.5, "forced_eos_token_id": None}
        ids = {"pad_token_id": 0, "eos_token_id": END, "bos_token_id": 4, "decoder_start_token_id": 5}
        torch.manual_seed(0)
        config = BartConfig(vocab_size=size, d_model=16, **own, **ids, **sizes)
        BartForConditionalGeneration(config).save_pretrained(folder)
    return open_model(folder)


@pytest.fixture(scope="module", params=["untied", "tied", "deep", "bart"])
def model(request, tmp_path_factory):
    return made(tmp_path_factory.mktemp(request.param) / "model", request.param)


@pytest.fixture(scope="module")
def engine(model):
    return load_engine(model, EngineConfig(name="transformers", precision="fp32", batch=BATCH))


@pytest.fixture(scope="module")
def prompts(model):
    tokenizer = load_tokenizer(model)
    return [tuple(tokenizer(question).input_ids) for question in QUESTIONS]


@pytest.fixture(scope="module")
def reference(model):
    """Log-probabilities [tokens + 1, vocabulary] of what follows the start and each token: float64, nothing padded."""
    module = load_model(model).double()

    def logprobs(prompt, tokens):
        ids = torch.tensor([[module.config.decoder_start_token_id, *tokens]])
        with torch.no_grad():
            logits = module(input_ids=torch.tensor([list(prompt)]), decoder_input_ids=ids).logits[0]
        return torch.log_softmax(logits, dim=-1).numpy()

    return logprobs


def expected(reference, prompt, tokens):
    return reference(prompt, tokens)[np.arange(len(tokens)), list(tokens)]


def sampling(**changes):
    return Sampling(**{"temperature": 1.0, "top_p": 1.0, "max_tokens": 16, **changes})


def requests(prompts, seeds):
    return [Request(f"{place}/{seed}", prompt, seed) for seed in seeds for place, prompt in enumerate(prompts)]


def by_id(engine, asked, settings):
    found = list(engine.generate(asked, settings))
    assert sorted(c.id for c in found) == sorted(request.id for request in asked)
    return {completion.id: completion for completion in found}


def given(prompts, lengths=(0, 1, 5, 20), vocabulary=40):
    rng = np.random.default_rng(0)
    return [(prompt, tuple(rng.integers(2, vocabulary, n).tolist())) for n in lengths for prompt in prompts]


@pytest.fixture
def passes(engine, monkeypatch):
    """The prompts that pass the encoder, in the order in which they do."""
    seen = []
    encoder = engine._model.get_encoder()

    def note(_module, _args, options):
        for ids, mask in zip(options["input_ids"].tolist(), options["attention_mask"].tolist(), strict=True):
            seen.append(tuple(ids[: sum(mask)]))

    hook = encoder.register_forward_pre_hook(note, with_kwargs=True)
    yield seen
    hook.remove()


def test_greedy_is_what_transformers_generates(engine, model, prompts):
    """Prompts of all lengths together and each alone; some end before the others."""
    module, limit = load_model(model), 16
    found = by_id(engine, requests(prompts, [0]), sampling(temperature=0, max_tokens=limit, end_ids=ENDS))
    for place, prompt in enumerate(prompts):
        ids = module.generate(
            input_ids=torch.tensor([prompt]),
            max_new_tokens=limit,
            do_sample=False,
            num_beams=1,
            eos_token_id=list(ENDS),
            use_cache=False,
        )
        completion = found[f"{place}/0"]
        assert list(completion.tokens) == ids[0, 1:].tolist()
        assert completion.finish == ("stop" if completion.tokens[-1] in ENDS else "length")


def test_logprobs_are_those_of_temperature_one(engine, prompts, reference):
    asked = requests(prompts, range(4))
    seen = set()
    for settings in ({}, {"temperature": 2.0}, {"top_p": 0.5}):
        found = by_id(engine, asked, sampling(end_ids=ENDS, **settings))
        seen |= {completion.tokens for completion in found.values()}
        for request in asked:
            completion = found[request.id]
            wanted = expected(reference, request.prompt, completion.tokens)
            np.testing.assert_allclose(completion.logprobs, wanted, atol=1e-4)
    assert len({len(tokens) for tokens in seen}) > 4
    assert len(seen) > 24


def test_a_seed_fixes_the_text_and_a_block_the_bits(engine, prompts):
    asked = requests(prompts, range(4))
    settings = sampling(end_ids=ENDS, temperature=0.8)
    together = by_id(engine, asked, settings)
    assert by_id(engine, asked[BATCH:], settings) == {r.id: together[r.id] for r in asked[BATCH:]}
    for request in asked[::3]:
        alone = by_id(engine, [request], settings)[request.id]
        assert (alone.tokens, alone.text, alone.finish) == (
            together[request.id].tokens,
            together[request.id].text,
            together[request.id].finish,
        )


def test_a_prompt_passes_the_encoder_once(engine, prompts, passes):
    before = engine.prefilled
    by_id(engine, requests(prompts, [0, 1]), sampling(max_tokens=3))
    assert sorted(passes) == sorted(prompts)
    assert engine.prefilled - before == sum(map(len, prompts))
    for read in (engine.score, engine.entropies):
        passes.clear()
        list(read(given(prompts)))
        assert sorted(passes) == sorted(prompts)
    assert engine.prefilled - before == sum(map(len, prompts))


def test_given_completions_are_read_as_by_a_plain_forward(engine, prompts, reference):
    """Log-probabilities and entropies, in the order asked for, some completions empty and one pair twice."""
    pairs = given(prompts)
    pairs[9] = pairs[14]
    scores, entropies = list(engine.score(iter(pairs))), list(engine.entropies(iter(pairs)))
    for (prompt, completion), logprobs, spread in zip(pairs, scores, entropies, strict=True):
        assert len(logprobs) == len(spread) == len(completion)
        table = reference(prompt, completion)[: len(completion)]
        np.testing.assert_allclose(logprobs, expected(reference, prompt, completion), atol=1e-4)
        np.testing.assert_allclose(spread, -(np.exp(table) * table).sum(1), atol=1e-4)


def test_score_agrees_with_generate(engine, prompts):
    asked = requests(prompts, range(2))
    found = by_id(engine, asked, sampling(end_ids=ENDS))
    scores = engine.score([(request.prompt, found[request.id].tokens) for request in asked])
    for request, logprobs in zip(asked, scores, strict=True):
        np.testing.assert_allclose(logprobs, found[request.id].logprobs, atol=1e-4)


def test_bf16_samples_and_scores(model, prompts, reference):
    engine = load_engine(model, EngineConfig(name="transformers", precision="bf16", batch=BATCH))
    asked = requests(prompts, range(2))
    found = by_id(engine, asked, sampling(end_ids=ENDS))
    scores = engine.score([(request.prompt, found[request.id].tokens) for request in asked])
    for request, logprobs in zip(asked, scores, strict=True):
        wanted = expected(reference, request.prompt, found[request.id].tokens)
        assert abs(np.subtract(found[request.id].logprobs, wanted)).mean() < 0.3
        assert abs(np.subtract(logprobs, wanted)).mean() < 0.3
    engine.close()


def test_stop_strings_and_tokens_without_text(engine, model, prompts):
    """Embedding rows that stand for no token can be drawn, and say nothing."""
    whole = by_id(engine, requests(prompts, range(6)), sampling(temperature=5.0, max_tokens=30))
    tokenizer = load_tokenizer(model)
    if load_model(model).config.vocab_size > len(tokenizer):
        assert any(max(completion.tokens) >= len(tokenizer) for completion in whole.values())
    stopped = by_id(engine, requests(prompts, range(6)), sampling(temperature=5.0, max_tokens=30, stop=("e",)))
    assert any(completion.finish == "stop" for completion in stopped.values())
    for name, completion in stopped.items():
        assert completion.text == whole[name].text.split("e")[0]


def test_a_prompt_that_is_empty_or_too_long_is_refused(engine, model):
    with pytest.raises(ConfigError, match="a prompt has no tokens"):
        next(engine.generate([Request("a", (), 0)], sampling()))
    long = [((5,) * 200, (6, 7))]
    if load_model(model).config.model_type == "t5":
        assert len(next(engine.score(long))) == 2
    else:
        with pytest.raises(ConfigError, match="the model's context holds 80"):
            list(engine.score(long))


def test_auto_takes_transformers_and_openvino_is_refused(tmp_path, capsys, monkeypatch):
    model = open_model(tiny_t5_folder(tmp_path / "model"))
    monkeypatch.setattr(engines, "_cores", lambda: 2)
    assert engines.choose_engine(model, EngineConfig()).name == "transformers"
    assert "the model has an encoder" in capsys.readouterr().err
    assert isinstance(load_engine(model, EngineConfig()), EncoderDecoderEngine)
    with pytest.raises(ConfigError, match=r"the model has an encoder: set engine\.name=transformers") as caught:
        load_engine(model, EngineConfig(name="openvino"))
    assert "\n" not in str(caught.value)


def test_a_model_that_does_not_say_how_its_decoder_starts_is_refused(tmp_path):
    folder = tiny_t5_folder(tmp_path / "model")
    module = T5ForConditionalGeneration.from_pretrained(folder)
    module.config.decoder_start_token_id = module.generation_config.decoder_start_token_id = None
    module.save_pretrained(folder)
    with pytest.raises(ConfigError, match="no decoder_start_token_id"):
        load_engine(open_model(folder), EngineConfig(name="transformers"))
