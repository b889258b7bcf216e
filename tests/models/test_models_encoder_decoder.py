"""Encoder-decoder models load whole, and stay the same through saving, adapters and merging."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from tiny_t5 import END, tiny_t5_folder
from transformers import T5ForConditionalGeneration

from selftrain.errors import ConfigError
from selftrain.models import (
    context_length,
    is_encoder_decoder,
    load_model,
    load_tokenizer,
    merge,
    open_model,
    save_adapter,
    save_model,
)

INPUTS = {"input_ids": torch.tensor([[4, 5, 6, 1]]), "decoder_input_ids": torch.tensor([[0, 7, 8]])}


@pytest.fixture(params=[False, True], ids=["untied", "tied"])
def folder(request, tmp_path):
    return tiny_t5_folder(tmp_path / "model", tied=request.param)


def logits(module):
    with torch.no_grad():
        return module(**INPUTS).logits


def test_a_model_is_known_by_its_configuration(folder, tiny_folder):
    t5 = open_model(folder)
    assert is_encoder_decoder(t5)
    assert context_length(t5) is None
    assert not is_encoder_decoder(open_model(tiny_folder))


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_configuration_is_one_line(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=r"config\.json") as caught:
        is_encoder_decoder(open_model(folder))
    assert "\n" not in str(caught.value)


def test_the_module_and_the_tokenizer_are_those_on_disk(folder, capfd):
    module, tokenizer = load_model(open_model(folder)), load_tokenizer(open_model(folder))
    assert isinstance(module, T5ForConditionalGeneration)
    assert not module.training
    stored = load_file(folder / "model.safetensors")
    assert all(weight.equal(stored[name]) for name, weight in module.state_dict().items() if name in stored)
    tied = "lm_head.weight" not in stored
    assert (module.lm_head.weight is module.shared.weight) == tied == module.config.scale_decoder_outputs
    assert tokenizer.decode(tokenizer("The answer is 12.").input_ids) == f"The answer is 12.{END}"
    assert capfd.readouterr() == ("", "")


def test_a_saved_model_is_the_same(folder, tmp_path):
    model = open_model(folder)
    module = load_model(model)
    with torch.no_grad():
        module.lm_head.weight.mul_(1.5)
    saved = save_model(module, load_tokenizer(model), tmp_path / "saved")
    again = open_model(tmp_path / "saved")
    assert saved == again.digest != model.digest
    assert torch.equal(logits(load_model(again)), logits(module))
    assert save_model(load_model(again), load_tokenizer(again), tmp_path / "copy") == again.digest
    assert {path.suffix for path in (tmp_path / "saved").iterdir()} == {".json", ".safetensors"}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_adapter_merges_in_memory_as_on_disk(folder, tmp_path, dtype):
    model = open_model(folder)
    adapted = get_peft_model(load_model(model), LoraConfig(r=2, target_modules="all-linear", task_type="SEQ_2_SEQ_LM"))
    for name, weight in adapted.named_parameters():
        assert "lm_head.lora" not in name
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    save_adapter(adapted, tmp_path / "adapter")
    candidate = open_model(folder, adapter=tmp_path / "adapter")
    merged = load_model(merge(candidate, tmp_path / "merged"), dtype=dtype)
    found = logits(load_model(candidate, dtype=dtype))
    assert torch.equal(found, logits(merged))
    assert {weight.dtype for weight in merged.parameters()} == {getattr(torch, dtype)}
    if dtype == "float32":
        torch.testing.assert_close(found, logits(adapted.eval()), rtol=1e-4, atol=1e-4)
        assert not torch.allclose(found, logits(load_model(model)), atol=1e-2)
