"""WeightedSFTTrainer: the promises about weights, each held to 1e-5 on float32 parameter trajectories."""

import copy
import warnings

import pytest
import torch
from datasets import Dataset
from torch.nn.functional import log_softmax
from trajectories import RATE, VOCABULARY, assert_same_path, flat, run, settings, tiny_llama
from transformers import LlamaForCausalLM
from trl import SFTConfig, SFTTrainer

from selftrain.errors import ConfigError
from selftrain.training import WeightedCollator, WeightedSFTTrainer
from selftrain.training import head as head_module


@pytest.fixture(scope="module")
def base():
    return tiny_llama()


def make_rows(weights, seed=0):
    """Rows of different lengths with one weight each; prompts of 1 to 4 tokens."""
    draw = torch.Generator().manual_seed(seed)
    rows = []
    for weight in weights:
        prompt, length = (int(torch.randint(low, high, (1,), generator=draw)) for low, high in ((1, 5), (6, 14)))
        ids = torch.randint(1, VOCABULARY, (length,), generator=draw).tolist()
        mask = [0] * prompt + [1] * (length - prompt)
        rows.append({"input_ids": ids, "completion_mask": mask, "weight": float(weight)})
    return rows


@pytest.fixture
def train(base, tokenizer, tmp_path):
    def weighted(rows, changes=None, **kwargs):
        args = settings(SFTConfig, tmp_path, **(changes or {}))
        return run(WeightedSFTTrainer, args, base, rows, tokenizer, **kwargs)

    return weighted


def reference_step(base, rows, loss):
    """One step of gradient descent on the loss as its formula says, in float64 and row by row."""
    model = copy.deepcopy(base).double()
    total = 0
    counts = [sum(row["completion_mask"]) for row in rows]
    for row, count in zip(rows, counts, strict=True):
        ids = torch.tensor(row["input_ids"])
        logp = log_softmax(model(ids[None]).logits[0], -1)
        nll = -sum(logp[t - 1, ids[t]] for t in range(len(ids)) if row["completion_mask"][t])
        total = total + row["weight"] * nll / (sum(counts) if loss == "token" else count * len(rows))
    total.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= RATE * parameter.grad
    return flat(model).float(), total.item()


def test_token_loss_of_equal_weights_is_trls_own(train, base, tokenizer, tmp_path):
    rows = make_rows([1] * 10)
    bare = [{key: row[key] for key in ("input_ids", "completion_mask")} for row in rows]
    for changes in ({}, {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}):
        args = settings(SFTConfig, tmp_path, completion_only_loss=True, **changes)
        stock = run(SFTTrainer, args, base, bare, tokenizer)
        ours = train(rows, changes)
        assert_same_path(ours.path, stock.path)
        assert ours.losses == pytest.approx(stock.losses)


@pytest.mark.parametrize("loss", ["token", "sequence"])
def test_equals_a_second_computation_in_float64(train, base, loss):
    rows = make_rows([1.6, 0.4, 0, 2.5])
    recorder = train(rows, {"num_train_epochs": 1}, loss=loss)
    expected, value = reference_step(base, rows, loss)
    assert_same_path(recorder.path, [expected])
    assert recorder.logs[0]["loss"] == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("loss", ["token", "sequence"])
@pytest.mark.parametrize(("micro", "steps"), [(1, 4), (2, 2)])
def test_micro_batches_change_nothing(train, loss, micro, steps):
    """Ten rows: the last step of each epoch has two of them."""
    rows = make_rows([0.5, 1.5, 1, 0, 2, 1, 1, 0.25, 1.75, 1])
    split = {"per_device_train_batch_size": micro, "gradient_accumulation_steps": steps}
    assert_same_path(train(rows, split, loss=loss).path, train(rows, loss=loss).path)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("loss", ["token", "sequence"])
def test_padding_changes_nothing(train, loss, packed, monkeypatch):
    if not packed:
        monkeypatch.setattr(head_module, "is_packable", lambda model: False)
    rows = make_rows([0.5, 1.5, 1, 1])
    padded = train(rows, loss=loss, data_collator=WeightedCollator(pad_to_multiple_of=32))
    assert_same_path(padded.path, train(rows, loss=loss).path)


@pytest.mark.parametrize("loss", ["token", "sequence"])
def test_packing_changes_nothing(train, loss, monkeypatch):
    rows = make_rows([0.5, 1.5, 1, 1, 0, 2])
    packed = train(rows, loss=loss)
    monkeypatch.setattr(head_module, "is_packable", lambda model: False)
    assert_same_path(packed.path, train(rows, loss=loss).path)


@pytest.mark.parametrize("loss", ["token", "sequence"])
def test_equal_weights_scale_the_gradient(train, base, loss):
    start = flat(base)
    one, three = (train(make_rows([w] * 4), {"num_train_epochs": 1}, loss=loss).path[0] for w in (1, 3))
    assert (one - start).abs().max() > 0.01
    torch.testing.assert_close(three - start, 3 * (one - start), rtol=0, atol=3e-5)


@pytest.mark.parametrize("loss", ["token", "sequence"])
def test_a_row_of_weight_zero_teaches_nothing_but_counts(train, base, loss):
    start = flat(base)
    rows = make_rows([1, 1, 0, 0])
    other = [*rows[:2], *({**row, "input_ids": row["input_ids"][::-1]} for row in rows[2:])]
    once = {"num_train_epochs": 1}
    moved = train(rows, once, loss=loss).path[0]
    assert_same_path([moved], train(other, once, loss=loss).path)
    alone = train(rows[:2], once, loss=loss).path[0]
    tokens = [sum(row["completion_mask"]) for row in rows]
    share = sum(tokens[:2]) / sum(tokens) if loss == "token" else 0.5
    torch.testing.assert_close(moved - start, share * (alone - start), rtol=0, atol=1e-5)
    assert torch.equal(train(make_rows([0] * 4), once, loss=loss).path[0], start)


def test_prompt_tokens_are_not_trained(train, base):
    """With an untied head, only rows of completion tokens pull towards their own output vectors."""
    row = {"input_ids": [50, 51, 52, 9], "completion_mask": [0, 0, 0, 1], "weight": 1.0}
    masked = train([row], {"num_train_epochs": 1}).path[0]
    labelled = {"input_ids": row["input_ids"], "labels": [-100, -100, -100, 9], "weight": 1.0}
    assert_same_path([masked], train([labelled], {"num_train_epochs": 1}).path)
    assert_same_path([masked], [reference_step(base, [row], "token")[0]])


def test_the_end_of_turn_is_trained_even_if_it_is_the_padding(train, base, tokenizer):
    ends = [
        {"input_ids": [5, 6, tokenizer.pad_token_id], "completion_mask": [0, 0, 1], "weight": 1.0},
        {"input_ids": [5, 6, 7, 8, 9], "completion_mask": [0, 0, 1, 1, 1], "weight": 0.0},
    ]
    recorder = train(ends, {"num_train_epochs": 1})
    assert_same_path(recorder.path, [reference_step(base, ends, "token")[0]])
    assert (recorder.path[0] - flat(base)).abs().max() > 0.01


@pytest.mark.parametrize("loss", ["token", "sequence"])
def test_weights_within_a_step_matter(train, loss):
    once = {"num_train_epochs": 1, "per_device_train_batch_size": 2}
    weighted = train(make_rows([1.6, 0.4]), once, loss=loss).path[0]
    plain = train(make_rows([1, 1]), once, loss=loss).path[0]
    assert (weighted - plain).abs().max() > 0.01


def test_logs_the_weighted_share_of_the_whole_step(train):
    rows = make_rows([1.6, 0.4, 0, 2.5])
    tokens = [sum(row["completion_mask"]) for row in rows]
    expected = sum(row["weight"] * count for row, count in zip(rows, tokens, strict=True)) / sum(tokens)
    split = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 4}
    for changes in ({}, split):
        assert train(rows, changes).logs[0]["weighted_share"] == pytest.approx(expected)


def test_text_rows_and_evaluation_work_as_in_trl(base, tokenizer, tiny_folder, tmp_path):
    model = LlamaForCausalLM.from_pretrained(tiny_folder)
    rows = Dataset.from_list(
        [{"prompt": "1 and 2?", "completion": f" it is {n}", "weight": w} for n, w in ((3, 1.0), (4, 0.0))]
    )
    trainer = WeightedSFTTrainer(
        model, settings(SFTConfig, tmp_path), train_dataset=rows, eval_dataset=rows, processing_class=tokenizer
    )
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < before


class Forgetful:
    """A collator that knows nothing of weights."""

    def __call__(self, rows):
        return {}


@pytest.mark.parametrize(
    ("changes", "kwargs", "named"),
    [
        ({"packing": True}, {}, "packing"),
        ({"padding_free": True, "max_length": None}, {}, "padding_free"),
        ({"loss_type": "dft"}, {}, "loss_type"),
        ({"use_liger_kernel": True}, {}, "use_liger_kernel"),
        ({"label_smoothing_factor": 0.1}, {}, "label_smoothing_factor"),
        ({"completion_only_loss": False}, {}, "completion_only_loss"),
        ({"max_length": 1}, {}, "max_length 1"),
        ({"eval_packing": True}, {}, "eval_packing"),
        ({"dataloader_drop_last": True}, {}, "dataloader_drop_last"),
        ({}, {"data_collator": Forgetful()}, "Forgetful"),
        ({}, {"loss": "mean"}, "'mean'"),
        ({}, {"compute_loss_func": print}, "compute_loss_func"),
    ],
)
def test_what_would_drop_weights_is_refused_in_one_line(train, changes, kwargs, named):
    with pytest.raises(ConfigError, match=named) as caught:
        train(make_rows([1, 1]), changes, **kwargs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"weight": -1.0}, "negative"),
        ({"weight": float("nan")}, "non-finite"),
        ({"weight": None}, "weight"),
        ({"weight": 1e39}, "weight of row 0"),
        ({"completion_mask": None}, "completion_mask"),
        ({"completion_mask": None, "prompt": "a", "completion": "b"}, "completion_mask"),
    ],
)
def test_unusable_rows_are_refused(train, change, named):
    rows = [{key: value for key, value in {**row, **change}.items() if value is not None} for row in make_rows([1])]
    with pytest.raises(ConfigError, match=named):
        train(rows)


def test_prompts_are_cut_on_the_left_and_rows_dropped_with_a_count(train):
    """A completion is never cut: where it does not fit, the row goes."""
    long = {"input_ids": list(range(1, 20)), "completion_mask": [0] * 12 + [1] * 7, "weight": 0.5}
    rows = [
        long,
        *make_rows([1, 2]),
        {"input_ids": list(range(1, 17)), "completion_mask": [0] * 2 + [1] * 14, "weight": 1.0},
        {"input_ids": [1, 2, 3], "completion_mask": [1, 0, 0], "weight": 1.0},
    ]
    with pytest.warns(UserWarning, match="of 5") as told:
        recorder = train(rows, {"max_length": 14})
    words = " ".join(str(warning.message) for warning in told)
    assert "dropped 2 of 5 rows: 1 with a completion too long for max_length 14" in words
    assert "1 with no completion token after the first token" in words
    assert "cut 1 of 5 prompts on the left to fit max_length 14" in words
    kept = [{**long, "input_ids": long["input_ids"][5:], "completion_mask": long["completion_mask"][5:]}, *rows[1:3]]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert_same_path(recorder.path, train(kept).path)


def test_rows_to_evaluate_are_checked_too(base, tokenizer, tmp_path):
    rows = make_rows([1, 1])
    made = WeightedSFTTrainer(
        copy.deepcopy(base), settings(SFTConfig, tmp_path), None, Dataset.from_list(rows), processing_class=tokenizer
    )
    with pytest.raises(ConfigError, match="the weight of row 1 is -1"):
        made.evaluate(Dataset.from_list([rows[0], {**rows[1], "weight": -1.0}]))


def test_rows_of_tensors_are_rows(train, base, tokenizer, tmp_path):
    rows = make_rows([1, 0.5])
    made = WeightedSFTTrainer(
        copy.deepcopy(base),
        settings(SFTConfig, tmp_path),
        train_dataset=Dataset.from_list(rows).with_format("torch"),
        processing_class=tokenizer,
    )
    made.train()
    assert_same_path([flat(made.model)], train(rows).path[-1:])


def test_nothing_to_train_on_is_refused(train):
    with pytest.raises(ConfigError, match="not one of 1 rows can be trained: 1 with no completion token"):
        train([{"input_ids": [1, 2, 3], "labels": [1, -100, -100], "weight": 1.0}])


def test_labels_of_another_length_are_refused(train):
    with pytest.raises(ConfigError, match="3 tokens and 2 labels"):
        train([{"input_ids": [1, 2, 3], "completion_mask": [0, 1], "weight": 1.0}])
