"""Two models as one: the partner is found beside the model, counts in its identity, and must share its vocabulary."""

import json
import shutil
from pathlib import Path

import pytest
from tiny import tiny_model_folder

from selftrain.errors import ConfigError
from selftrain.models import Model, model, open_model, resolve_model


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """The folder of a pair."""
    place = shutil.copytree(tiny_folder, tmp_path / "pair")
    tiny_model_folder(place / "extractive", seed=1)
    return place


def test_a_model_without_a_partner_is_known_by_its_digest():
    found = Model(name="one", folder=Path("one"), digest="c2b5d5a2e5a5d0a1")
    assert found.identity == "c2b5d5a2e5a5d0a1"


def test_a_pair_is_known_by_both_digests_in_their_places():
    one, other = (Model(name=name, folder=Path(name), digest=name) for name in ("one", "other"))
    pair = Model(name="one", folder=Path("one"), digest="one", extractive=other)
    turned = Model(name="other", folder=Path("other"), digest="other", extractive=one)
    assert pair.identity == "e6a5e673f5a7aa30"
    assert len({pair.identity, turned.identity, one.identity, other.identity}) == 4
    assert pair.alone == one


def test_the_partner_is_found_beside_the_model(folder, tiny_folder):
    pair = resolve_model(str(folder))
    assert pair.digest == open_model(tiny_folder).digest
    assert (pair.extractive.folder, pair.extractive.name) == (folder / "extractive", "pair-extractive")
    assert pair.extractive.digest == open_model(folder / "extractive").digest != pair.digest
    assert pair.identity != pair.digest


def test_a_partner_of_a_partner_is_refused(folder):
    shutil.copytree(folder / "extractive", folder / "extractive" / "extractive")
    with pytest.raises(ConfigError, match="has a sub-folder extractive, too: two models make a pair") as caught:
        open_model(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_its_own_partner_is_refused(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    (folder / "extractive").symlink_to(".")
    with pytest.raises(ConfigError, match="two models make a pair"):
        open_model(folder)


def test_a_partner_that_is_no_model_is_refused(folder):
    (folder / "extractive" / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"extractive has no config\.json"):
        open_model(folder)


@pytest.mark.parametrize("changed", [{"vocab": 270}, {"lines": ["zebras quiz foxes"]}], ids=["size", "words"])
def test_a_partner_with_another_vocabulary_is_refused(tiny_folder, tmp_path, changed):
    folder = shutil.copytree(tiny_folder, tmp_path / "pair")
    tiny_model_folder(folder / "extractive", **changed)
    with pytest.raises(ConfigError, match="extractive has another vocabulary than") as caught:
        open_model(folder)
    assert "\n" not in str(caught.value)


def test_the_same_vocabulary_in_another_file_will_do(folder, monkeypatch):
    file = folder / "extractive" / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text()), indent=1))
    assert open_model(folder).extractive
    monkeypatch.setattr(model, "_VOCABULARY", ("chat_template.jinja",))
    file.write_text("damaged")
    assert open_model(folder).extractive, "equal files need not be loaded"


def test_the_hub_is_asked_for_a_partner(folder, monkeypatch):
    import huggingface_hub

    def download(name, allow_patterns):
        assert {"config.json", "extractive/config.json", "extractive/model*.safetensors"} < set(allow_patterns)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert resolve_model("owner/name").extractive.name == "owner/name-extractive"
