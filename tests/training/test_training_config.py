"""TrainingConfig: defaults, one-line errors, and what of TRL is refused."""

import subprocess
import sys

import pytest

from selftrain.errors import ConfigError
from selftrain.training import TrainingConfig


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
        ({"lr": 1}, "'lr'.*learning_rate"),
        ({"lora": {"rank": 4}}, "'lora.rank'|'rank'"),
        ({"method": "qlora"}, "'method'"),
        ({"epochs": 0}, "'epochs'"),
        ({"warmup_ratio": 1.0}, "'warmup_ratio'"),
        ({"batch_size": 16, "micro_batch_size": 5}, "micro_batch_size.*divisor"),
        ({"trl": {"packing": True}}, "packing.*weights"),
        ({"trl": {"learning_rate": 1}}, "learning_rate of the training"),
        ({"trl": {"loss_type": "dft"}}, "loss_type"),
        ({"trl": {"train_sampling_strategy": "group_by_length"}}, "order"),
    ],
)
def test_errors_are_one_line_and_name_the_setting(settings, named):
    with pytest.raises(ConfigError, match=named) as caught:
        TrainingConfig(**settings)
    assert "\n" not in str(caught.value)


def test_harmless_trl_settings_pass():
    assert TrainingConfig(trl={"optim": "sgd", "max_steps": 3}).trl == {"optim": "sgd", "max_steps": 3}


def test_config_loads_without_torch():
    code = "import sys, selftrain.training as t; t.TrainingConfig(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
