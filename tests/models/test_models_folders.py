"""Model folders appear whole or not at all."""

import os

import pytest

from selftrain.errors import WorkspaceError
from selftrain.models import link_model, open_model
from selftrain.models.folders import atomic_path, content_files


def test_atomic_path_shows_nothing_of_a_failed_write(tmp_path):
    def fail():
        with atomic_path(tmp_path / "out") as folder:
            folder.mkdir()
            (folder / "half").write_text("x")
            raise KeyError("crash")

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_atomic_path_never_replaces(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(WorkspaceError, match="exists already"), atomic_path(target):
        pytest.fail("the block must not run")


def test_atomic_path_leaves_a_faster_writer_alone(tmp_path):
    target = tmp_path / "out"

    def write_second():
        with atomic_path(target) as folder:
            folder.mkdir()
            (folder / "file").write_text("second")
            target.mkdir()
            (target / "file").write_text("first")

    with pytest.raises(WorkspaceError, match="another process"):
        write_second()
    assert (target / "file").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_atomic_path_sweeps_what_a_killed_writer_left_long_ago(tmp_path):
    old, young = tmp_path / ".out.tmp-1", tmp_path / ".out.tmp-2"
    for folder in (old, young):
        folder.mkdir()
    os.utime(old, (0, 0))
    with atomic_path(tmp_path / "out") as path:
        path.write_text("x")
    assert sorted(path.name for path in tmp_path.iterdir()) == [young.name, "out"]


def test_link_model_shares_the_bytes_and_the_digest(tiny_folder, tmp_path):
    digest = open_model(tiny_folder).digest
    link_model(tiny_folder, tmp_path / "copy")
    assert open_model(tmp_path / "copy").digest == digest
    for source in content_files(tiny_folder):
        assert os.path.samefile(source, tmp_path / "copy" / source.name)


def test_link_model_copies_where_links_are_refused(tiny_folder, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    link_model(tiny_folder, tmp_path / "copy")
    assert open_model(tmp_path / "copy").digest == open_model(tiny_folder).digest
    assert not os.path.samefile(tiny_folder / "config.json", tmp_path / "copy" / "config.json")


def test_link_model_follows_symbolic_links(tiny_folder, tmp_path):
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for source in content_files(tiny_folder):
        (snapshot / source.name).symlink_to(source)
    link_model(snapshot, tmp_path / "copy")
    assert not any(path.is_symlink() for path in (tmp_path / "copy").iterdir())
    assert open_model(tmp_path / "copy").digest == open_model(tiny_folder).digest
