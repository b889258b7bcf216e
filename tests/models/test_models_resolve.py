"""A name becomes a model on disk, once, or one line that says why not."""

import importlib.util
import subprocess
import sys

import pytest
import torch

from selftrain.errors import ConfigError, MissingExtraError
from selftrain.export import export_model
from selftrain.models import load_model, load_tokenizer, open_model, resolve, resolve_model


@pytest.fixture(scope="module")
def tiny_gguf(tiny_folder, tmp_path_factory):
    """The tiny model as a GGUF file."""
    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    export_model(open_model(tiny_folder), "gguf", file)
    return file


def test_a_folder_is_used_where_it_lies(tiny_folder):
    model = resolve_model(str(tiny_folder))
    assert (model.folder, model.adapter) == (tiny_folder, None)
    assert model == open_model(tiny_folder)


def test_a_gguf_is_dequantized_once(tiny_gguf, tmp_path, monkeypatch, capfd):
    model = resolve_model(str(tiny_gguf), tmp_path)
    assert (model.name, model.folder.parent) == ("tiny", tmp_path / "models")
    assert {str(weight.dtype) for weight in load_model(model).parameters()} == {"torch.float32"}
    monkeypatch.setattr(resolve, "materialise", lambda file, folder: pytest.fail("dequantized again"))
    assert resolve_model(str(tiny_gguf), tmp_path) == model
    assert capfd.readouterr() == ("", "")


def test_a_gguf_keeps_its_tokenizer(tiny_gguf, tiny_folder, tmp_path):
    ours, theirs = (load_tokenizer(resolve_model(str(name), tmp_path)) for name in (tiny_gguf, tiny_folder))
    text = "<|im_start|>user\nwhat is  12 + 30?\n\n7 é<|im_end|>\n"
    assert ours(text).input_ids == theirs(text).input_ids
    assert ours.chat_template == theirs.chat_template
    for token in ("bos_token", "eos_token", "pad_token", "unk_token"):
        assert getattr(ours, token) == getattr(theirs, token)


def test_the_slower_of_two_processes_uses_the_folder_of_the_faster(tiny_gguf, tmp_path, monkeypatch):
    real = resolve.materialise

    def lose_the_race(file, folder):
        real(file, folder)
        real(file, folder)

    monkeypatch.setattr(resolve, "materialise", lose_the_race)
    model = resolve_model(str(tiny_gguf), tmp_path)
    assert [path.name for path in model.folder.parent.iterdir()] == [model.folder.name]


def test_a_cut_gguf_is_refused_and_leaves_nothing(tiny_gguf, tmp_path):
    whole = tiny_gguf.read_bytes()
    for length in (0, 3, 20, 3000, len(whole) - 5000, len(whole) - 1):
        (tmp_path / "cut.gguf").write_bytes(whole[:length])
        with pytest.raises(ConfigError, match="does not load") as caught:
            resolve_model(str(tmp_path / "cut.gguf"), tmp_path / "cache")
        assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("config.json"))


def test_other_bytes_named_gguf_are_refused(tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + bytes(range(256)) * 8)
    with pytest.raises(ConfigError, match="does not load"):
        resolve_model(str(tmp_path / "x.gguf"), tmp_path / "cache")


@pytest.mark.parametrize(
    ("name", "message"),
    [("smolm2", "is not known: use smollm2"), ("none.gguf", "does not exist"), ("a/b/c", "is not known")],
)
def test_an_unknown_name_is_one_line(name, message):
    with pytest.raises(ConfigError, match=message) as caught:
        resolve_model(name)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(ConfigError, match="is a file"):
        resolve_model(str(tmp_path / "model.bin"))


def test_the_hub_is_asked_for_data_only(tiny_folder, monkeypatch):
    import huggingface_hub

    asked = {}

    def download(name, **options):
        asked.update(options, name=name)
        return str(tiny_folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert resolve_model("owner/name").name == "owner/name"
    assert asked["name"] == "owner/name"
    assert not any(pattern.endswith((".py", ".bin", ".pt", "*")) for pattern in asked["allow_patterns"])


def test_a_hub_that_does_not_answer_is_one_line(monkeypatch):
    import huggingface_hub

    def fail(name, **options):
        raise OSError("no route\nto the hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(ConfigError, match=r"hub does not give it \(no route\)"):
        resolve_model("owner/name")


def test_smollm2_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"selftrain\[smollm2\]"):
        resolve_model("smollm2")


@pytest.mark.parametrize(("library", "extra"), [("gguf", "gguf"), ("transformers", "models")])
def test_a_gguf_without_its_libraries_names_the_extra(library, extra, tiny_gguf, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"{library} is not installed.*selftrain\[{extra}\]"):
        resolve_model(str(tiny_gguf), tmp_path)


def test_default_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("SELFTRAIN_CACHE", raising=False)
    assert resolve.default_cache() == tmp_path / "xdg" / "selftrain"
    monkeypatch.setenv("SELFTRAIN_CACHE", str(tmp_path / "own"))
    assert resolve.default_cache() == tmp_path / "own"


def test_importing_models_and_export_loads_no_torch():
    code = "import selftrain.export, sys; print({'torch', 'transformers', 'gguf'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


@pytest.mark.slow
def test_smollm2_is_the_model_its_makers_describe(smollm2):
    tokenizer = load_tokenizer(smollm2)
    # The ids llama.cpp gives for the same file; white space before a digit is where readers differ.
    assert tokenizer("sum:\n\n12  7").input_ids == [5422, 42, 1116, 33, 34, 256, 39]
    assert tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False).endswith(
        "<|im_start|>user\nhi<|im_end|>\n"
    )
    module = load_model(smollm2)
    ids = tokenizer("The capital of France is", return_tensors="pt").input_ids
    with torch.no_grad():
        assert tokenizer.decode(module(ids).logits[0, -1].argmax()) == " Paris"
    assert sum(weight.numel() for weight in module.parameters()) == 134_515_008
