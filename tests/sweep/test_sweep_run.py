"""Running a sweep: what its folder holds, and whose folder it is."""

from types import SimpleNamespace

import pytest
import yaml
from make_run import make_run

from selftrain.config import load_config
from selftrain.errors import ConfigError, WorkspaceError
from selftrain.run_folder import RunFolder
from selftrain.store import lock
from selftrain.sweep import run as module
from selftrain.sweep.run import run_sweep

CONFIG = {"task": "files", "name": "s"}


@pytest.fixture
def began(monkeypatch):
    """Names of the runs that began. They are made up; those of seed 3 were begun with another configuration."""
    names = []

    def run(config):
        names.append(config.name)
        if config.seed == 3:
            raise WorkspaceError(f"the run {config.name} was begun with another configuration")
        return SimpleNamespace(folder=make_run(config.workspace / ".made" / config.name, name=config.name))

    def folder(variant):
        return variant.config.workspace / ".made" / variant.config.name / variant.config.name

    monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr("selftrain.sweep.variants.Variant.folder", property(folder))
    monkeypatch.setattr(module, "check_needs", lambda variants: None)
    return names


def sweep(folder, *words):
    return run_sweep({**CONFIG, "workspace": folder}, words)


def test_a_configuration_is_kept_once_its_run_took_it(tmp_path, began):
    with pytest.raises(WorkspaceError, match="begun with another"):
        sweep(tmp_path, "seed=2,3")
    assert began == ["s-seed-2", "s-seed-3"]
    (kept,) = (tmp_path / "s" / "variants").iterdir()
    assert load_config(kept).seed == 2
    assert yaml.safe_load(kept.read_text())["name"] == "s-seed-2"


def test_nothing_is_made_if_a_variant_lacks_something(tmp_path, began, monkeypatch):
    def lacking(variants):
        raise ConfigError("the variant seed-2: no task")

    monkeypatch.setattr(module, "check_needs", lacking)
    with pytest.raises(ConfigError, match="no task"):
        sweep(tmp_path, "seed=1,2")
    assert (began, list(tmp_path.iterdir())) == ([], [])


def test_the_folder_of_a_run_is_no_sweeps(tmp_path, began):
    make_run(tmp_path, name="s")
    with pytest.raises(WorkspaceError, match=r"s is the folder of a run: give the sweep another name, such as name="):
        sweep(tmp_path, "seed=1,2")
    assert began == []


def test_the_folder_of_a_sweep_is_no_runs(tmp_path, began):
    sweep(tmp_path, "seed=1,2")
    config = load_config({**CONFIG, "workspace": tmp_path})
    with pytest.raises(WorkspaceError, match="s is the folder of a sweep: give the run another name"):
        RunFolder(tmp_path / "s").begin(config, {})
    assert not (tmp_path / "s" / "run.yaml").exists()


def test_two_sweeps_of_one_name_do_not_run_at_once(tmp_path, began):
    (tmp_path / "s").mkdir()
    with (
        lock(tmp_path / "s" / "lock", wait=False, what="the other"),
        pytest.raises(WorkspaceError, match=r"the sweep .*/s is in use by another process"),
    ):
        sweep(tmp_path, "seed=1,2")
    assert began == []
    assert sweep(tmp_path, "seed=1,2") == tmp_path / "s"
