"""A model's digest follows its content; unusable folders are refused in one line."""

import json
import os
import shutil

import pytest

from selftrain.errors import ConfigError
from selftrain.models import model, open_model


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A copy of the tiny model to write into."""
    return shutil.copytree(tiny_folder, tmp_path / "model")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors"])
def test_digest_changes_with_every_content_file(folder, name):
    before = open_model(folder).digest
    with (folder / name).open("ab") as file:
        file.write(b" ")
    assert open_model(folder).digest != before


def test_digest_ignores_other_files_and_the_name_of_the_folder(folder, tmp_path):
    before = open_model(folder).digest
    (folder / "README.md").write_text("words")
    assert open_model(folder.rename(tmp_path / "elsewhere")).digest == before


def test_digest_is_read_from_its_stamp(folder, monkeypatch):
    before = open_model(folder).digest
    monkeypatch.setattr(model, "files_digest", lambda files: pytest.fail("hashed again"))
    assert open_model(folder).digest == before


def test_a_damaged_stamp_is_replaced(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SELFTRAIN_CACHE", str(tmp_path / "cache"))
    before = open_model(folder).digest
    (stamp,) = (tmp_path / "cache" / "digests").iterdir()
    for text in ("", "[]", '{"digest": 1}', '{"digest": "0", "files": {}}'):
        stamp.write_text(text)
        assert open_model(folder).digest == before
    assert json.loads(stamp.read_text())["digest"] == before


def test_nothing_is_written_into_the_folder(folder):
    before = sorted(folder.iterdir())
    open_model(folder)
    assert sorted(folder.iterdir()) == before


def test_a_cache_that_cannot_be_written_does_not_matter(folder, tmp_path, monkeypatch):
    before = open_model(folder).digest
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SELFTRAIN_CACHE", str(tmp_path / "file"))
    assert open_model(folder).digest == before


def test_other_content_of_equal_size_and_time_is_noticed(folder):
    file = folder / "config.json"
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    before = open_model(folder).digest
    file.write_bytes(file.read_bytes().replace(b"512", b"513"))
    os.utime(file, ns=times)
    assert open_model(folder).digest != before


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no weights"),
        ("tokenizer.json", "has no tokenizer"),
    ],
)
def test_an_incomplete_folder_is_refused(folder, missing, message):
    (folder / missing).unlink()
    with pytest.raises(ConfigError, match=message) as caught:
        open_model(folder)
    assert "\n" not in str(caught.value)


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="only pickled weights"):
        open_model(folder)


def test_an_adapter_folder_is_told_apart(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigError, match="merge it into its base"):
        open_model(tmp_path)


def test_an_adapter_without_safetensors_is_refused(folder, tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"no adapter_model\.safetensors"):
        open_model(folder, adapter=tmp_path)
