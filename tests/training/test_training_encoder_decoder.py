"""Encoder-decoder models: their loss, their trainings and their adapters, each against a second computation."""

import copy
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from peft import PeftModelForSeq2SeqLM
from tiny_t5 import tiny_t5_folder
from torch.nn.functional import log_softmax, logsigmoid
from trajectories import RATE, assert_same_path, flat, run, settings
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, BartConfig, BartForConditionalGeneration
from trl import DPOConfig, KTOConfig, SFTConfig

from selftrain.errors import ConfigError
from selftrain.models import load_model, load_tokenizer, merge, open_model, save_adapter
from selftrain.training import (
    TrainingConfig,
    WeightedDPOTrainer,
    WeightedKTOTrainer,
    WeightedSFTTrainer,
    head,
    train_sft,
)
from selftrain.training.trainer import completion_labels, padded, teach

IGNORED = -100


@pytest.fixture(scope="module", params=[False, True], ids=["untied", "tied"])
def folder(request, tmp_path_factory):
    return tiny_t5_folder(tmp_path_factory.mktemp("t5") / "model", tied=request.param)


@pytest.fixture(scope="module")
def untied(tmp_path_factory):
    return tiny_t5_folder(tmp_path_factory.mktemp("t5") / "model")


@pytest.fixture(scope="module")
def t5_tokenizer(untied):
    return AutoTokenizer.from_pretrained(untied)


def bart():
    """Adds a bias to its logits behind the head."""
    torch.manual_seed(0)
    sizes = {f"{side}_{name}": 2 for side in ("encoder", "decoder") for name in ("layers", "attention_heads")}
    sizes |= {f"{side}_ffn_dim": 32 for side in ("encoder", "decoder")}
    config = BartConfig(vocab_size=40, d_model=16, dropout=0.0, attention_dropout=0.0, init_std=0.3, **sizes)
    model = BartForConditionalGeneration(config)
    model.final_logits_bias += torch.randn(40)
    return model


def loaded(folder):
    """The model with weights as far apart as those of a trained one."""
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    with torch.no_grad():
        model.shared.weight.mul_(3)
    return model


def make_rows(weights, seed=0):
    """Rows of prompts of 1 to 8 and completions of 1 to 7 tokens."""
    draw = torch.Generator().manual_seed(seed)

    def ids(low, high):
        length = int(torch.randint(low, high, (1,), generator=draw))
        return torch.randint(3, 40, (length,), generator=draw).tolist()

    return [{"prompt": ids(1, 9), "completion": ids(1, 8), "weight": float(weight)} for weight in weights]


def tokenized(rows):
    return [
        {
            "input_ids": [*row["prompt"], *row["completion"]],
            "completion_mask": [0] * len(row["prompt"]) + [1] * len(row["completion"]),
            "weight": row["weight"],
        }
        for row in rows
    ]


def plain_logps(model, prompt, completion):
    """Log-probabilities [tokens] of one completion, by a plain forward without any padding."""
    start = model.config.decoder_start_token_id
    before = torch.tensor([[start, *completion[:-1]]])
    logits = model(input_ids=torch.tensor([prompt]), decoder_input_ids=before).logits[0]
    return log_softmax(logits, -1).gather(1, torch.tensor(completion)[:, None])[:, 0]


def reference_step(base, rows, loss_of):
    """One step of gradient descent in float64, row by row: parameters and loss."""
    model = copy.deepcopy(base).double().eval()
    loss = loss_of([plain_logps(model, row["prompt"], row["completion"]) for row in rows])
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= RATE * parameter.grad
    return flat(model).float(), loss.item()


def nll_and_gradient(model, batch):
    model.zero_grad()
    labels = batch["labels"]
    nll = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], completion_labels=labels)
    (nll**2).sum().backward()
    return nll.detach(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def batch_of(rows):
    return padded([completion_labels(row["prompt"], row["completion"]) for row in rows])


@pytest.mark.parametrize("make", [loaded, lambda _: bart()], ids=["t5", "bart"])
def test_the_loss_stands_where_that_of_a_causal_model_does(folder, make):
    model, rows = make(folder), make_rows([1] * 5)
    other = copy.deepcopy(model)
    teach(model)
    found, gradient = nll_and_gradient(model, batch_of(rows))
    wanted = torch.zeros(found.shape)
    squares = 0
    for place, row in enumerate(rows):
        nll = -plain_logps(other, row["prompt"], row["completion"])
        wanted[place, len(row["prompt"]) - 1 :][: len(nll)] = nll.detach()
        squares = squares + (nll**2).sum()
    squares.backward()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    second = torch.cat([p.grad.flatten() for p in other.parameters() if p.grad is not None])
    torch.testing.assert_close(gradient, second, rtol=1e-4, atol=1e-4)


def test_labels_between_and_a_row_without_any(untied):
    """What has no label is read, wherever it stands; a first token is read; what is read has no loss."""
    model = loaded(untied)
    teach(model)
    ids = torch.tensor([[5, 6, 7, 8, 9, 0], [4, 3, 12, 11, 5, 6]])
    labels = torch.tensor([[IGNORED, 6, IGNORED, 8, IGNORED, IGNORED], [IGNORED] * 6])
    labels[:, 0] = ids[:, 0]
    mask = torch.tensor([[1, 1, 1, 1, 1, 0], [1] * 6])
    nll = model(input_ids=ids, attention_mask=mask, completion_labels=labels)
    wanted = -plain_logps(model, [5, 7, 9], [6, 8])
    torch.testing.assert_close(nll[0], torch.stack([wanted[0], nll.new_zeros(()), wanted[1], *nll.new_zeros(2)]))
    assert not nll[1].any()
    assert model(input_ids=ids[:, :1], attention_mask=mask[:, :1], completion_labels=labels[:, :1]).shape == (2, 0)


def test_only_labelled_positions_reach_the_head_and_chunks_change_nothing(folder, monkeypatch):
    model, rows = loaded(folder), make_rows([1] * 4)
    teach(model)
    expected = nll_and_gradient(model, batch_of(rows))
    monkeypatch.setattr(head, "LOGITS_AT_ONCE", 3 * model.config.vocab_size)
    seen = []
    hook = model.lm_head.register_forward_hook(lambda _m, _i, out: seen.append(out.shape[:-1].numel()))
    for found, wanted in zip(nll_and_gradient(model, batch_of(rows)), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    hook.remove()
    tokens = sum(len(row["completion"]) for row in rows)
    assert max(seen) == 3
    assert sum(seen) == 2 * tokens, "once, and once more for the gradient"


def test_the_plain_forward_is_unchanged(untied):
    model = loaded(untied)
    inputs = {"input_ids": torch.tensor([[4, 5, 6]]), "labels": torch.tensor([[7, 1]])}
    expected = model(**inputs)
    teach(model)
    found = model(**inputs)
    assert torch.equal(found.logits, expected.logits)
    assert found.loss == expected.loss


def test_a_model_that_does_not_say_how_its_decoder_starts_is_refused(untied):
    model = loaded(untied)
    model.config.decoder_start_token_id = model.generation_config.decoder_start_token_id = None
    with pytest.raises(ConfigError, match="has no decoder_start_token_id"):
        teach(model)


@pytest.mark.parametrize(("loss", "tied"), [("token", False), ("sequence", True)])
def test_a_step_equals_a_second_computation_however_it_is_split(t5_tokenizer, tmp_path, loss, tied):
    base, rows = loaded(tiny_t5_folder(tmp_path / "model", tied=tied)), make_rows([1.5, 0, 0.5, 2])
    count = sum(len(row["completion"]) for row in rows)

    def loss_of(logps):
        sums = [-row["weight"] * each.sum() for row, each in zip(rows, logps, strict=True)]
        if loss == "token":
            return sum(sums) / count
        return sum(one / len(each) for one, each in zip(sums, logps, strict=True)) / len(rows)

    path, value = reference_step(base, rows, loss_of)
    for split in ({}, {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 4}):
        args = settings(SFTConfig, tmp_path, num_train_epochs=1, **split)
        found = run(WeightedSFTTrainer, args, base, tokenized(rows), t5_tokenizer, loss=loss)
        assert found.losses == pytest.approx([value], rel=1e-5)
        assert_same_path(found.path, [path], rtol=1e-4, atol=1e-4)


def test_a_row_of_weight_zero_changes_nothing(untied, t5_tokenizer, tmp_path):
    base, rows = loaded(untied), make_rows([1, 0, 1, 1])
    other = copy.deepcopy(rows)
    other[1]["prompt"] = [39] * 8
    other[1]["completion"] = [4] * len(other[1]["completion"])
    paths = [
        run(WeightedSFTTrainer, settings(SFTConfig, tmp_path), base, tokenized(each), t5_tokenizer).path
        for each in (rows, other)
    ]
    assert_same_path(*paths)


def test_pairs_and_labelled_completions_train_as_their_losses_say(untied, t5_tokenizer, tmp_path):
    base, beta = loaded(untied), 0.3
    reference = loaded(tiny_t5_folder(tmp_path / "reference", seed=1))
    rows = make_rows([1.5, 1.5, 0.5, 0.5])
    for place in (0, 2):
        rows[place + 1]["prompt"] = rows[place]["prompt"]
    with torch.no_grad():
        before = [plain_logps(reference, row["prompt"], row["completion"]).sum() for row in rows]
        # KTO's baseline: prompts with the completions of others, in a circle.
        crossed = list(zip(rows, [rows[-1], *rows[:-1]], strict=True))
        sums = [
            sum(plain_logps(model, one["prompt"], other["completion"]).sum() for one, other in crossed)
            for model in (base, reference)
        ]
        kl = max(float(sums[0] - sums[1]) / 4, 0)

    def dpo(logps):
        a, b, c, d = (each.sum() - was for each, was in zip(logps, before, strict=True))
        return -(1.5 * logsigmoid(beta * (a - b)) + 0.5 * logsigmoid(beta * (c - d))) / 2

    def kto(logps):
        ratios = [each.sum() - was for each, was in zip(logps, before, strict=True)]
        parts = zip(rows, (1, -1, 1, -1), ratios, strict=True)
        return sum(row["weight"] * (1 - torch.sigmoid(sign * beta * (ratio - kl))) for row, sign, ratio in parts) / 4

    pairs = [
        {
            "prompt_ids": good["prompt"],
            "chosen_ids": good["completion"],
            "rejected_ids": bad["completion"],
            "weight": good["weight"],
        }
        for good, bad in (rows[:2], rows[2:])
    ]
    labelled = [
        {"prompt_ids": row["prompt"], "completion_ids": row["completion"], "weight": row["weight"], "label": not i % 2}
        for i, row in enumerate(rows)
    ]
    kinds = ((WeightedDPOTrainer, DPOConfig, pairs, dpo), (WeightedKTOTrainer, KTOConfig, labelled, kto))
    for trainer, kind, data, loss_of in kinds:
        path, value = reference_step(base, rows, loss_of)
        args = settings(kind, tmp_path / kind.__name__, num_train_epochs=1, beta=beta, max_length=None)
        found = run(trainer, args, base, data, t5_tokenizer, ref_model=copy.deepcopy(reference))
        assert found.losses == pytest.approx([value], rel=1e-5)
        assert_same_path(found.path, [path], rtol=1e-4, atol=1e-4)


def test_rows_of_text_are_refused(untied, t5_tokenizer, tmp_path):
    rows = Dataset.from_list([{"prompt": "what is 1?", "completion": "1", "weight": 1.0}])
    with pytest.raises(ConfigError, match="rows of text do not train a model with an encoder: give") as caught:
        WeightedSFTTrainer(
            loaded(untied), settings(SFTConfig, tmp_path), train_dataset=rows, processing_class=t5_tokenizer
        )
    assert "\n" not in str(caught.value)


def test_an_evaluation_tells_the_loss(untied, t5_tokenizer, tmp_path):
    rows = Dataset.from_list(tokenized(make_rows([1, 1, 1])))
    args = settings(SFTConfig, tmp_path)
    trainer = WeightedSFTTrainer(
        loaded(untied), args, train_dataset=rows, eval_dataset=rows, processing_class=t5_tokenizer
    )
    assert trainer.evaluate()["eval_loss"] > 0


def text_rows(tokenizer):
    parts = [(f"what is {n} and 2?", f"Tom has {n}. The answer is {n + 2}.") for n in range(8)]
    ids = [(tokenizer(question).input_ids, tokenizer(answer).input_ids) for question, answer in parts]
    return [
        SimpleNamespace(input_ids=(*prompt, *completion), completion_start=len(prompt), weight=1.0)
        for prompt, completion in ids
    ]


@pytest.mark.parametrize(
    ("method", "precision", "tied"), [("full", "bf16", False), ("lora", "bf16", False), ("lora", "fp32", True)]
)
def test_rows_are_learned(tmp_path, method, precision, tied):
    folder = tiny_t5_folder(tmp_path / "model", tied=tied)
    model = open_model(folder)
    tokenizer = load_tokenizer(model)
    config = TrainingConfig(
        method=method,
        precision=precision,
        epochs=6,
        batch_size=8,
        learning_rate=0.03,
        gradient_checkpointing=method == "lora",
        scheduler="constant",
        lora={"dropout": 0.1},
    )
    logs = []
    trained = train_sft(
        load_model(model),
        tokenizer,
        text_rows(tokenizer),
        config,
        seed=1,
        folder=tmp_path / "checkpoints",
        on_log=logs.append,
    )
    assert logs[-1]["loss"] < 0.5 * logs[0]["loss"]
    assert {p.dtype for p in trained.parameters()} == {torch.float32}
    if method == "lora":
        assert isinstance(trained, PeftModelForSeq2SeqLM)
        save_adapter(trained, tmp_path / "adapter")
        candidate = open_model(folder, name="candidate", adapter=tmp_path / "adapter")
        merged = merge(candidate, tmp_path / "merged")
        ids = {"input_ids": torch.tensor([[4, 5, 6, 1]]), "decoder_input_ids": torch.tensor([[0, 7]])}
        with torch.no_grad():
            logits = [load(**ids).logits for load in (trained, load_model(candidate), load_model(merged))]
            torch.testing.assert_close(logits[0], logits[1], rtol=1e-4, atol=1e-4)
            assert torch.equal(logits[1], logits[2])
            assert not torch.allclose(logits[0], load_model(model)(**ids).logits, atol=0.1)
