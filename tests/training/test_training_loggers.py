"""Loggers: what is known before any work, where logs go, and that the losses arrive in each of them."""

import json
import os
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers.integrations import integration_utils

from selftrain.errors import ConfigError, MissingExtraError
from selftrain.training import loggers
from selftrain.training.loggers import EVENTS, check_loggers, logs_in


@pytest.fixture
def installed(monkeypatch):
    """Sets which loggers transformers finds."""

    def install(*names):
        monkeypatch.setattr(integration_utils, "get_available_reporting_integrations", lambda: list(names))

    return install


@pytest.fixture
def wandb(monkeypatch, installed):
    """A wandb that is not logged in."""
    installed("wandb")
    library = SimpleNamespace(run=None, mode="online", login=lambda prompt: False)
    library.setup = lambda: SimpleNamespace(settings=SimpleNamespace(mode=library.mode))
    monkeypatch.setitem(sys.modules, "wandb", library)
    return library


def test_no_logger_is_no_trouble(installed):
    installed()
    check_loggers([])


@pytest.mark.parametrize("name", ["tensorboard", "trackio", "wandb"])
def test_a_missing_logger_names_its_extra(installed, name):
    installed(*{"tensorboard", "trackio", "wandb"} - {name})
    with pytest.raises(MissingExtraError, match=rf"{name} is not installed: run pip install 'selftrain\[loggers\]'"):
        check_loggers(["tensorboard", "trackio", name])


@pytest.mark.parametrize(
    ("name", "named"),
    [("mlflow", "mlflow, which is not installed: install it or remove it"), ("tensorbord", "'tensorbord', wanted are")],
)
def test_other_loggers_are_known_before_training(installed, name, named):
    installed()
    with pytest.raises(ConfigError, match=named) as caught:
        check_loggers([name])
    assert "\n" not in str(caught.value)


def test_wandb_without_a_key_is_known_before_training(wandb):
    with pytest.raises(ConfigError, match="no key on this machine: run wandb login, or set WANDB_MODE=offline"):
        check_loggers(["wandb"])


def test_wandb_with_a_bad_key_is_known_before_training(wandb):
    def login(prompt):
        raise RuntimeError("invalid\nkey")

    wandb.login = login
    with pytest.raises(ConfigError, match=r"refuses its key \(invalid key\): run wandb login"):
        check_loggers(["wandb"])


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_wandb_kept_on_this_machine_needs_no_key(wandb, mode):
    wandb.mode = mode
    check_loggers(["wandb"])


def test_the_folder_is_named_after_the_training_wherever_it_is(monkeypatch, tmp_path):
    monkeypatch.delenv(EVENTS, raising=False)
    with logs_in(tmp_path / "demo-01"):
        assert os.environ[EVENTS] == str(tmp_path / "demo-01")
    assert EVENTS not in os.environ
    monkeypatch.setenv(EVENTS, "/elsewhere")
    with logs_in(tmp_path / "demo-01"):
        assert os.environ[EVENTS] == "/elsewhere/demo-01"
    with logs_in(None):
        assert os.environ[EVENTS] == "/elsewhere"
    assert os.environ[EVENTS] == "/elsewhere"


def test_a_run_of_wandb_ends_with_its_training_unless_it_was_there_before(wandb):
    ends = []

    def train(outcome):
        with logs_in(None):
            wandb.run = SimpleNamespace(finish=lambda exit_code: ends.append(exit_code))
            return 1 / outcome

    train(1)
    with pytest.raises(ZeroDivisionError):
        train(0)
    assert ends == [0, 1]
    with logs_in(None):
        pass
    assert ends == [0, 1]


SCRIPT = """
import json, pathlib, socket, sys, types

import datasets
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig

from selftrain.training import TrainingConfig, WeightedSFTTrainer, train_sft
from selftrain.training.loggers import check_loggers

folder, model, names = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
connect = socket.socket.connect

def guarded(self, address):
    assert self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1", "localhost"), address
    return connect(self, address)

socket.socket.connect = guarded
check_loggers(names)
rows = [types.SimpleNamespace(input_ids=(5 + i, 6, 7, 8, 9), completion_start=2, weight=1.0) for i in range(4)]
losses = {}

def train(name):
    def log(figures):
        losses.setdefault(name, []).append(figures["loss"])

    config = TrainingConfig(batch_size=2, epochs=2, trl={"report_to": names})
    train_sft(
        AutoModelForCausalLM.from_pretrained(model), AutoTokenizer.from_pretrained(model), rows, config,
        seed=len(name), folder=folder / "checkpoints" / name, on_log=log, logs=folder / "logs" / name,
    )

train("demo-01")
train("demo-02")
trainer = WeightedSFTTrainer(
    AutoModelForCausalLM.from_pretrained(model),
    SFTConfig(
        str(folder / "alone"), report_to=names, run_name="alone", max_steps=2, logging_steps=1, use_cpu=True,
        bf16=False, activation_checkpointing=False,
    ),
    train_dataset=datasets.Dataset.from_list(
        [{"input_ids": list(row.input_ids), "labels": [-100, -100, 7, 8, 9], "weight": 1.0} for row in rows]
    ),
    processing_class=AutoTokenizer.from_pretrained(model),
)
trainer.train()
losses["alone"] = [line["loss"] for line in trainer.state.log_history if "loss" in line]
(folder / "losses.json").write_text(json.dumps(losses))
"""


@pytest.fixture(scope="module")
def logged(tiny_folder, tmp_path_factory):
    """A folder where two trainings of a run and a trainer by itself logged to everything, and their losses."""
    for name in loggers.EXTRA:
        pytest.importorskip(name)
    folder = tmp_path_factory.mktemp("logged")
    own = {"TRACKIO_DIR": folder / "trackio", "WANDB_DIR": folder, "WANDB_MODE": "offline", "HF_HUB_OFFLINE": 1}
    environment = {**os.environ, **{name: str(value) for name, value in own.items()}, "PYTHONWARNINGS": "ignore"}
    environment.pop(EVENTS, None)
    command = [sys.executable, "-c", SCRIPT, str(folder), str(tiny_folder), *loggers.EXTRA]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, json.loads((folder / "losses.json").read_text())


@pytest.mark.extra
def test_the_real_wandb_says_that_it_has_no_key(tmp_path):
    pytest.importorskip("wandb")
    code = "from selftrain.training.loggers import check_loggers; check_loggers(['wandb'])"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    environment = {**kept, "HOME": str(tmp_path), "NETRC": str(tmp_path / "netrc")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120
    )
    assert "no key on this machine" in done.stderr.splitlines()[-1]


NAMES = pytest.mark.parametrize("name", ["demo-01", "demo-02", "alone"])


@pytest.mark.extra
@NAMES
def test_tensorboard_has_the_losses(logged, name):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, losses = logged
    place = folder / "alone" / "runs" if name == "alone" else folder / "logs" / name
    files = list(place.rglob("events.out.tfevents.*"))
    assert len(files) == 1
    events = EventAccumulator(str(files[0])).Reload().Scalars("train/loss")
    assert [event.step for event in events] == list(range(1, len(losses[name]) + 1))
    assert [event.value for event in events] == pytest.approx(losses[name])
    assert list((folder / "checkpoints").rglob("*tfevents*")) == []


@pytest.mark.extra
@NAMES
def test_trackio_has_the_losses(logged, name):
    folder, losses = logged
    with sqlite3.connect(folder / "trackio" / "huggingface.db") as database:
        found = database.execute("select metrics from metrics where run_name = ? order by step", [name]).fetchall()
    figures = [json.loads(metrics) for (metrics,) in found]
    assert [line["train/loss"] for line in figures if "train/loss" in line] == pytest.approx(losses[name])


@pytest.mark.extra
@NAMES
def test_wandb_has_the_losses(logged, name):
    folder, losses = logged
    found = dict(map(read_wandb, Path(folder, "wandb").glob("offline-run-*/*.wandb")))
    assert len(found) == 3
    assert found[name] == pytest.approx(losses[name])


def read_wandb(path):
    """Name and losses of a run's file: protobuf records in LevelDB's log format behind seven bytes of header."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, parts, name, losses = path.read_bytes(), 7, b"", None, []
    while place + 7 <= len(data):
        left = 2**15 - place % 2**15
        if left < 7:
            place += left
            continue
        _, size, kind = struct.unpack("<IHB", data[place : place + 7])
        parts += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part
            record, parts = Record.FromString(parts), b""
            name = record.run.display_name or name
            items = {(item.key or "/".join(item.nested_key)): item.value_json for item in record.history.item}
            losses += [json.loads(items["train/loss"])] if "train/loss" in items else []
    return name, losses
