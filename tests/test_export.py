"""What other programs read back is the model that was exported."""

import shutil
from dataclasses import replace

import pytest
import torch
from tiny import tiny_model_folder, tiny_tokenizer

from selftrain.errors import ConfigError, WorkspaceError
from selftrain.export import export_model, export_run
from selftrain.models import (
    load_model,
    load_tokenizer,
    merge,
    open_model,
    resolve_model,
    save_adapter,
    save_model,
)

TEXT = "<|im_start|>user\nwhat is the sum of 12 and 30?<|im_end|>\n"


def logits(model):
    """Logits of a model over a fixed text."""
    ids = load_tokenizer(model)(TEXT, return_tensors="pt").input_ids
    with torch.no_grad():
        return load_model(model)(ids).logits


def assert_same_to_half_precision(model, other):
    """The weights are equal once rounded to float16, the logits close."""
    pairs = zip(load_model(model).state_dict().items(), load_model(other).state_dict().items(), strict=True)
    for (name, ours), (other_name, theirs) in pairs:
        assert name == other_name
        wanted = ours.half().float() if ours.dim() > 1 else ours
        assert wanted.equal(theirs), name
    assert not logits(model).allclose(torch.zeros(1), atol=1e-3)
    torch.testing.assert_close(logits(model), logits(other), rtol=0, atol=2e-3)


@pytest.fixture
def lively(tmp_path):
    """A tiny model whose biases and norms are random too, so that no two weights can be mixed up unseen."""
    return open_model(enliven(tiny_model_folder(tmp_path / "lively", seed=3, tied=False)))


def enliven(folder):
    """Give every weight of a model folder random values of a size that matters."""
    model = open_model(folder)
    module, tokenizer = load_model(model), load_tokenizer(model)
    generator = torch.Generator().manual_seed(1)
    for weight in module.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * 0.2
    shutil.rmtree(folder)
    save_model(module, tokenizer, folder)
    return folder


def test_hf_is_a_plain_folder_of_its_own(tiny_folder, tmp_path):
    model = open_model(tiny_folder)
    export_model(model, "hf", tmp_path / "out")
    assert logits(open_model(tmp_path / "out")).equal(logits(model))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} < names
    assert all(path.stat().st_nlink == 1 for path in (tmp_path / "out").iterdir())


def test_adapter_is_copied_or_refused(tiny_folder, tmp_path):
    from peft import LoraConfig, PeftModel, get_peft_model

    base = open_model(tiny_folder)
    with pytest.raises(ConfigError, match="has no adapter"):
        export_model(base, "adapter", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    trained = get_peft_model(load_model(base), LoraConfig(target_modules=["q_proj"], init_lora_weights=False))
    save_adapter(trained, tmp_path / "adapter")
    model = open_model(tiny_folder, adapter=tmp_path / "adapter")
    export_model(model, "adapter", tmp_path / "out")
    outside = PeftModel.from_pretrained(load_model(base), str(tmp_path / "out")).merge_and_unload()
    pairs = zip(outside.parameters(), load_model(model).parameters(), strict=True)
    assert all(a.equal(b) for a, b in pairs)


def test_gguf_of_a_tied_model_reads_back_equal(tiny_folder, tmp_path):
    model = open_model(tiny_folder)
    export_model(model, "gguf", tmp_path / "out.gguf")
    assert_same_to_half_precision(model, resolve_model(str(tmp_path / "out.gguf"), tmp_path / "cache"))


def test_gguf_of_an_untied_model_with_random_norms_reads_back_equal(lively, tmp_path):
    export_model(lively, "gguf", tmp_path / "out.gguf")
    assert_same_to_half_precision(lively, resolve_model(str(tmp_path / "out.gguf"), tmp_path / "cache"))


@pytest.mark.parametrize(("family", "heads"), [("Qwen2", {}), ("Qwen3", {"head_dim": 128})])
def test_gguf_of_the_other_families_reads_back_equal(family, heads, tmp_path):
    import transformers

    tokenizer = tiny_tokenizer()
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(tokenizer) + 6,  # rows without a token, as these families have
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        **heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        dtype="float32",
    )
    module = getattr(transformers, f"{family}ForCausalLM")(config)
    save_model(module, tokenizer, tmp_path / "model")
    model = open_model(enliven(tmp_path / "model"))
    export_model(model, "gguf", tmp_path / "out.gguf")
    assert_same_to_half_precision(model, resolve_model(str(tmp_path / "out.gguf"), tmp_path / "cache"))


def test_gguf_rows_of_q_are_interleaved_halves(lively, tmp_path):
    from gguf import GGUFReader

    export_model(lively, "gguf", tmp_path / "out.gguf")
    tensors = {tensor.name: tensor for tensor in GGUFReader(tmp_path / "out.gguf").tensors}
    layer = load_model(lively).model.layers[0]
    head = layer.self_attn.q_proj.weight[:8].half()  # one head of eight rows: i and i + 4 lie side by side
    stored = torch.from_numpy(tensors["blk.0.attn_q.weight"].data[:8].copy())
    assert stored.equal(head[[0, 4, 1, 5, 2, 6, 3, 7]])
    assert tensors["blk.0.attn_norm.weight"].tensor_type.name == "F32"
    assert tensors["output.weight"].tensor_type.name == "F16"


def test_a_descendant_of_a_gguf_keeps_its_header(tiny_folder, tmp_path):
    from gguf import GGUFReader

    export_model(open_model(tiny_folder, name="ancestor"), "gguf", tmp_path / "base.gguf")
    base = resolve_model(str(tmp_path / "base.gguf"), tmp_path / "cache")
    (tmp_path / "base.gguf").unlink()
    module = load_model(base)
    with torch.no_grad():
        module.model.embed_tokens.weight += 0.5
    save_model(module, load_tokenizer(base), tmp_path / "child", parent=base)
    child = merge(open_model(tmp_path / "child"), tmp_path / "grandchild")
    export_model(child, "gguf", tmp_path / "out.gguf")
    fields = GGUFReader(tmp_path / "out.gguf").fields
    assert fields["general.name"].contents() == "ancestor"
    assert len(fields["tokenizer.ggml.tokens"].contents()) == module.config.vocab_size
    assert_same_to_half_precision(child, resolve_model(str(tmp_path / "out.gguf"), tmp_path / "cache"))


def test_a_header_of_another_vocabulary_is_refused(tiny_folder, tmp_path):
    export_model(open_model(tiny_folder), "gguf", tmp_path / "base.gguf")
    base = resolve_model(str(tmp_path / "base.gguf"), tmp_path / "cache")
    module = load_model(base)
    module.resize_token_embeddings(module.config.vocab_size + 2)
    save_model(module, load_tokenizer(base), tmp_path / "grown", parent=base)
    with pytest.raises(ConfigError, match="312 embedding rows but its GGUF header 310 tokens"):
        export_model(open_model(tmp_path / "grown"), "gguf", tmp_path / "out.gguf")


def test_values_float16_cannot_hold_are_refused(tiny_folder, tmp_path):
    base = open_model(tiny_folder)
    module = load_model(base)
    module.model.layers[0].mlp.up_proj.weight.data[0, 0] = 1e6
    save_model(module, load_tokenizer(base), tmp_path / "model")
    with pytest.raises(ConfigError, match="float16 cannot hold"):
        export_model(open_model(tmp_path / "model"), "gguf", tmp_path / "out.gguf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_an_architecture_the_format_cannot_express_is_one_line(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = tiny_tokenizer()
    module = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2))
    save_model(module, tokenizer, tmp_path / "model")
    with pytest.raises(ConfigError, match="architecture gpt2 cannot be written") as caught:
        export_model(open_model(tmp_path / "model"), "gguf", tmp_path / "out.gguf")
    assert "\n" not in str(caught.value)


def test_rope_scaling_is_refused(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(
        config.replace('"rope_type": "default"', '"rope_type": "linear", "factor": 2.0')
    )
    with pytest.raises(ConfigError, match="rope scaling 'linear'"):
        export_model(open_model(folder), "gguf", tmp_path / "out.gguf")


def test_out_is_never_replaced_and_kinds_are_checked(tiny_folder, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(WorkspaceError, match="exists already"):
        export_model(open_model(tiny_folder), "gguf", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"
    with pytest.raises(ValueError, match="kind"):
        export_model(open_model(tiny_folder), "onnx", tmp_path / "new")


@pytest.fixture
def pair(tiny_folder, tmp_path):
    """The folder of two models as one."""
    folder = shutil.copytree(tiny_folder, tmp_path / "pair")
    tiny_model_folder(folder / "extractive", seed=1)
    return folder


def test_hf_of_a_pair_is_a_pair(pair, tmp_path, capsys):
    out = export_run(pair, "hf", tmp_path / "out")
    found, wanted = open_model(out), open_model(pair)
    assert logits(found).equal(logits(wanted))
    assert logits(found.extractive).equal(logits(wanted.extractive))
    assert not logits(found).equal(logits(found.extractive))
    modes = {path.stat().st_mode & 0o777 for path in (*out.glob("*.*"), *(out / "extractive").iterdir())}
    assert len(modes) == 1, "whoever reads the one reads the other"
    assert capsys.readouterr().err.count(str(out / "extractive")) == 1


def test_gguf_of_a_pair_is_two_files(pair, tmp_path, capsys):
    export_run(pair, "gguf", tmp_path / "out.gguf")
    model = open_model(pair)
    for each, name in ((model, "out.gguf"), (model.extractive, "out-extractive.gguf")):
        assert_same_to_half_precision(each, resolve_model(str(tmp_path / name), tmp_path / "cache"))
    assert capsys.readouterr().err.count("out-extractive.gguf") == 1


@pytest.mark.parametrize("name", ["out.gguf", "out-extractive.gguf"])
def test_neither_file_of_a_pair_replaces_another(pair, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(WorkspaceError, match=f"{name} exists already"):
        export_run(pair, "gguf", tmp_path / "out.gguf")
    assert (tmp_path / name).read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "pair"])


def test_adapters_of_a_pair_are_refused(pair, tmp_path):
    model = open_model(pair)
    with pytest.raises(ConfigError, match="is two models") as caught:
        export_model(replace(model, adapter=tmp_path), "adapter", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.extra
def test_smollm2_survives_the_way_to_gguf_and_back(smollm2, tmp_path):
    export_model(smollm2, "gguf", tmp_path / "out.gguf")
    again = resolve_model(str(tmp_path / "out.gguf"), tmp_path / "cache")
    ours, theirs = load_model(smollm2).state_dict(), load_model(again).state_dict()
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name], rtol=2**-11, atol=2**-24)
    assert (again.folder / "tokenizer.json").read_bytes() == (smollm2.folder / "tokenizer.json").read_bytes()
    torch.testing.assert_close(logits(smollm2), logits(again), rtol=0, atol=0.1)
