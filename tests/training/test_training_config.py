"""TrainingConfig: defaults, one-line errors, and what of TRL is refused."""

import dataclasses
import re
import subprocess
import sys
import tempfile

import pytest

from selftrain.errors import ConfigError, MissingExtraError
from selftrain.training import TrainingConfig
from selftrain.training.refused import REFUSED
from selftrain.validation import parse


def test_learning_rate_follows_the_method():
    assert TrainingConfig().peak_learning_rate() == TrainingConfig(method="qlora").peak_learning_rate() == 2e-4
    assert TrainingConfig(method="full").peak_learning_rate() == 2e-5
    assert TrainingConfig(method="full", learning_rate=1e-3).peak_learning_rate() == 1e-3


def test_micro_batch_is_the_batch_unless_set():
    assert TrainingConfig(batch_size=8).rows_at_once == 8
    assert TrainingConfig(batch_size=8, micro_batch_size=2).rows_at_once == 2


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"lr": 1}, "unknown key training.lr: known keys are method, loss, preference, epochs"),
        ({"lora": {"rank": 4}}, "unknown key training.lora.rank: known keys are r, alpha"),
        ({"method": "rlora"}, "training.method: .*found 'rlora'"),
        ({"epochs": 0, "loss": "x"}, "training.loss: .*; training.epochs: .*found 0"),
        ({"warmup_ratio": 1.0}, "training.warmup_ratio: "),
        ({"batch_size": 16, "micro_batch_size": 5}, "training: micro_batch_size 5 does not divide batch_size 16"),
        ({"trl": {"packing": True}}, "training.trl: packing cannot be set, .*weights"),
        ({"trl": {"learning_rate": 1}}, "learning_rate of the training"),
        ({"trl": {"accelerator_config": "accelerator.json"}}, "accelerator_config must be a mapping"),
    ],
)
def test_errors_are_one_line_and_name_the_setting(settings, named):
    with pytest.raises(ConfigError, match=named) as caught:
        parse(TrainingConfig, settings, "training")
    assert "\n" not in str(caught.value)


PASSED = {
    "adam_beta1": 0.8,
    "dataloader_num_workers": 1,
    "desirable_weight": 2.0,
    "disable_dropout": False,
    "lr_scheduler_kwargs": {"num_cycles": 2},
    "max_steps": 3,
    "neftune_noise_alpha": 5.0,
    "optim_target_modules": ["q_proj"],
    "pad_to_multiple_of": 8,
    "report_to": ["trackio"],
    "run_name": "mine",
    "torch_compile": True,
    "undesirable_weight": 0.5,
}
"""Fields that are passed on, with a value that is not the default."""
REFUSALS = [
    ("accelerator_config", {"even_batches": False}, "a fixed list of rows"),
    ("average_tokens_across_devices", False, "a fixed list of rows"),
    ("beta", 0.2, "set preference.beta of the training instead"),
    ("bf16", True, "set precision of the training instead"),
    ("completion_only_loss", False, "rows come tokenized"),
    ("data_seed", 1, "the seed is derived from the run's"),
    ("dataloader_in_order", False, "rows follow one seeded order"),
    ("deepspeed", "zero3.json", "saved whole"),
    ("eos_token", "</s>", "rows come tokenized"),
    ("eval_strategy", "epoch", "the audit measures the model"),
    ("f_divergence_type", "js_divergence", "the loss is the weighted one"),
    ("fsdp", "full_shard", "saved whole"),
    ("hub_token", "secret", "nothing is uploaded"),
    ("label_smoothing", 0.1, "the loss is the weighted one"),
    ("ld_alpha", 0.5, "the loss is the weighted one"),
    ("logging_steps", 5, "the figures of every step"),
    ("loss_type", "dft", "set loss (of rows) or preference.loss (of pairs)"),
    ("loss_weights", [1.0], "the loss is the weighted one"),
    ("model_init_kwargs", {}, "the model is loaded by the run"),
    ("packing", True, "the weights of rows"),
    ("padding_free", True, "the weights of rows"),
    ("precompute_ref_log_probs", False, "computed once, before the first step"),
    ("push_to_hub", True, "nothing is uploaded"),
    ("save_strategy", "no", "checkpoints are kept"),
    ("seed", 1, "the seed is derived from the run's"),
    ("sync_ref_model", True, "computed once, before the first step"),
    ("train_sampling_strategy", "group_by_length", "rows follow one seeded order"),
    ("truncation_mode", "keep_end", "rows come tokenized"),
    ("trust_remote_code", True, "no code of its own is run"),
    ("use_liger_kernel", True, "the weights of rows"),
    ("use_weighting", True, "the weights of rows"),
]


@pytest.mark.parametrize(("key", "value", "reason"), REFUSALS)
def test_what_would_break_a_promise_is_refused_with_the_promise(key, value, reason):
    with pytest.raises(ConfigError) as caught:
        parse(TrainingConfig, {"trl": {"optim": "sgd", key: value}}, "training")
    message = str(caught.value)
    assert re.match(rf"training.trl: {key}[.\w]* cannot be set, .*; remove it", message)
    assert reason in message
    assert "\n" not in message


def test_every_field_of_trl_is_refused_by_name_or_taken_by_its_configuration(tmp_path):
    from trl import DPOConfig, KTOConfig, SFTConfig

    fields = {kind: dataclasses.fields(kind) for kind in (SFTConfig, DPOConfig, KTOConfig)}
    names = {field.name for each in fields.values() for field in each}
    assert {key for key in REFUSED if "." not in key} <= names
    assert set(PASSED) <= names - set(REFUSED)
    for kind, each in fields.items():
        defaults = {field.name: field.default for field in each if field.name not in REFUSED}
        settings = {name: PASSED.get(name, default) for name, default in defaults.items()}
        assert TrainingConfig(trl=settings).trl == settings
        taken = kind(str(tmp_path), **{**settings, "use_cpu": True}, activation_checkpointing=False)
        assert {name: getattr(taken, name) for name in PASSED.keys() & settings.keys()} == {
            name: value for name, value in PASSED.items() if name in settings
        }


def test_every_option_of_accelerate_is_refused_or_harmless():
    from transformers.trainer_pt_utils import AcceleratorConfig

    options = {f"accelerator_config.{field.name}" for field in dataclasses.fields(AcceleratorConfig)}
    assert options - set(REFUSED) == {"accelerator_config.non_blocking"}
    assert {key for key in REFUSED if "." in key} <= options
    TrainingConfig(trl={"accelerator_config": {"non_blocking": True}})


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
