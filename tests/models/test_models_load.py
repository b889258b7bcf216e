"""Loading is quiet, exact and refuses what would load only in part."""

import shutil

import pytest
from safetensors.torch import load_file, save_file

from selftrain.errors import ConfigError
from selftrain.models import load_model, load_tokenizer, open_model

TALK = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "yes"},
]


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A copy of the tiny model to write into."""
    return shutil.copytree(tiny_folder, tmp_path / "model")


def test_load_model_gives_the_stored_weights_without_a_word(tiny_folder, capfd):
    module = load_model(open_model(tiny_folder))
    stored = load_file(tiny_folder / "model.safetensors")
    assert all(weight.equal(stored[name]) for name, weight in module.state_dict().items() if name in stored)
    assert not module.training
    assert capfd.readouterr() == ("", "")


def test_load_model_casts(tiny_folder):
    weights = load_model(open_model(tiny_folder), dtype="bfloat16").parameters()
    assert {str(weight.dtype) for weight in weights} == {"torch.bfloat16"}


def test_load_tokenizer_keeps_template_and_special_tokens(tiny_folder):
    tokenizer = load_tokenizer(open_model(tiny_folder))
    text = tokenizer.apply_chat_template(TALK, tokenize=False)
    turns = ("system\nbe brief", "user\nhi", "assistant\nyes")
    assert text == "".join(f"<|im_start|>{turn}<|im_end|>\n" for turn in turns)
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|pad|>")
    every = "".join(map(chr, range(128))) + "  two  spaces é 日"
    assert tokenizer.decode(tokenizer(every).input_ids) == every


def test_a_tokenizer_without_pad_token_pads_with_its_end(folder):
    settings = folder / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace('"pad_token": "<|pad|>",', ""))
    assert load_tokenizer(open_model(folder)).pad_token == "<|im_end|>"


def test_a_tokenizer_without_end_token_is_refused(folder):
    settings = folder / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace('"eos_token": "<|im_end|>",', ""))
    with pytest.raises(ConfigError, match="without an end token"):
        load_tokenizer(open_model(folder))


def test_missing_weights_are_an_error_and_not_random_numbers(folder):
    weights = load_file(folder / "model.safetensors")
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lacks 1 weights .* model\.layers\.1\.mlp\.up_proj\.weight"):
        load_model(open_model(folder))


def test_weights_of_another_shape_are_an_error(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = weights["model.norm.weight"][:-1].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lacks 1 weights .* model\.norm\.weight"):
        load_model(open_model(folder))


@pytest.mark.parametrize("config", ["{", "{}", '{"model_type": "unheard-of"}'])
def test_a_bad_configuration_is_one_line(folder, config):
    (folder / "config.json").write_text(config)
    with pytest.raises(ConfigError, match="does not load") as caught:
        load_model(open_model(folder))
    assert "\n" not in str(caught.value)


def test_cut_weights_are_one_line(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ConfigError, match="does not load"):
        load_model(open_model(folder))


def test_code_beside_the_model_is_never_run(folder):
    (folder / "configuration_x.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    (folder / "config.json").write_text('{"model_type": "x", "auto_map": {"AutoConfig": "configuration_x.X"}}')
    with pytest.raises(ConfigError, match="does not load"):
        load_model(open_model(folder))
    assert not (folder / "ran").exists()
