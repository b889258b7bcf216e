"""Files and folders appear whole or not at all."""

import os

import pytest

from selftrain.errors import WorkspaceError
from selftrain.files import HALF_WRITTEN, atomic_path


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
    old, young = tmp_path / f".out.tmp-{1:032x}", tmp_path / f".out.tmp-{2:032x}"
    for folder in (old, young):
        folder.mkdir()
    os.utime(old, (0, 0))
    with atomic_path(tmp_path / "out") as path:
        path.write_text("x")
    assert sorted(path.name for path in tmp_path.iterdir()) == [young.name, "out"]


def test_what_is_being_written_can_be_told_by_its_name(tmp_path):
    with atomic_path(tmp_path / "rows.jsonl") as path:
        assert HALF_WRITTEN.fullmatch(path.name)
        path.write_text("x")
    for name in ("rows.jsonl", ".hidden", ".lock.tmp", ".cache.0123456789abcdef"):
        assert not HALF_WRITTEN.fullmatch(name)


def test_replacing_takes_the_place_of_a_file_and_of_nothing_else(tmp_path):
    target = tmp_path / "out"
    target.write_text("old")
    os.link(target, tmp_path / "link")
    with atomic_path(target, replace=True) as path:
        path.write_text("new")
        assert target.read_text() == "old"
    assert (target.read_text(), (tmp_path / "link").read_text()) == ("new", "old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(WorkspaceError, match="exists already"), atomic_path(tmp_path / "folder", replace=True):
        pytest.fail("the block must not run")


def test_replacing_that_fails_keeps_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "out"
    target.write_text("old")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    def write():
        with atomic_path(target, replace=True) as path:
            path.write_text("new")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full_disk)
            with pytest.raises(OSError, match="No space left"):
                write()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with (
        pytest.raises(WorkspaceError, match="out cannot be written: Permission denied; choose another place"),
        atomic_path(tmp_path / "out") as path,
    ):
        path.write_text("x")
    assert list(tmp_path.iterdir()) == []
