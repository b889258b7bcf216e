"""Only whole checkpoints of the same training count, whatever a crash leaves behind."""

import shutil

import pytest

from selftrain.errors import WorkspaceError
from selftrain.training.checkpoints import MARKER, Checkpoints


def write(folder, step):
    path = folder / f"checkpoint-{step}" / "inner"
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"weights")


def test_an_absent_folder_has_none(tmp_path):
    assert Checkpoints(tmp_path / "absent", "key").newest() is None


def test_newest_is_by_number_and_old_ones_go(tmp_path):
    checkpoints = Checkpoints(tmp_path, "key")
    for step in (2, 9, 10):
        write(tmp_path, step)
        checkpoints.seal(step)
    assert checkpoints.newest() == tmp_path / "checkpoint-10"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-9"]


def test_torn_checkpoints_are_deleted(tmp_path):
    checkpoints = Checkpoints(tmp_path, "key")
    write(tmp_path, 2)
    checkpoints.seal(2)
    write(tmp_path, 4)
    (tmp_path / "checkpoint-4" / f"{MARKER}.part").write_text("ke")
    assert checkpoints.newest() == tmp_path / "checkpoint-2"
    assert not (tmp_path / "checkpoint-4").exists()


def test_a_deletion_cut_short_leaves_a_torn_checkpoint(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, "key")

    def killed(path):
        raise KeyboardInterrupt

    for step in (1, 2):
        write(tmp_path, step)
        checkpoints.seal(step)
    write(tmp_path, 3)
    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.seal(3)
    assert not (tmp_path / "checkpoint-1" / MARKER).exists()
    monkeypatch.undo()
    assert checkpoints.newest() == tmp_path / "checkpoint-3"


def test_another_training_is_refused_and_kept(tmp_path):
    write(tmp_path, 1)
    Checkpoints(tmp_path, "key").seal(1)
    with pytest.raises(WorkspaceError, match="other rows or settings"):
        Checkpoints(tmp_path, "other").newest()
    assert (tmp_path / "checkpoint-1" / MARKER).exists()
