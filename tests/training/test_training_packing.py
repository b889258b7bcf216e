"""Packed rows have the hidden states and gradients of padded ones; models that cannot be packed are left alone."""

from types import SimpleNamespace

import pytest
import torch
from transformers import (
    AutoTokenizer,
    Gemma2Config,
    Gemma2Model,
    GPT2Config,
    GPT2Model,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaModel,
    MambaConfig,
    MambaModel,
    MistralConfig,
    MistralModel,
)

from selftrain.training import TrainingConfig, packing, row_attention, train_sft
from selftrain.training.packing import Packing, hidden_states, is_packable
from selftrain.training.row_attention import groups_of

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "initializer_range": 0.2,
}
BATCHES = {
    "shared": [[5, 6, 7, 8, 9], [5, 6, 7, 1], [5, 6, 7, 2, 3, 4, 5]],
    "nothing shared": [[1, 2, 3], [2, 2, 3, 4]],
    "one row": [[1, 2, 3, 4]],
    "one row inside another": [[1, 2], [1, 2, 3, 4]],
    "equal rows": [[4, 5, 6], [4, 5, 6]],
    "single tokens": [[1], [2]],
}


def padded(rows):
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    return ids, torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])


def llama(**changes):
    torch.manual_seed(0)
    return LlamaModel(LlamaConfig(**{**SIZES, **changes}))


def states_and_gradient(model, states, mask):
    states = states[mask.bool()]
    model.zero_grad()
    (states * torch.arange(states.numel()).view_as(states).cos()).sum().backward()
    return states.detach(), torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def assert_equals_padded(model, rows):
    ids, mask = padded(rows)
    wanted = states_and_gradient(model, model(input_ids=ids, attention_mask=mask).last_hidden_state, mask)
    found = states_and_gradient(model, hidden_states(model, ids, mask), mask)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("by_products", [{"cpu"}, set()], ids=["products", "kernel"])
@pytest.mark.parametrize("name", BATCHES)
def test_equals_padded_rows(name, by_products, monkeypatch):
    monkeypatch.setattr(packing, "BY_PRODUCTS", by_products)
    assert_equals_padded(llama(), BATCHES[name])


@pytest.mark.parametrize("sizes", [(2, 1024, 16), (3, 8, 2), (128, 1, 0)], ids=["blocks", "both", "row by row"])
@pytest.mark.parametrize("beginning", [[], [9, 8, 7]], ids=["nothing shared", "shared"])
def test_blocks_and_groups_change_nothing(sizes, beginning, monkeypatch):
    for name, size in zip(("BLOCK", "TOGETHER", "SLACK"), sizes, strict=True):
        monkeypatch.setattr(row_attention, name, size)
    rows = [[*beginning, number, *range(number, number + length)] for number, length in enumerate((9, 2, 7, 8, 0, 1))]
    assert_equals_padded(llama(), rows)


@pytest.mark.parametrize("reentrant", [False, True])
def test_layers_run_again_in_the_backward_pass_are_packed_too(reentrant):
    model = llama().train()
    model.activation_checkpointing_enable({"use_reentrant": reentrant})
    runner = vars(model.layers[0])[packing.RUNNER]
    assert_equals_padded(model, BATCHES["shared"])
    assert vars(model.layers[0])[packing.RUNNER] is runner
    assert model.config._attn_implementation == llama().config._attn_implementation


def test_rows_of_similar_lengths_are_grouped():
    groups = groups_of(2, [100, 5, 90, 40, 1], torch.device("cpu"))
    assert [(group.shared, list(group.places.shape)) for group in groups] == [
        (0, [1, 2]),
        (2, [2, 100]),
        (2, [1, 40]),
        (2, [2, 5]),
    ]
    assert groups[1].places[:, 89:91].tolist() == [[91, 92], [196, 238]]


def test_what_is_shared_is_there_once_and_padding_never():
    ids, mask = padded(BATCHES["shared"])
    packed = Packing.of(ids, mask)
    assert packed.pack(ids).tolist() == [[5, 6, 7, 8, 9, 1, 2, 3, 4, 5]]
    assert Packing.of(*padded(BATCHES["equal rows"])).shared == 2, "a row keeps a token of its own"


@pytest.mark.parametrize(
    ("make", "packable"),
    [
        (llama, True),
        (lambda: llama(attention_dropout=0.1), False),
        (lambda: llama(layer_types=["full_attention", "chunked_attention"]), False),
        (lambda: MistralModel(MistralConfig(**SIZES, sliding_window=None)), True),
        (lambda: MistralModel(MistralConfig(**SIZES, sliding_window=64)), False),
        (lambda: Gemma2Model(Gemma2Config(**SIZES)), False),
        (lambda: MambaModel(MambaConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2)), False),
        (lambda: GPT2Model(GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=4)), False),
    ],
    ids=["llama", "dropout", "chunked", "mistral", "sliding window", "capped", "recurrent", "residual dropout"],
)
def test_only_full_attention_without_dropout_is_packed(make, packable):
    model = make().train()
    attention = model.config._attn_implementation
    assert is_packable(model) == packable
    assert model.training
    assert model.config._attn_implementation == attention


def shapes_trained(folder, target, rows, config):
    """[rows, tokens] of what passes through a layer when rows of token ids are trained."""
    model = LlamaForCausalLM.from_pretrained(folder)
    seen = []
    model.model.layers[0].mlp.register_forward_hook(lambda _m, inputs, _out: seen.append(tuple(inputs[0].shape[:2])))
    rows = [SimpleNamespace(input_ids=tuple(row), completion_start=len(row) - 1, weight=1.0) for row in rows]
    train_sft(model, AutoTokenizer.from_pretrained(folder), rows, config, seed=1, folder=target)
    return seen[-1]


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({"method": "full"}, (1, 10)),
        ({"method": "lora"}, (1, 10)),
        ({"method": "full", "gradient_checkpointing": True}, (1, 10)),
        ({"method": "lora", "lora": {"dropout": 0.5}}, (3, 7)),
        ({"method": "full", "trl": {"neftune_noise_alpha": 5}}, (3, 7)),
    ],
)
def test_training_is_packed_where_it_can_be(tiny_folder, tmp_path, settings, shape):
    config = TrainingConfig(epochs=1, batch_size=4, **settings)
    assert shapes_trained(tiny_folder, tmp_path, BATCHES["shared"], config) == shape
