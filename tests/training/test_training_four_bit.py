"""method qlora, whole: an adapter trained on weights in 4 bits and merged into the float32 ones.

bitsandbytes has kernels for a CPU that prove the path; users are asked for a CUDA device.
"""

import math
from types import SimpleNamespace

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from tiny import tiny_model_folder

from selftrain.models import load_model, load_tokenizer, merge, open_model, save_adapter
from selftrain.training import TrainingConfig, train_dpo, train_sft

pytestmark = [pytest.mark.extra, pytest.mark.filterwarnings("error:.*autograd kernel was not registered")]
ROWS = [
    SimpleNamespace(input_ids=(5 + i, 6, 7, 8 + i, 9, 10), completion_start=2, weight=0.5 + i / 4) for i in range(4)
]
IDS = torch.tensor([row.input_ids for row in ROWS])


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    pytest.importorskip("bitsandbytes")
    return open_model(tiny_model_folder(tmp_path_factory.mktemp("four_bit") / "model", hidden=64))


@pytest.fixture(autouse=True)
def differentiable(monkeypatch):
    """Some CPUs have a kernel for evaluation alone, to which a model stays bound once it was evaluated."""
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: False)


def train(parent, folder, module=None, **changes):
    settings = {"method": "qlora", "batch_size": 2, "epochs": 1, "learning_rate": 0.05, "warmup_ratio": 0.0}
    logs = []
    trained = train_sft(
        module or load_model(parent, four_bit=True, device="cpu"),
        load_tokenizer(parent),
        ROWS,
        TrainingConfig(**{**settings, **changes}),
        seed=1,
        folder=folder,
        on_log=logs.append,
    )
    return trained, logs


@pytest.mark.parametrize("checkpointing", [False, True])
def test_an_adapter_trained_in_4_bits_merges_into_float32(parent, tmp_path, checkpointing):
    trained, logs = train(parent, tmp_path / "checkpoints", gradient_checkpointing=checkpointing)
    assert isinstance(trained, PeftModel)
    assert [log["step"] for log in logs] == [1, 2]
    adapted = {name: value for name, value in trained.named_parameters() if "lora_" in name}
    assert {value.dtype for value in adapted.values()} == {torch.float32}
    assert all(value.any() for name, value in adapted.items() if "lora_B" in name)

    save_adapter(trained, tmp_path / "adapter")
    candidate = open_model(parent.folder, adapter=tmp_path / "adapter")
    merged = merge(candidate, tmp_path / "merged")
    before, after = (load_file(model.folder / "model.safetensors") for model in (parent, merged))
    updates = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    for name, value in after.items():
        layer = f"base_model.model.{name.removesuffix('.weight')}"
        wanted = before[name]
        if f"{layer}.lora_A.weight" in updates:
            assert not torch.equal(value, wanted)
            wanted = wanted + 32 / 16 * updates[f"{layer}.lora_B.weight"] @ updates[f"{layer}.lora_A.weight"]
        torch.testing.assert_close(value, wanted, rtol=0, atol=1e-6)
    quantized, whole = trained(IDS).logits, load_model(merged)(IDS).logits
    start = load_model(parent)(IDS).logits
    assert (quantized - whole).norm() < (whole - start).norm()


def test_losses_and_gradients_are_those_of_the_dequantized_weights(parent, tmp_path):
    _, found = train(parent, tmp_path / "four bit")
    dequantized = load_model(parent, four_bit=True, device="cpu").dequantize().float()
    _, wanted = train(parent, tmp_path / "plain", module=dequantized, method="lora")
    for name in ("loss", "grad_norm"):
        assert [log[name] for log in found] == pytest.approx([log[name] for log in wanted], rel=0.02)


def test_training_in_4_bits_learns(parent, tmp_path):
    _, logs = train(parent, tmp_path, epochs=8)
    assert logs[-1]["loss"] < 0.7 * logs[0]["loss"]


def test_training_in_4_bits_is_repeatable_and_resumes(parent, tmp_path):
    states = []
    for folder in ("one", "two", "two"):  # the third goes on from the last checkpoint of the second
        trained, logs = train(parent, tmp_path / folder, save_steps=1)
        states.append({name: value for name, value in trained.state_dict().items() if "lora_" in name})
    assert logs == []
    for state in states[1:]:
        assert all(torch.equal(value, states[0][name]) for name, value in state.items())


def test_a_pair_is_compared_with_the_same_weights_in_4_bits(parent, tmp_path):
    pairs = [
        SimpleNamespace(prompt_ids=row.input_ids[:2], chosen_ids=row.input_ids[2:], rejected_ids=(11, 12), weight=1.0)
        for row in ROWS
    ]
    logs = []
    train_dpo(
        load_model(parent, four_bit=True, device="cpu"),
        load_tokenizer(parent),
        pairs,
        TrainingConfig(method="qlora", batch_size=4, epochs=4, learning_rate=0.01, warmup_ratio=0.0),
        seed=1,
        folder=tmp_path,
        on_log=logs.append,
    )
    assert logs[0]["loss"] == pytest.approx(math.log(2), abs=1e-3)
    assert logs[-1]["loss"] < 0.6
