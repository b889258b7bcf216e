"""TrainingConfig: defaults, one-line errors, and what of TRL is refused."""

import subprocess
import sys
import tempfile

import pytest

from selftrain.errors import ConfigError, MissingExtraError
from selftrain.training import TrainingConfig
from selftrain.validation import parse


def test_learning_rate_follows_the_method():
    assert TrainingConfig().peak_learning_rate == 2e-4
    assert TrainingConfig(method="full").peak_learning_rate == 2e-5
    assert TrainingConfig(method="full", learning_rate=1e-3).peak_learning_rate == 1e-3


def test_micro_batch_is_the_batch_unless_set():
    assert TrainingConfig(batch_size=8).rows_at_once == 8
    assert TrainingConfig(batch_size=8, micro_batch_size=2).rows_at_once == 2


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"lr": 1}, "unknown key training.lr: known keys are method, loss, epochs, learning_rate"),
        ({"lora": {"rank": 4}}, "unknown key training.lora.rank: known keys are r, alpha"),
        ({"method": "qlora"}, "training.method: .*found 'qlora'"),
        ({"epochs": 0, "loss": "x"}, "training.loss: .*; training.epochs: .*found 0"),
        ({"warmup_ratio": 1.0}, "training.warmup_ratio: "),
        ({"batch_size": 16, "micro_batch_size": 5}, "training: micro_batch_size 5 does not divide batch_size 16"),
        ({"trl": {"packing": True}}, "training.trl: packing cannot be set, .*weights"),
        ({"trl": {"learning_rate": 1}}, "learning_rate of the training"),
        ({"trl": {"loss_type": "dft"}}, "loss_type"),
        ({"trl": {"train_sampling_strategy": "group_by_length"}}, "order"),
    ],
)
def test_errors_are_one_line_and_name_the_setting(settings, named):
    with pytest.raises(ConfigError, match=named) as caught:
        parse(TrainingConfig, settings, "training")
    assert "\n" not in str(caught.value)


def test_harmless_trl_settings_pass():
    assert TrainingConfig(trl={"optim": "sgd", "max_steps": 3}).trl == {"optim": "sgd", "max_steps": 3}


@pytest.mark.parametrize(
    ("trl", "named"),
    [({"lerning_rate": 1}, "training.trl: .*lerning_rate"), ({"optim": "magic"}, "training.trl: magic is not a valid")],
)
def test_what_trl_refuses_is_known_before_training(trl, named):
    from selftrain.training import check_training

    with pytest.raises(ConfigError, match=named) as caught:
        check_training(TrainingConfig(trl=trl))
    assert "\n" not in str(caught.value)


def test_the_check_of_a_good_configuration_says_nothing_and_leaves_nothing(tmp_path, monkeypatch, capfd, recwarn):
    from selftrain.training import check_training

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    check_training(TrainingConfig(trl={"optim": "sgd"}))
    assert list(tmp_path.iterdir()) == []
    assert (capfd.readouterr(), len(recwarn)) == (("", ""), 0)


def test_without_trl_the_check_names_the_extra(monkeypatch):
    monkeypatch.setattr("selftrain.training.find_spec", lambda library: None if library == "trl" else True)
    with pytest.raises(MissingExtraError, match=r"trl is not installed: run pip install 'selftrain\[train\]'"):
        from selftrain.training import check_training  # noqa: F401


def test_config_loads_without_torch():
    code = "import sys, selftrain.training as t; t.TrainingConfig(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
