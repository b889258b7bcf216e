"""Weights in 4 bits: what is asked of the machine, and what of a model is quantized."""

import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import tiny_model_folder

from selftrain.errors import ConfigError, MissingExtraError
from selftrain.models import Model, check_four_bit, load_model, open_model


@pytest.fixture
def library(monkeypatch):
    """Sets whether there is a CUDA device and bitsandbytes."""

    def have(*, cuda, bitsandbytes):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr("selftrain.models.four_bit.find_spec", lambda name: object() if bitsandbytes else None)

    return have


@pytest.mark.parametrize(
    ("cuda", "bitsandbytes", "named"),
    [
        (False, True, "finds no CUDA device: use one, or 'lora'"),
        (True, False, r"bitsandbytes is not installed: run pip install 'selftrain\[4bit\]', or use 'lora'"),
    ],
)
def test_what_is_missing_is_one_line(library, cuda, bitsandbytes, named):
    library(cuda=cuda, bitsandbytes=bitsandbytes)
    with pytest.raises(ConfigError, match=rf"^training.method is 'qlora' and .*{named}$"):
        check_four_bit()


def test_a_fit_machine_is_told_nothing(library):
    library(cuda=True, bitsandbytes=True)
    check_four_bit()


def test_without_torch_the_check_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"torch is not installed: run pip install 'selftrain\[train\]'"):
        check_four_bit()


def test_loading_without_bitsandbytes_names_the_extra(library, tiny_folder):
    library(cuda=False, bitsandbytes=False)
    with pytest.raises(MissingExtraError, match=r"bitsandbytes is not installed: run pip install 'selftrain\[4bit\]'"):
        load_model(open_model(tiny_folder), four_bit=True)


def test_an_adapter_is_merged_before_its_model_is_quantized(tiny_folder, tmp_path):
    model = Model(name="candidate", folder=tiny_folder, adapter=tmp_path, digest="0")
    with pytest.raises(ValueError, match=r"candidate has an adapter, .*: merge it"):
        load_model(model, four_bit=True)


def test_another_dtype_is_refused(tiny_folder):
    with pytest.raises(ValueError, match="float32, found dtype 'bfloat16'"):
        load_model(open_model(tiny_folder), four_bit=True, dtype="bfloat16")


@pytest.mark.extra
@pytest.mark.parametrize("tied", [True, False])
def test_linear_layers_are_quantized_and_nothing_else(tmp_path, tied):
    pytest.importorskip("bitsandbytes")
    model = open_model(tiny_model_folder(tmp_path / "model", hidden=64, tied=tied))
    plain, quantized = load_model(model), load_model(model, four_bit=True, device="cpu")
    kinds = {name: parameter.dtype for name, parameter in quantized.named_parameters()}
    assert {name for name, kind in kinds.items() if kind == torch.uint8} == {
        name for name, _ in plain.named_parameters() if "proj" in name
    }
    assert set(kinds.values()) == {torch.uint8, torch.float32}
    assert quantized.model.layers[0].mlp.up_proj.weight.quant_state.quant_type == "nf4"
    assert quantized.model.layers[0].mlp.up_proj.weight.quant_state.nested
    assert not quantized.training
    ids = torch.arange(5, 25)[None]
    found, wanted = quantized(ids).logits, plain(ids).logits
    assert found.dtype == torch.float32
    assert 0 < (found - wanted).abs().max() < 0.3 * wanted.abs().max()


@pytest.mark.extra
def test_missing_weights_are_an_error_in_4_bits_too(tmp_path):
    pytest.importorskip("bitsandbytes")
    folder = tiny_model_folder(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lacks 1 weights .* model\.layers\.1\.mlp\.up_proj\.weight"):
        load_model(open_model(folder), four_bit=True, device="cpu")
