"""A linked model folder is the same model."""

import os

from selftrain.models import link_model, open_model
from selftrain.models.folders import content_files


def test_link_model_shares_the_bytes_and_the_digest(tiny_folder, tmp_path):
    digest = open_model(tiny_folder).digest
    link_model(tiny_folder, tmp_path / "copy")
    assert open_model(tmp_path / "copy").digest == digest
    for source in content_files(tiny_folder):
        linked = os.path.samefile(source, tmp_path / "copy" / source.name)
        assert linked == (source.suffix == ".safetensors"), "an edited copy must not change the source"


def test_link_model_copies_where_links_are_refused(tiny_folder, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    link_model(tiny_folder, tmp_path / "copy")
    assert open_model(tmp_path / "copy").digest == open_model(tiny_folder).digest
    assert not os.path.samefile(tiny_folder / "model.safetensors", tmp_path / "copy" / "model.safetensors")


def test_link_model_follows_symbolic_links(tiny_folder, tmp_path):
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for source in content_files(tiny_folder):
        (snapshot / source.name).symlink_to(source)
    link_model(snapshot, tmp_path / "copy")
    assert not any(path.is_symlink() for path in (tmp_path / "copy").iterdir())
    assert open_model(tmp_path / "copy").digest == open_model(tiny_folder).digest
