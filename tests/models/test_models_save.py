"""What is saved is what was trained, and equal models have equal digests."""

import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file

from selftrain.errors import WorkspaceError
from selftrain.models import load_model, load_tokenizer, merge, open_model, save_adapter, save_model


def adapted(base, seed=0):
    """A peft module on a model, its adapter filled with random numbers (B starts at zero)."""
    settings = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "down_proj", "v_proj"], task_type="CAUSAL_LM")
    module = get_peft_model(load_model(base), settings)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in module.named_parameters():
        if "lora_" in name:
            weight.data = torch.randn(weight.shape, generator=generator) * 0.1
    return module


@pytest.fixture
def base(tiny_folder):
    """The tiny model."""
    return open_model(tiny_folder)


@pytest.fixture
def candidate(base, tmp_path):
    """The tiny model with a random adapter."""
    save_adapter(adapted(base), tmp_path / "adapter")
    return open_model(base.folder, name="candidate", adapter=tmp_path / "adapter")


def test_save_model_and_load_it_again(base, tmp_path, capfd):
    module = load_model(base)
    with torch.no_grad():
        module.model.norm.weight += 1
    digest = save_model(module, load_tokenizer(base), tmp_path / "deep" / "model")
    saved = open_model(tmp_path / "deep" / "model")
    assert saved.digest == digest != base.digest
    assert all(a.equal(b) for a, b in zip(load_model(saved).parameters(), module.parameters(), strict=True))
    assert not list(saved.folder.glob("*.bin"))
    assert {str(w.dtype) for w in load_file(saved.folder / "model.safetensors").values()} == {"torch.float32"}
    assert capfd.readouterr() == ("", "")


def test_digest_does_not_depend_on_the_place_or_the_number_of_times_saved(base, tmp_path):
    first = save_model(load_model(base), load_tokenizer(base), tmp_path / "a")
    copy = open_model(shutil.copytree(tmp_path / "a", tmp_path / "b" / "c"))
    assert save_model(load_model(copy), load_tokenizer(copy), tmp_path / "d") == first


def test_save_model_refuses_half_precision_and_adapters(base, candidate, tmp_path):
    tokenizer = load_tokenizer(base)
    with pytest.raises(ValueError, match=r"torch\.bfloat16"):
        save_model(load_model(base, dtype="bfloat16"), tokenizer, tmp_path / "out")
    with pytest.raises(ValueError, match="wears an adapter"):
        save_model(adapted(base), tokenizer, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_save_model_does_not_overwrite(base, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(WorkspaceError, match="exists already"):
        save_model(load_model(base), load_tokenizer(base), tmp_path / "out")


def test_adapter_is_merged_in_float32_and_then_cast(base, candidate):
    lora = load_file(candidate.adapter / "adapter_model.safetensors")
    stem = "base_model.model.model.layers.0.self_attn.q_proj"
    update = 16 / 4 * lora[f"{stem}.lora_B.weight"] @ lora[f"{stem}.lora_A.weight"]
    wanted = load_model(base).model.layers[0].self_attn.q_proj.weight + update
    merged = {
        d: load_model(candidate, dtype=d).model.layers[0].self_attn.q_proj.weight for d in ("float32", "bfloat16")
    }
    torch.testing.assert_close(merged["float32"], wanted)
    assert merged["bfloat16"].equal(merged["float32"].bfloat16())
    assert not merged["float32"].allclose(load_model(base).model.layers[0].self_attn.q_proj.weight, atol=1e-2)


def test_merge_equals_the_adapter_on_top(candidate, tmp_path):
    merged = merge(candidate, tmp_path / "merged")
    assert (merged.name, merged.adapter) == ("candidate", None)
    pairs = zip(load_model(candidate).parameters(), load_model(merged).parameters(), strict=True)
    assert all(a.equal(b) for a, b in pairs)


def test_adapter_digest_follows_its_weights_and_not_its_base_folder(base, candidate, tmp_path):
    elsewhere = open_model(shutil.copytree(base.folder, tmp_path / "elsewhere"))
    save_adapter(adapted(elsewhere), tmp_path / "same")
    save_adapter(adapted(elsewhere, seed=1), tmp_path / "other")
    assert open_model(base.folder, adapter=tmp_path / "same").digest == candidate.digest != base.digest
    assert open_model(base.folder, adapter=tmp_path / "other").digest != candidate.digest


def test_save_adapter_writes_two_files(candidate):
    names = sorted(path.name for path in candidate.adapter.iterdir())
    assert names == ["adapter_config.json", "adapter_model.safetensors"]
    assert '"base_model_name_or_path": null' in (candidate.adapter / "adapter_config.json").read_text()
