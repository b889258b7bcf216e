"""train_sft: what it returns and leaves behind, what it reports, and what it refuses."""

from types import SimpleNamespace

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from selftrain.errors import ConfigError
from selftrain.training import TrainingConfig, train_dpo, train_kto, train_sft


@pytest.fixture
def model(tiny_folder):
    return AutoModelForCausalLM.from_pretrained(tiny_folder)


def row(ids=(5, 6, 7, 8, 9), start=2, weight=1.0):
    return SimpleNamespace(input_ids=tuple(ids), completion_start=start, weight=weight)


def pair(prompt=(5, 6), chosen=(7, 8, 9), rejected=(9, 8), weight=1.0):
    return SimpleNamespace(prompt_ids=prompt, chosen_ids=chosen, rejected_ids=rejected, weight=weight)


ROWS = [row((5 + i, 6, 7, 8 + i, 9), weight=0.5 + i / 4) for i in range(5)]

LABELLED = [SimpleNamespace(**vars(some), label=index % 2 == 0) for index, some in enumerate(ROWS)]
PAIRS = [pair((5 + i, 6), weight=0.5 + i / 4) for i in range(5)]
KINDS = {"sft": (train_sft, ROWS), "dpo": (train_dpo, PAIRS), "kto": (train_kto, LABELLED)}


def config(**changes):
    return TrainingConfig(**{"batch_size": 2, "epochs": 2, "learning_rate": 0.01, **changes})


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("kind", KINDS)
def test_trains_and_leaves_the_model_clean(model, tokenizer, tmp_path, kind, method, precision):
    before = model(torch.tensor([ROWS[0].input_ids])).logits
    settings = config(method=method, precision=precision, gradient_checkpointing=True)
    train, rows = KINDS[kind]
    trained = train(model, tokenizer, rows, settings, seed=1, folder=tmp_path)
    assert isinstance(trained, PeftModel) == (method == "lora")
    assert {parameter.dtype for parameter in trained.parameters()} == {torch.float32}
    assert all(parameter.grad is None for parameter in trained.parameters())
    assert not any("forward" in vars(module) for module in trained.modules())
    assert not any(module.training for module in trained.modules())
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (1, torch.float32)
    after = trained(torch.tensor([ROWS[0].input_ids])).logits
    assert after.dtype == torch.float32
    assert not torch.equal(after, before)


def test_bf16_products_with_float32_weights(tiny_folder, tokenizer, tmp_path):
    losses = {}
    for precision in ("bf16", "fp32", "bf16"):
        model = AutoModelForCausalLM.from_pretrained(tiny_folder)
        logs = []
        folder = tmp_path / f"{precision}{len(losses)}"
        train_sft(model, tokenizer, ROWS, config(precision=precision), seed=1, folder=folder, on_log=logs.append)
        losses.setdefault(precision, []).append([log["loss"] for log in logs])
    assert losses["bf16"][0] == losses["bf16"][1]
    assert losses["bf16"][0] != losses["fp32"][0]
    assert losses["bf16"][0] == pytest.approx(losses["fp32"][0], abs=0.05)


def test_adapter_can_be_merged(model, tokenizer, tmp_path):
    trained = train_sft(model, tokenizer, ROWS, config(), seed=1, folder=tmp_path)
    ids = torch.tensor([ROWS[0].input_ids])
    adapted = trained(ids).logits
    torch.testing.assert_close(trained.merge_and_unload()(ids).logits, adapted, rtol=0, atol=1e-5)


def test_every_weight_is_trained_even_after_a_merge(model, tokenizer, tmp_path):
    model.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    after = train_sft(model, tokenizer, ROWS, config(method="full"), seed=1, folder=tmp_path).state_dict()
    assert not any(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("clip", [1.0, 0.0])
@pytest.mark.parametrize("kind", KINDS)
def test_reports_every_step_and_nothing_on_the_terminal(model, tokenizer, tmp_path, capfd, kind, clip):
    logs = []
    train, rows = KINDS[kind]
    train(model, tokenizer, rows, config(max_grad_norm=clip), seed=1, folder=tmp_path, on_log=logs.append)
    assert [log["step"] for log in logs] == [1, 2, 3, 4, 5, 6]
    wanted = {"step", "total_steps", "loss", "learning_rate", "weighted_share", "seconds"}
    assert all(wanted <= set(log) and log["total_steps"] == 6 for log in logs)
    assert all(0.5 <= log["weighted_share"] <= 1.5 for log in logs)
    assert "".join(capfd.readouterr()) == ""


def test_equal_seeds_give_equal_weights(tiny_folder, tokenizer, tmp_path):
    states = []
    for index, seed in enumerate((3, 3, 4)):
        model = AutoModelForCausalLM.from_pretrained(tiny_folder)
        torch.rand(index)
        trained = train_sft(model, tokenizer, ROWS, config(), seed=seed, folder=tmp_path / str(index))
        states.append(torch.cat([value.flatten() for name, value in trained.state_dict().items() if "lora" in name]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_trl_settings_are_applied(model, tokenizer, tmp_path):
    logs = []
    settings = config(trl={"max_steps": 2, "optim": "sgd"})
    train_sft(model, tokenizer, ROWS, settings, seed=1, folder=tmp_path, on_log=logs.append)
    assert len(logs) == 2


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([], "rows is empty"),
        ([row(weight=float("nan"))], "weight nan"),
        ([row(weight=-1.0)], "weight -1.0"),
        ([row(start=5)], r"5 prompt and \[0\] completion tokens: one is empty"),
        ([row(start=0)], r"0 prompt and \[5\] completion tokens: one is empty"),
        ([row(), row(range(9))], r"rows\[1\] has 9 tokens"),
    ],
)
def test_unusable_rows_are_refused_in_one_line(model, tokenizer, tmp_path, rows, named):
    with pytest.raises(ValueError, match=named) as caught:
        train_sft(model, tokenizer, rows, config(max_length=8), seed=1, folder=tmp_path)
    assert "\n" not in str(caught.value)


def test_pairs_that_cannot_be_trained_are_refused(model, tokenizer, tmp_path):
    for rows, named in (([pair(rejected=())], "one is empty"), ([pair(chosen=range(7))], "9 tokens")):
        with pytest.raises(ValueError, match=named):
            train_dpo(model, tokenizer, rows, config(max_length=8), seed=1, folder=tmp_path)


@pytest.mark.parametrize("kind", ["dpo", "kto"])
def test_preferences_are_learned_and_the_reference_can_be_another_model(tiny_folder, tokenizer, tmp_path, kind):
    train, rows = KINDS[kind]
    losses = {}
    for name in ("itself", "other"):
        model, other = (AutoModelForCausalLM.from_pretrained(tiny_folder) for _ in range(2))
        if name == "other":
            other.lm_head.weight.data *= 1.5
        logs = []
        train(
            model,
            tokenizer,
            rows,
            config(epochs=6, batch_size=5, precision="fp32"),
            seed=1,
            folder=tmp_path / name,
            on_log=logs.append,
            reference=lambda other=other: other,
        )
        losses[name] = [log["loss"] for log in logs]
    assert losses["itself"][-1] < losses["itself"][0]
    assert losses["itself"][0] != pytest.approx(losses["other"][0], abs=1e-4)


def test_a_half_precision_model_is_refused(model, tokenizer, tmp_path):
    with pytest.raises(ValueError, match="float32"):
        train_sft(model.bfloat16(), tokenizer, ROWS, config(), seed=1, folder=tmp_path)


def test_an_unknown_trl_setting_is_refused(model, tokenizer, tmp_path):
    with pytest.raises(ConfigError, match="lerning_rate"):
        train_sft(model, tokenizer, ROWS, config(trl={"lerning_rate": 1}), seed=1, folder=tmp_path)


def test_divergence_stops_the_training(model, tokenizer, tmp_path):
    settings = config(method="full", learning_rate=1e30, max_grad_norm=0, trl={"optim": "sgd"})
    with pytest.raises(ConfigError, match="diverged at step"):
        train_sft(model, tokenizer, ROWS, settings, seed=1, folder=tmp_path)
    assert "forward" not in vars(model)
