"""The end of a run: when it counts as finished, and how often the test split was read, wherever it is killed."""

import json
from dataclasses import replace

import pytest
import yaml
from make_run import make_run
from tiny import tiny_model_folder

from selftrain import run_folder as module
from selftrain.config import RunConfig
from selftrain.errors import ConfigError, WorkspaceError
from selftrain.export import export_run
from selftrain.models import Model, open_model, resolve_model
from selftrain.report.record import read_run
from selftrain.run_folder import RunFolder
from selftrain.session import Session
from selftrain.store import Workspace

WRITES = 4
"""Of `finish`: the count, the model, the audit, the result."""


class Killed(BaseException):
    """In place of kill -9."""


def config(root, rounds):
    return RunConfig.model_validate(
        {"name": "run", "workspace": root, "task": "files", "recipe": "vanilla", "rounds": rounds}
    )


def made(root, digest, extractive=None):
    """A model of a given digest, perhaps one of a pair."""
    folder = root / f"model-{digest}"
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_text(digest)
    return Model(name=digest, folder=folder, digest=digest, extractive=extractive)


def end(root, rounds, digest, extractive=None):
    """Ends a run with a model of a given digest."""
    audit = read_run(root / "run").rounds[0].audit
    unused = (None,) * 5
    session = Session(config(root, rounds), *unused, RunFolder(root / "run"), Workspace(root), None, None, None)
    session.finish(made(root, digest, extractive), [1], audit)


def kill_at(monkeypatch, place):
    """Dies instead of making the write with this number."""
    left = [place]

    def dying(write):
        def call(*words, **more):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            write(*words, **more)

        return call

    for name in ("write_json", "_put"):
        monkeypatch.setattr(module, name, dying(getattr(module, name)))


@pytest.fixture
def root(tmp_path):
    """A workspace with a run of one round that has ended and was begun again with two."""
    make_run(tmp_path, longer=2)
    return tmp_path


def result(root):
    return json.loads((root / "run" / "result.json").read_text())


@pytest.mark.parametrize("place", range(WRITES))
def test_a_run_killed_while_it_ends_counts_its_reading_of_the_test_split(root, monkeypatch, place):
    before = (root / "run" / "audit.json").read_text()
    with monkeypatch.context() as patch:
        kill_at(patch, place)
        with pytest.raises(Killed):
            end(root, 2, "new")
    known = (root / "run" / "audit.json").read_text() != before
    assert result(root)["test_reads"] == (1 if place == 0 else 2)
    assert not known or result(root)["test_reads"] == 2
    assert not RunFolder(root / "run").finished(config(root, 2))
    with pytest.raises(ConfigError, match="is not finished: repeat its command first"):
        export_run(root / "run", "hf", None)
    end(root, 2, "new")
    assert result(root)["test_reads"] == 2
    assert RunFolder(root / "run").finished(config(root, 2))
    assert (root / "run" / "final" / "model.safetensors").read_text() == "new"


def test_the_same_end_again_writes_nothing(root, monkeypatch):
    end(root, 2, "new")
    kill_at(monkeypatch, 0)
    end(root, 2, "new")
    with pytest.raises(Killed):
        end(root, 2, "newer")


def test_a_run_made_longer_is_finished_at_its_new_end_only(root):
    folder = RunFolder(root / "run")
    assert folder.result["rounds"] == 1
    assert not folder.finished(config(root, 1))
    assert not folder.finished(config(root, 2))
    (folder.path / "rounds" / "02").mkdir()
    (folder.path / "rounds" / "02" / "round.json").write_text('{"promoted": false, "reason": "refused"}')
    assert not folder.finished(config(root, 2))
    end(root, 2, "new")
    assert folder.finished(config(root, 2))
    assert not folder.finished(config(root, 3))


def test_a_damaged_result_is_one_line(root):
    (root / "run" / "result.json").write_text("{")
    with pytest.raises(WorkspaceError, match=r"result\.json is damaged"):
        end(root, 2, "new")


def test_a_setting_that_is_newer_than_a_run_has_its_default(tmp_path):
    folder = RunFolder(make_run(tmp_path))
    kept = yaml.safe_load((folder.path / "run.yaml").read_text())
    del kept["config"]["training"]["preference"]
    (folder.path / "run.yaml").write_text(yaml.safe_dump(kept))
    same = config(tmp_path, 1)
    assert folder.finished(same)
    folder.check(same, kept["digests"])
    preference = same.training.preference.model_copy(update={"beta": 0.2})
    other = same.model_copy(update={"training": same.training.model_copy(update={"preference": preference})})
    assert not folder.finished(other)
    with pytest.raises(WorkspaceError, match=r"changed: training\.preference\.beta"):
        folder.check(other, kept["digests"])


@pytest.mark.parametrize("place", range(WRITES))
def test_a_pair_ends_whole_wherever_it_is_killed(root, monkeypatch, place):
    partner = made(root, "partner")
    with monkeypatch.context() as patch:
        kill_at(patch, place)
        with pytest.raises(Killed):
            end(root, 2, "new", partner)
    final = root / "run" / "final"
    assert (final / "extractive" / "model.safetensors").exists() == final.exists()
    end(root, 2, "new", partner)
    assert (final / "model.safetensors").read_text() == "new"
    assert (final / "extractive" / "model.safetensors").read_text() == "partner"
    assert result(root)["model"] == made(root, "new", partner).identity
    assert result(root)["test_reads"] == 2


def test_another_partner_is_another_final_model(root):
    end(root, 2, "new", made(root, "partner"))
    end(root, 2, "new", made(root, "other"))
    assert (root / "run" / "final" / "extractive" / "model.safetensors").read_text() == "other"
    assert result(root)["test_reads"] == 3
    end(root, 2, "new")
    assert not (root / "run" / "final" / "extractive").exists()
    assert result(root)["model"] == "new"


def test_a_pair_that_was_promoted_is_read_back(root, tiny_folder, tmp_path):
    pair = resolve_model(str(tiny_folder)), open_model(tiny_model_folder(tmp_path / "other", seed=1))
    folder = RunFolder(root / "run")
    facts = {"rounds": 1, "model": "m", "test_reads": 1}
    folder.finish(Model(name="pair", folder=tiny_folder, digest="merged", extractive=pair[1]), None, facts)
    found = resolve_model(str(root / "run" / "final"))
    assert (found.digest, found.extractive.digest) == (pair[0].digest, pair[1].digest)
    assert found.folder.joinpath("model.safetensors").samefile(tiny_folder / "model.safetensors")


def with_adapter(model):
    """The same model with an adapter on top."""
    adapter = model.folder / "trained"
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").write_text(model.digest)
    return replace(model, adapter=adapter)


@pytest.mark.parametrize("place", range(4))
def test_a_rounds_pair_is_made_whole_when_the_run_goes_on(root, monkeypatch, place):
    """The candidate's adapters, then the merged models; what is there of the one itself is there of its partner."""
    pair = made(root, "new", made(root, "partner"))
    trained = with_adapter(made(root, "new", with_adapter(made(root, "partner"))))
    folder, kept = RunFolder(root / "run"), root / "run" / "rounds" / "02"

    def keep():
        for model in (trained, pair):
            folder.save_model(2, model)

    with monkeypatch.context() as patch:
        kill_at(patch, place)
        with pytest.raises(Killed):
            keep()
    for part in ("adapter", "model"):
        assert (kept / "extractive" / part).exists() or not (kept / part).exists()
    keep()
    for part, file in (("adapter", "adapter_model.safetensors"), ("model", "model.safetensors")):
        assert (kept / part / file).read_text() == "new"
        assert (kept / "extractive" / part / file).read_text() == "partner"


def test_a_round_without_a_partner_has_no_folder_for_one(root):
    RunFolder(root / "run").save_model(2, made(root, "new"))
    assert sorted(path.name for path in (root / "run" / "rounds" / "02").iterdir()) == ["model"]
