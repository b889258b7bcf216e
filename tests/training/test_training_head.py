"""The loss of completion tokens equals that of full logits, for plain heads and for others."""

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaConfig, LlamaForCausalLM

from selftrain.training import head
from selftrain.training.head import add_completion_nll

SIZES = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
}
IDS = torch.tensor([[5, 6, 7, 8, 9, 0], [4, 3, 2, 1, 5, 6]])
LABELS = torch.tensor([[-100, -100, 7, 8, 9, -100], [-100, 3, -100, -100, 5, 6]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 0], [1] * 6])


def llama():
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES, initializer_range=0.2))


def gemma2():
    """Caps its logits after the head."""
    torch.manual_seed(0)
    config = Gemma2Config(**SIZES, initializer_range=0.2, final_logit_softcapping=0.5)
    return Gemma2ForCausalLM(config)


def nll_and_gradient(model, **labels):
    model.zero_grad()
    if labels:
        nll = model(input_ids=IDS, attention_mask=MASK, **labels)
    else:
        logits = model(input_ids=IDS, attention_mask=MASK).logits[:, :-1]
        nll = cross_entropy(logits.transpose(1, 2), LABELS[:, 1:], reduction="none")
    (nll**2).sum().backward()
    return nll.detach(), torch.cat([p.grad.flatten() for p in model.parameters()])


@pytest.mark.parametrize("make", [llama, gemma2])
def test_equals_full_logits(make):
    model = make()
    expected = nll_and_gradient(model)
    add_completion_nll(model)
    for found, wanted in zip(nll_and_gradient(model, completion_labels=LABELS), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("make", "seen"), [(llama, 6), (gemma2, 12)])
def test_only_completion_positions_reach_a_plain_head(make, seen):
    model = make()
    add_completion_nll(model)
    positions = []
    model.lm_head.register_forward_hook(lambda _m, _i, out: positions.append(out.numel() // out.shape[-1]))
    model(input_ids=IDS, attention_mask=MASK, completion_labels=LABELS)
    assert positions == [seen]


def test_chunks_change_nothing(monkeypatch):
    model = llama()
    add_completion_nll(model)
    expected = nll_and_gradient(model, completion_labels=LABELS)
    monkeypatch.setattr(head, "LOGITS_AT_ONCE", 2 * SIZES["vocab_size"])
    for found, wanted in zip(nll_and_gradient(model, completion_labels=LABELS), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_the_plain_forward_is_unchanged():
    model = llama()
    expected = model(IDS, labels=LABELS)
    add_completion_nll(model)
    found = model(IDS, labels=LABELS)
    assert torch.equal(found.logits, expected.logits)
    assert found.loss == expected.loss
