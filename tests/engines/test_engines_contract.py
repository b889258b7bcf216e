"""What every sampling engine promises, against a second computation; a new engine joins by its factory."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from tiny import tiny_model_folder

from selftrain.engines import EngineConfig, Request, Sampling, load_engine
from selftrain.errors import ConfigError
from selftrain.models import load_model, load_tokenizer, open_model

CONTEXT = 512
FACTORIES = {
    f"{name}-{precision}": partial(load_engine, config=EngineConfig(name=name, precision=precision, batch=8))
    for name in ("transformers", "openvino")
    for precision in ("fp32", "bf16")
}
EXACT = [name for name in FACTORIES if name.endswith("fp32")]
"""Engines that follow the model's distribution to within what a test can see."""
SEEDED = [*EXACT, "openvino-bf16"]
"""Engines with which a request's text does not change with its batch mates."""
TOLERANCE = {"transformers-fp32": 1e-4, "transformers-bf16": 0.1, "openvino-fp32": 5e-3, "openvino-bf16": 0.1}
"""Of log-probabilities; openvino's weights are float16."""
PROMPTS = (
    tuple(range(20, 27)),
    tuple(range(20, 24)),
    (*range(20, 24), 99, 100, 101, 102, 103, 104),
    (55,),
    tuple(range(200, 240)),
)
"""Shared prefixes, a prompt that is another's beginning, and lengths 1 to 40."""
ENDS = tuple(range(30, 45))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model with logits far enough apart that some tokens are much likelier than others."""
    return sharpened(tiny_model_folder(tmp_path_factory.mktemp("sharp") / "model", tied=False))


@pytest.fixture(scope="module", params=FACTORIES)
def named(request, model):
    engine = FACTORIES[request.param](model)
    yield request.param, engine
    engine.close()


@pytest.fixture(scope="module")
def engine(named):
    return named[1]


@pytest.fixture(scope="module")
def tolerance(named):
    return TOLERANCE[named[0]]


@pytest.fixture(scope="module", params=EXACT)
def exact(request, model):
    engine = FACTORIES[request.param](model)
    yield engine
    engine.close()


@pytest.fixture(scope="module", params=SEEDED)
def seeded(request, model):
    engine = FACTORIES[request.param](model)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def reference(model):
    """Log-probabilities of what follows a list of token ids, [tokens, vocabulary]: float64, no cache, no padding."""
    module = load_model(model).double()

    def logprobs(ids):
        with torch.no_grad():
            return torch.log_softmax(module(torch.tensor([list(ids)])).logits[0], dim=-1).numpy()

    return logprobs


def sharpened(folder, factor=15.0):
    model = open_model(folder)
    module = load_model(model)
    with torch.no_grad():
        module.get_output_embeddings().weight.mul_(factor)
    module.save_pretrained(folder)
    return open_model(folder)


def sampling(**changes):
    return Sampling(**{"temperature": 1.0, "top_p": 1.0, "max_tokens": 16, **changes})


def requests(seeds, prompts=PROMPTS):
    return [Request(f"{place}/{seed}", prompt, seed) for seed in seeds for place, prompt in enumerate(prompts)]


def by_id(engine, asked, settings):
    found = list(engine.generate(asked, settings))
    assert sorted(c.id for c in found) == sorted(request.id for request in asked)
    return {completion.id: completion for completion in found}


def expected_logprobs(reference, prompt, tokens):
    table = reference([*prompt, *tokens])
    return [table[len(prompt) - 1 + place, token] for place, token in enumerate(tokens)]


def test_responses_to_one_prompt_are_independent_requests(engine):
    found = by_id(engine, requests(range(12), PROMPTS[:1]), sampling())
    assert len({completion.tokens for completion in found.values()}) == 12


def test_the_same_block_gives_the_same_completions(engine):
    asked = requests(range(4))
    settings = sampling(end_ids=ENDS)
    assert by_id(engine, asked, settings) == by_id(engine, asked, settings)


def test_whole_blocks_do_not_depend_on_other_blocks(engine):
    asked = requests(range(8))
    size = engine.block or 1
    settings = sampling(end_ids=ENDS)
    alone = {}
    for start in reversed(range(0, len(asked), size)):
        alone |= by_id(engine, asked[start : start + size], settings)
    assert by_id(engine, asked, settings) == alone


def test_a_seed_fixes_the_text_whatever_its_mates_and_order(seeded):
    asked = requests(range(4))
    settings = sampling(end_ids=ENDS, temperature=0.8)
    together = by_id(seeded, asked, settings)
    shuffled = by_id(seeded, [asked[i] for i in np.random.default_rng(0).permutation(len(asked))], settings)
    for request in asked:
        alone = by_id(seeded, [request], settings)[request.id]
        other = shuffled[request.id]
        assert together[request.id].tokens == other.tokens == alone.tokens
        assert together[request.id].text == other.text == alone.text
        assert together[request.id].finish == other.finish == alone.finish


def test_what_is_shared_among_prompts_is_read_once(engine):
    """Eight responses to a prompt read it once, and little more; what several prompts begin with is read once."""
    before = engine.prefilled
    by_id(engine, requests(range(8), [tuple(range(240, 280))]), sampling(max_tokens=2))
    assert 40 <= engine.prefilled - before <= 1.2 * 40
    before = engine.prefilled
    beginning = tuple(range(100, 196))
    by_id(engine, requests([0], [(*beginning, last, 5) for last in range(5, 13)]), sampling(max_tokens=2))
    assert engine.prefilled - before <= len(beginning) + 8 * 4


def test_the_seed_and_not_the_id_decides(seeded):
    a, b, c = (Request(name, PROMPTS[0], seed) for name, seed in (("a", 5), ("b", 5), ("c", 6)))
    found = by_id(seeded, [a, b, c], sampling())
    assert found["a"].tokens == found["b"].tokens != found["c"].tokens


def test_a_longer_limit_only_adds_tokens(seeded):
    short = by_id(seeded, requests([3]), sampling(max_tokens=5))
    long = by_id(seeded, requests([3]), sampling(max_tokens=15))
    assert all(long[name].tokens[:5] == short[name].tokens for name in short)


def test_completions_stream(engine):
    """The first one arrives before the last is done, and asking for one costs the caller nothing."""
    blocks = 3
    asked = requests(range(blocks * (engine.block or 4)), PROMPTS[:1])
    stream = engine.generate(asked, sampling(end_ids=ENDS))
    first = next(stream)
    assert first.id in {request.id for request in asked[: engine.block]}
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()
    assert len(list(stream)) == len(asked) - 1


def test_within_a_block_the_shorter_completion_comes_first(exact):
    apart = (PROMPTS[0], PROMPTS[2], PROMPTS[3])
    found = list(exact.generate(requests(range(2), apart), sampling(end_ids=ENDS, max_tokens=60)))
    lengths = [len(completion.tokens) for completion in found]
    assert len(set(lengths)) > 2
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.3}, {"temperature": 2.0}, {"top_p": 0.5}])
def test_logprobs_are_those_of_temperature_one(engine, tolerance, reference, settings):
    """Through shared prefixes, padding and compaction, whatever the sampling settings."""
    asked = requests(range(4))
    found = by_id(engine, asked, sampling(end_ids=ENDS, max_tokens=40, **settings))
    assert len({len(completion.tokens) for completion in found.values()}) > 4
    for request in asked:
        completion = found[request.id]
        wanted = expected_logprobs(reference, request.prompt, completion.tokens)
        np.testing.assert_allclose(completion.logprobs, wanted, atol=tolerance)


def test_finish_reasons(engine):
    found = by_id(engine, requests(range(6)), sampling(end_ids=ENDS, max_tokens=20)).values()
    assert {completion.finish for completion in found} == {"stop", "length"}
    for completion in found:
        ended = completion.tokens[-1] in ENDS
        assert completion.finish == ("stop" if ended else "length")
        assert ended or len(completion.tokens) == 20
        assert not set(completion.tokens[:-1]) & set(ENDS)
        assert len(completion.logprobs) == len(completion.tokens)


def test_the_end_token_is_not_in_the_text(engine, model):
    tokenizer = load_tokenizer(model)
    for completion in engine.generate(requests(range(4)), sampling(end_ids=ENDS, max_tokens=20)):
        spoken = completion.tokens[:-1] if completion.finish == "stop" else completion.tokens
        assert completion.text == tokenizer.decode(list(spoken), skip_special_tokens=True)


def test_special_tokens_leave_no_text(engine, model):
    special = load_tokenizer(model).convert_tokens_to_ids("<|im_start|>")
    found = engine.generate(requests(range(40), PROMPTS[:2]), sampling(temperature=5.0))
    seen = [completion for completion in found if special in completion.tokens]
    assert seen
    assert all("im_start" not in completion.text for completion in seen)


def test_max_tokens(engine):
    for limit in (1, 7):
        found = by_id(engine, requests([0]), sampling(max_tokens=limit)).values()
        assert {len(completion.tokens) for completion in found} == {limit}


def pieces(engine, model, seeds=range(40)):
    """Single completions as (request, completion, decoded text of each token), all of them clean text."""
    tokenizer = load_tokenizer(model)
    for seed in seeds:
        request = Request("r", PROMPTS[0], seed)
        completion = by_id(engine, [request], sampling(max_tokens=30))["r"]
        texts = [tokenizer.decode([token]) for token in completion.tokens]
        if "".join(texts) == completion.text:
            yield request, completion, texts


def check_stop(engine, request, whole, texts, stop):
    """The completion ends before the first `stop`, at the first token that completes it."""
    found = by_id(engine, [request], sampling(max_tokens=30, stop=(stop, "never in the text")))["r"]
    assert found.text == whole.text[: whole.text.index(stop)]
    assert found.finish == "stop"
    read = len(found.tokens)
    assert found.tokens == whole.tokens[:read]
    assert stop in "".join(texts[:read])
    assert stop not in "".join(texts[: read - 1])


def test_a_stop_string_inside_a_token(engine, model):
    tried = 0
    for request, whole, texts in pieces(engine, model):
        long = next((place for place, text in enumerate(texts) if len(text) >= 3), None)
        if long and texts[long][1:-1] not in "".join(texts[:long]):
            check_stop(engine, request, whole, texts, texts[long][1:-1])
            tried += 1
        if tried == 3:
            return
    pytest.fail("no completion has such a token")


def test_a_stop_string_across_tokens(engine, model):
    tried = list(islice(pieces(engine, model), 3))
    assert len(tried) == 3
    for request, whole, texts in tried:
        check_stop(engine, request, whole, texts, "".join(texts[4:7]))


def test_the_first_of_several_stop_strings_counts(exact, model):
    request, whole, texts = next(pieces(exact, model))
    late, early = "".join(texts[8:11]), "".join(texts[3:6])
    found = by_id(exact, [request], sampling(max_tokens=30, stop=(late, early)))["r"]
    assert found.text == whole.text[: min(whole.text.index(early), whole.text.index(late))]


def test_greedy_is_the_argmax_of_a_plain_forward(engine, tolerance, reference):
    for request in requests([0]):
        found = by_id(engine, [request], sampling(temperature=0, max_tokens=8))[request.id]
        table = reference([*request.prompt, *found.tokens])[len(request.prompt) - 1 :]
        for place, token in enumerate(found.tokens):
            assert table[place, token] >= table[place].max() - 2 * tolerance


def test_greedy_ignores_the_seed(seeded):
    found = by_id(seeded, requests(range(3)), sampling(temperature=0))
    for place in range(len(PROMPTS)):
        assert len({found[f"{place}/{seed}"].tokens for seed in range(3)}) == 1


@pytest.mark.parametrize("top_p", [0.2, 0.6, 0.9])
def test_top_p_draws_from_the_smallest_set_of_that_mass(exact, reference, top_p):
    probabilities = np.exp(reference(PROMPTS[0])[-1])
    order = np.argsort(-probabilities)
    size = int(np.searchsorted(np.cumsum(probabilities[order]), top_p)) + 1
    found = by_id(exact, requests(range(400), PROMPTS[:1]), sampling(top_p=top_p, max_tokens=1))
    assert {completion.tokens[0] for completion in found.values()} <= set(order[:size].tolist())


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.6, 1.0), (1.5, 0.8)])
def test_first_tokens_follow_the_distribution(exact, reference, temperature, top_p):
    """Chi-square over 3,000 seeds; tokens expected fewer than five times are counted together."""
    logits = reference(PROMPTS[0])[-1] / temperature
    probabilities = np.exp(logits - logits.max())
    probabilities /= probabilities.sum()
    order = np.argsort(-probabilities)
    outside = np.cumsum(probabilities[order]) - probabilities[order] >= top_p
    probabilities[order[outside]] = 0
    probabilities /= probabilities.sum()
    draws = 3000
    found = by_id(
        exact,
        requests(range(draws), PROMPTS[:1]),
        sampling(temperature=temperature, top_p=top_p, max_tokens=1),
    )
    counts = np.bincount([c.tokens[0] for c in found.values()], minlength=len(probabilities))
    assert counts[probabilities == 0].sum() == 0
    often = probabilities * draws >= 5
    rest = probabilities[~often].sum() * draws
    seen = [*counts[often], counts[~often].sum()] if rest else counts[often]
    wanted = [*(probabilities[often] * draws), rest] if rest else probabilities[often] * draws
    assert len(seen) > 10
    assert chisquare(seen, wanted).pvalue > 1e-3


def test_second_tokens_are_independent_of_the_first(exact, reference):
    """Given its first token, the second token's probabilities are spread evenly below its draws."""
    found = by_id(exact, requests(range(300), PROMPTS[:1]), sampling(max_tokens=2)).values()
    ranks = []
    for first, second in {completion.tokens for completion in found}:
        table = np.exp(reference([*PROMPTS[0], first])[-1])
        ranks.append(table[:second].sum() + table[second] / 2)
    assert abs(np.mean(ranks) - 0.5) < 4 * np.sqrt(1 / 12 / len(ranks))


def test_a_prompt_that_fills_the_context_is_refused(engine):
    long = tuple(range(20, 30)) * 60
    with pytest.raises(ConfigError, match="a prompt has 512 tokens, the model's context holds 512: use fewer shots"):
        next(engine.generate([Request("a", PROMPTS[0], 0), Request("b", long[:CONTEXT], 0)], sampling()))
    only = by_id(engine, [Request("a", long[: CONTEXT - 1], 0)], sampling())["a"]
    assert (len(only.tokens), only.finish) == (1, "length")


def test_a_prompt_without_tokens_is_refused(engine):
    with pytest.raises(ConfigError, match="a prompt has no tokens"):
        next(engine.generate([Request("a", (), 0)], sampling()))
    with pytest.raises(ConfigError, match="a prompt has no tokens"):
        next(engine.score([((), (1, 2))]))


def test_a_context_that_fills_up_cuts_its_own_response_alone(engine, tolerance, reference):
    long = (tuple(range(20, 30)) * 60)[: CONTEXT - 12]
    asked = [Request("long", long, 0), Request("short", PROMPTS[0], 0), Request("single", PROMPTS[3], 1)]
    found = by_id(engine, asked, sampling(max_tokens=40))
    assert {name: len(c.tokens) for name, c in found.items()} == {"long": 12, "short": 40, "single": 40}
    assert {completion.finish for completion in found.values()} == {"length"}
    for request in asked:
        wanted = expected_logprobs(reference, request.prompt, found[request.id].tokens)
        np.testing.assert_allclose(found[request.id].logprobs, wanted, atol=tolerance)


def test_no_requests_no_completions(engine):
    assert list(engine.generate([], sampling())) == []
    assert list(engine.score([])) == []


def test_score_equals_a_second_computation(engine, tolerance, reference):
    rng = np.random.default_rng(1)
    pairs = [(prompt, tuple(rng.integers(4, 300, n).tolist())) for prompt in PROMPTS for n in (0, 1, 5, 30)]
    found = list(engine.score(iter(pairs)))
    assert len(found) == len(pairs)
    for (prompt, completion), logprobs in zip(pairs, found, strict=True):
        assert len(logprobs) == len(completion)
        np.testing.assert_allclose(logprobs, expected_logprobs(reference, prompt, completion), atol=tolerance)


def test_score_keeps_the_order_of_what_it_is_asked(engine, tolerance, reference):
    """Prompts in turns, completions of all lengths among them of one token and of none, and a pair twice."""
    rng = np.random.default_rng(2)
    pairs = [(PROMPTS[n % 5], tuple(rng.integers(4, 300, 7 * n % 31).tolist())) for n in range(40)]
    pairs[30] = pairs[3]
    assert {len(completion) for _, completion in pairs} >= {0, 1, 30}
    found = list(engine.score(pairs))
    for (prompt, completion), logprobs in zip(pairs, found, strict=True):
        np.testing.assert_allclose(logprobs, expected_logprobs(reference, prompt, completion), atol=tolerance)


def test_score_is_the_same_alone_and_beside_others(engine, tolerance):
    rng = np.random.default_rng(3)
    pairs = [(prompt, tuple(rng.integers(4, 300, 1 + 5 * n).tolist())) for n, prompt in enumerate(PROMPTS * 3)]
    for pair, together in zip(pairs, list(engine.score(pairs)), strict=True):
        (alone,) = engine.score([pair])
        np.testing.assert_allclose(alone, together, atol=tolerance)


def test_scoring_counts_no_prompt_as_read_for_drawing_and_drawing_goes_on_as_before(engine):
    asked, settings = requests(range(2)), sampling(end_ids=ENDS)
    drawn = by_id(engine, asked, settings)
    before = engine.prefilled
    list(engine.score([(prompt, (9, 8, 7)) for prompt in PROMPTS]))
    assert engine.prefilled == before
    assert by_id(engine, asked, settings) == drawn


def test_score_agrees_with_generate(engine, tolerance):
    asked = requests(range(3))
    found = by_id(engine, asked, sampling(end_ids=ENDS, temperature=0.7))
    scores = engine.score([(request.prompt, found[request.id].tokens) for request in asked])
    for request, logprobs in zip(asked, scores, strict=True):
        np.testing.assert_allclose(logprobs, found[request.id].logprobs, atol=tolerance)


def test_score_fills_the_context_and_no_more(engine):
    long = (tuple(range(20, 30)) * 60)[: CONTEXT - 5]
    assert [len(logprobs) for logprobs in engine.score([(long, (7,) * 5)])] == [5]
    with pytest.raises(ConfigError, match="the model's context holds 512"):
        list(engine.score([(long, (7,) * 7)]))


def other_family(folder, name):
    """A tiny model of another architecture over the same tokens."""
    import transformers

    tiny_model_folder(folder)
    kinds = {
        "scaled": ("Granite", {"logits_scaling": 3.0, "embedding_multiplier": 5.0}),
        "capped": ("Gemma2", {"final_logit_softcapping": 2.0, "head_dim": 8, "sliding_window": 16}),
        "absolute": ("GPT2", {"n_positions": 64}),
    }
    kind, own = kinds[name]
    size = len(transformers.AutoTokenizer.from_pretrained(folder))
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
        **own,
    )
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return sharpened(folder)


@pytest.mark.parametrize("name", ["scaled", "capped", "absolute"])
def test_other_families_sample_and_score_alike(tmp_path, name):
    """Logits that are scaled or capped after the head, sliding windows, learned positions and a short context."""
    model = other_family(tmp_path / "model", name)
    module = load_model(model).double()
    engine = FACTORIES[EXACT[0]](model)
    asked = requests(range(3))
    found = by_id(engine, asked, sampling(max_tokens=50, end_ids=() if name == "absolute" else ENDS))
    scores = engine.score([(request.prompt, found[request.id].tokens) for request in asked])
    for request, scored in zip(asked, scores, strict=True):
        with torch.no_grad():
            ids = torch.tensor([[*request.prompt, *found[request.id].tokens]])
            table = torch.log_softmax(module(ids).logits[0], dim=-1)[len(request.prompt) - 1 : -1]
        wanted = table.gather(1, ids[0, len(request.prompt) :, None])[:, 0].numpy()
        np.testing.assert_allclose(found[request.id].logprobs, wanted, atol=1e-4)
        np.testing.assert_allclose(scored, wanted, atol=1e-4)
    if name == "absolute":
        lengths = {(len(request.prompt), len(found[request.id].tokens)) for request in asked}
        assert lengths == {(7, 50), (4, 50), (10, 50), (1, 50), (40, 24)}


def test_a_device_that_is_not_there(model):
    for device in ("cuda:99", "no-such-device"):
        with pytest.raises(ConfigError, match=r"engine\.device .* cannot be used") as caught:
            load_engine(model, EngineConfig(device=device))
        assert "\n" not in str(caught.value)
