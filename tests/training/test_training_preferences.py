"""WeightedDPOTrainer and WeightedKTOTrainer: the promises about weights, held to 1e-5 on parameter trajectories."""

import copy
import gc
import json
import warnings
import weakref

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from torch.nn.functional import log_softmax
from trajectories import RATE, VOCABULARY, assert_same_path, flat, run, settings, tiny_llama
from transformers import LlamaForCausalLM
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer

from selftrain.errors import ConfigError, WorkspaceError
from selftrain.training import WeightedDPOTrainer, WeightedKTOTrainer
from selftrain.training.fingerprint import fingerprint
from selftrain.training.kto import crossed

KINDS = {"dpo": (WeightedDPOTrainer, DPOConfig), "kto": (WeightedKTOTrainer, KTOConfig)}
STOCK = {"dpo": DPOTrainer, "kto": KTOTrainer}
BETA = 0.3
ONCE = {"num_train_epochs": 1}


@pytest.fixture(scope="module")
def base():
    return tiny_llama()


@pytest.fixture(scope="module")
def reference():
    """Another model than the one trained, so that log-ratios are far from 0."""
    model = tiny_llama()
    torch.manual_seed(1)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def make_rows(kind, weights):
    draw = torch.Generator().manual_seed(0)

    def ids(low, high):
        length = int(torch.randint(low, high, (1,), generator=draw))
        return torch.randint(1, VOCABULARY, (length,), generator=draw).tolist()

    rows = []
    for index, weight in enumerate(weights):
        row = {"prompt_ids": ids(1, 5), "weight": float(weight)}
        sides = ("chosen_ids", "rejected_ids") if kind == "dpo" else ("completion_ids",)
        rows.append(row | {side: ids(2, 8) for side in sides} | ({"label": index % 3 != 1} if kind == "kto" else {}))
    return rows


@pytest.fixture
def train(base, reference, tokenizer, tmp_path):
    def weighted(kind, rows, changes=None, **kwargs):
        trainer, config = KINDS[kind]
        args = settings(config, tmp_path, **{"beta": BETA, **(changes or {})})
        kwargs = {"ref_model": copy.deepcopy(reference), **kwargs}
        return run(trainer, args, base, rows, tokenizer, **kwargs)

    return weighted


class Tokenized:
    """TRL's own trainer, its tokenization left out, as the rows are token ids."""

    def _prepare_dataset(self, dataset, processing_class, args, name):
        if "completion_ids" not in dataset.column_names:
            return dataset
        size = args.per_device_train_batch_size
        shifted = {"KL_completion_ids": lambda ids: ids[-1:] + ids[:-1]}
        return dataset.map(
            lambda rows: {name: turn(rows["completion_ids"]) for name, turn in shifted.items()},
            batched=True,
            batch_size=size,
        )


def stock(kind):
    return type("Stock", (Tokenized, STOCK[kind]), {})


LOSSES = {
    "sigmoid": lambda c, r, n, m: -torch.nn.functional.logsigmoid(BETA * (c - r)),
    "hinge": lambda c, r, n, m: (1 - BETA * (c - r)).clamp(min=0),
    "ipo": lambda c, r, n, m: (c / n - r / m - 1 / (2 * BETA)) ** 2,
}


def logp(model, prompt, completion):
    ids = torch.tensor(prompt + completion)
    logits = log_softmax(model(ids[None]).logits[0], -1)
    return sum(logits[place - 1, ids[place]] for place in range(len(prompt), len(ids)))


def reference_step(base, reference, kind, rows, loss="sigmoid"):
    """One step of gradient descent on the loss as its formula says, in float64 and row by row."""
    model, other = copy.deepcopy(base).double(), copy.deepcopy(reference).double()

    def ratio(row, completion):
        with torch.no_grad():
            before = logp(other, row["prompt_ids"], completion)
        return logp(model, row["prompt_ids"], completion) - before

    if kind == "dpo":
        sides = [[row["chosen_ids"], row["rejected_ids"]] for row in rows]
        losses = [
            LOSSES[loss](*(ratio(row, ids) for ids in pair), *map(len, pair))
            for row, pair in zip(rows, sides, strict=True)
        ]
    else:
        with torch.no_grad():
            crossed = [rows[place - 1]["completion_ids"] for place in range(len(rows))]
            kl = torch.stack([ratio(row, ids) for row, ids in zip(rows, crossed, strict=True)]).mean().clamp(min=0)
        ratios = [ratio(row, row["completion_ids"]) for row in rows]
        signs = [1 if row["label"] else -1 for row in rows]
        losses = [1 - torch.sigmoid(BETA * sign * (r - kl)) for sign, r in zip(signs, ratios, strict=True)]
    total = sum(row["weight"] * value for row, value in zip(rows, losses, strict=True)) / len(rows)
    total.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= chosen_loss(kind, loss)["learning_rate"] * parameter.grad
    return flat(model).float(), total.item()


CASES = [("dpo", "sigmoid"), ("dpo", "hinge"), ("dpo", "ipo"), ("kto", "kto")]


def chosen_loss(kind, loss):
    rate = RATE / 10 if loss == "ipo" else RATE  # its gradient is large: full steps would amplify rounding
    return {"learning_rate": rate, **({"loss_type": [loss]} if kind == "dpo" else {})}


@pytest.mark.parametrize(("kind", "loss"), CASES)
def test_weights_1_are_trls_own(train, base, reference, tokenizer, tmp_path, kind, loss):
    rows = make_rows(kind, [1] * 8)
    changes = chosen_loss(kind, loss)
    args = settings(KINDS[kind][1], tmp_path, **{"beta": BETA, **changes})
    bare = [{name: value for name, value in row.items() if name != "weight"} for row in rows]
    theirs = run(stock(kind), args, base, bare, tokenizer, ref_model=copy.deepcopy(reference))
    ours = train(kind, rows, changes)
    assert_same_path(ours.path, theirs.path)
    assert ours.losses == pytest.approx(theirs.losses, rel=1e-4)
    both = {"rewards/chosen", "rewards/rejected", "rewards/margins", "logps/chosen", "logps/rejected"}
    for name in both | {"kl" if kind == "kto" else "rewards/accuracies"}:
        assert ours.logs[0][name] == pytest.approx(theirs.logs[0][name], rel=1e-4, abs=1e-5), name


@pytest.mark.parametrize(("kind", "loss"), CASES)
def test_equals_a_second_computation_in_float64(train, base, reference, kind, loss):
    rows = make_rows(kind, [1.6, 0.4, 0, 2.5])
    recorder = train(kind, rows, {**ONCE, **chosen_loss(kind, loss)})
    expected, value = reference_step(base, reference, kind, rows, loss)
    assert_same_path(recorder.path, [expected])
    assert recorder.losses[0] == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize(("kind", "loss"), CASES)
def test_micro_batches_change_nothing(train, kind, loss):
    """Ten rows: the last step of each epoch has two of them."""
    rows = make_rows(kind, [0.5, 1.5, 1, 0, 2, 1, 1, 0.25, 1.75, 1])
    split = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    changes = chosen_loss(kind, loss)
    parts, whole = train(kind, rows, {**split, **changes}), train(kind, rows, changes)
    assert_same_path(parts.path, whole.path)
    assert parts.losses == pytest.approx(whole.losses, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_weights_scale_the_gradient(train, base, kind):
    start = flat(base)
    one, three = (train(kind, make_rows(kind, [w] * 4), ONCE).path[0] for w in (1, 3))
    assert (one - start).abs().max() > 0.005
    torch.testing.assert_close(three - start, 3 * (one - start), rtol=0, atol=3e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_weight_zero_teaches_nothing_but_counts(train, base, kind):
    start = flat(base)
    rows = make_rows(kind, [1, 1, 0, 0])
    assert torch.equal(train(kind, make_rows(kind, [0] * 4), ONCE).path[0], start)
    if kind == "dpo":  # The baseline of labelled rows is made of all of them, whatever their weights.
        moved, alone = (train(kind, some, ONCE).path[0] for some in (rows, rows[:2]))
        torch.testing.assert_close(moved - start, 0.5 * (alone - start), rtol=0, atol=1e-5)
    else:
        flipped = [*rows[:2], *({**row, "label": not row["label"]} for row in rows[2:])]
        assert_same_path(train(kind, flipped, ONCE).path, train(kind, rows, ONCE).path)


def test_the_factors_of_kto_multiply_weights(train):
    rows = make_rows("kto", [1] * 4)
    factors = {"desirable_weight": 2.0, "undesirable_weight": 0.5}
    weighted = [{**row, "weight": 2.0 if row["label"] else 0.5} for row in rows]
    assert_same_path(train("kto", rows, {**ONCE, **factors}).path, train("kto", weighted, ONCE).path)


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_is_compared_with_the_model_below_it(base, tokenizer, tmp_path, kind):
    """And one that was there before, with itself as it was."""
    trainer, config = KINDS[kind]
    rows, lora = make_rows(kind, [1.5, 0.5, 1, 1]), LoraConfig(r=2, init_lora_weights=True)
    args = {"beta": BETA, "learning_rate": 5.0}
    fresh = run(trainer, settings(config, tmp_path / "a", **args), base, rows, tokenizer, peft_config=lora)
    told = run(
        trainer,
        settings(config, tmp_path / "b", **args),
        base,
        rows,
        tokenizer,
        ref_model=copy.deepcopy(base),
        peft_config=lora,
    )
    assert_same_path(fresh.path, told.path)
    torch.manual_seed(3)
    adapted = get_peft_model(copy.deepcopy(base), LoraConfig(r=2, init_lora_weights=False))
    merged = copy.deepcopy(adapted).merge_and_unload()
    before = run(trainer, settings(config, tmp_path / "c", **args), adapted, rows, tokenizer)
    told = run(trainer, settings(config, tmp_path / "d", **args), adapted, rows, tokenizer, ref_model=merged)
    assert before.losses == pytest.approx(told.losses, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_come_after_training_are_compared_with_the_model_before(tokenizer, tiny_folder, tmp_path, kind):
    """Were the trained adapter the reference, every reward would be 0."""
    trainer, config = KINDS[kind]
    rows = Dataset.from_list(TEXT[kind])
    made = trainer(
        LlamaForCausalLM.from_pretrained(tiny_folder),
        args=settings(config, tmp_path, beta=BETA, learning_rate=5.0),
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=LoraConfig(r=2),
    )
    made.train()
    others = [{**row, "prompt": "4 and 5?"} for row in TEXT[kind]]
    assert abs(made.evaluate(Dataset.from_list(others))["eval_rewards/chosen"]) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_is_computed_once_and_kept(train, tmp_path, monkeypatch, kind):
    rows, kept = make_rows(kind, [1.5, 0.5, 1, 1]), tmp_path / "references.jsonl"
    small = {**ONCE, "precompute_ref_batch_size": 3}
    first = train(kind, rows, small, references=kept)
    text = kept.read_text()
    lines = text.splitlines()
    assert len(lines) == 1 + 3, "eight completions in blocks of three"
    kept.write_text("".join(line + "\n" for line in lines[:2]) + lines[2][:9])
    asked = []
    plain = KINDS[kind][0]._logps_before
    monkeypatch.setattr(KINDS[kind][0], "_logps_before", lambda self, items: asked.append(items) or plain(self, items))
    assert_same_path(train(kind, rows, small, references=kept).path, first.path, atol=0)
    assert [len(block) for block in asked] == [3, 2], "one block was there, a line was torn and one was missing"
    assert kept.read_text() == text
    train(kind, rows, small, references=kept)
    assert len(asked) == 2


def test_log_probabilities_of_another_reference_are_refused(train, base, tmp_path):
    rows, kept = make_rows("dpo", [1, 1]), tmp_path / "references.jsonl"
    train("dpo", rows, ONCE, references=kept)
    with pytest.raises(WorkspaceError, match="another reference model"):
        train("dpo", rows, ONCE, references=kept, ref_model=copy.deepcopy(base))


def test_a_damaged_file_of_references_is_refused_in_one_line(train, tmp_path):
    rows, kept = make_rows("dpo", [1, 1]), tmp_path / "references.jsonl"
    train("dpo", rows, ONCE, references=str(kept))
    kept.write_text(kept.read_text() + '{"block": 1}\n')
    with pytest.raises(WorkspaceError, match="holds a line that is no block"):
        train("dpo", rows, ONCE, references=kept)


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_are_cut_on_the_left_and_rows_dropped_with_a_count(train, kind):
    rows = make_rows(kind, [1] * 6)
    side = "rejected_ids" if kind == "dpo" else "completion_ids"
    rows[0]["prompt_ids"] = list(range(1, 30))
    rows[1][side] = list(range(1, 30))
    rows[2][side] = []
    rows[3]["prompt_ids"] = []
    with pytest.warns(UserWarning, match="of 6") as told:
        recorder = train(kind, rows, {**ONCE, "max_length": 12})
    words = " ".join(str(warning.message) for warning in told)
    assert "dropped 3 of 6 rows" in words
    assert "1 with an empty completion" in words
    assert "1 with an empty prompt" in words
    assert "1 with a completion too long for max_length 12" in words
    assert "cut 1 of 6 prompts on the left" in words
    longest = max(len(rows[0][name]) for name in rows[0] if name in ("chosen_ids", "rejected_ids", "completion_ids"))
    kept = [{**rows[0], "prompt_ids": rows[0]["prompt_ids"][longest - 12 :]}, *rows[4:]]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert_same_path(train(kind, kept, ONCE).path, recorder.path)


TEXT = {
    "dpo": [{"prompt": "1 and 2?", "chosen": " it is 3", "rejected": " it is 4", "weight": w} for w in (1.0, 0.5)],
    "kto": [{"prompt": "1 and 2?", "completion": f" it is {n}", "label": n == 3, "weight": 1.0} for n in (3, 4)],
}


@pytest.mark.parametrize("kind", KINDS)
def test_text_rows_and_evaluation_work_as_in_trl(tokenizer, tiny_folder, tmp_path, kind):
    trainer, config = KINDS[kind]
    rows = Dataset.from_list(TEXT[kind])
    made = trainer(
        LlamaForCausalLM.from_pretrained(tiny_folder),
        args=settings(config, tmp_path, beta=BETA),
        train_dataset=rows,
        eval_dataset=rows,
        processing_class=tokenizer,
    )
    before = made.evaluate()["eval_loss"]
    made.train()
    after = made.evaluate()
    assert after["eval_loss"] < before
    assert {"eval_rewards/chosen", "eval_rewards/rejected"} <= set(after)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert any("loss" in line and "weighted_share" in line for line in lines)


def test_labels_may_be_numbers_and_nothing_else(train):
    rows = make_rows("kto", [1, 1])
    numbers = [{**row, "label": int(row["label"])} for row in rows]
    assert_same_path(train("kto", numbers, ONCE).path, train("kto", rows, ONCE).path)
    for label in (2, "yes"):
        with pytest.raises(ConfigError, match="the label of row 0"):
            train("kto", [{**row, "label": label} for row in rows])


@pytest.mark.parametrize("kind", KINDS)
def test_empty_text_is_dropped_with_a_count(tokenizer, tiny_folder, tmp_path, kind):
    trainer, config = KINDS[kind]
    side = "rejected" if kind == "dpo" else "completion"
    rows = [*TEXT[kind], {**TEXT[kind][0], side: " "}]
    with pytest.warns(UserWarning, match="dropped 1 of 3 rows: 1 with an empty completion"):
        made = trainer(
            LlamaForCausalLM.from_pretrained(tiny_folder),
            args=settings(config, tmp_path),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
        )
    assert len(made.train_dataset) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_text_too_long_loses_its_beginning_not_its_end(tokenizer, tiny_folder, tmp_path, kind):
    trainer, config = KINDS[kind]
    rows = [{**row, "prompt": "1 and 2? " * 20} for row in TEXT[kind]]
    with pytest.warns(UserWarning, match="cut 2 of 2 prompts on the left to fit max_length 40"):
        made = trainer(
            LlamaForCausalLM.from_pretrained(tiny_folder),
            args=settings(config, tmp_path, max_length=40),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
        )
    completion = "chosen" if kind == "dpo" else "completion"
    for row, text in zip(made.train_dataset, rows, strict=True):
        assert tokenizer.decode(row[f"{completion}_ids"]) == text[completion] + tokenizer.eos_token
        for prefix in ("", "KL_") if kind == "kto" else ("",):
            assert len(row[f"{prefix}prompt_ids"]) + len(row[f"{prefix}{completion}_ids"]) <= 40


def test_a_baseline_is_taken_within_a_step():
    assert crossed(6, 3) == [2, 0, 1, 5, 3, 4]
    assert crossed(5, 2) == [1, 0, 3, 2, 3], "a row alone takes the completion of the step before"
    assert crossed(1, 4) == [0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_is_let_go_and_later_rows_need_it(base, reference, tokenizer, tmp_path, kind):
    trainer, config = KINDS[kind]
    rows = Dataset.from_list(make_rows(kind, [1, 1]))
    other = copy.deepcopy(reference)
    there = weakref.ref(other)
    args = settings(config, tmp_path)
    made = trainer(copy.deepcopy(base), other, args, train_dataset=rows, processing_class=tokenizer)
    del other
    gc.collect()
    assert there() is None
    with pytest.raises(ConfigError, match="give rows as eval_dataset"):
        made.evaluate(rows)


def test_logged_figures_are_means_over_the_rows_of_a_step(train):
    rows = make_rows("kto", [1] * 6)
    whole = train("kto", rows, {**ONCE, "per_device_train_batch_size": 6}).logs[0]
    split = train("kto", rows, {**ONCE, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 3}).logs[0]
    for name in ("rewards/chosen", "rewards/rejected", "logps/chosen", "kl"):
        assert split[name] == pytest.approx(whole[name], abs=1e-4), name


def test_the_fingerprint_is_of_what_computes(base):
    plain = fingerprint(base)
    assert fingerprint(copy.deepcopy(base)) == plain
    torch.manual_seed(5)
    fresh = get_peft_model(copy.deepcopy(base), LoraConfig(r=2))
    assert fingerprint(fresh) == plain, "the reference of a fresh adapter is the model below it"
    fresh.add_adapter("ref", LoraConfig(r=2, lora_alpha=16))
    came_with = fingerprint(fresh)
    assert came_with != plain
    fresh.peft_config["ref"].lora_alpha = 64
    assert fingerprint(fresh) != came_with
    longer = copy.deepcopy(base)
    longer.config.rope_parameters = {**longer.config.rope_parameters, "rope_theta": 5.0}
    assert fingerprint(longer) != plain
    changed = copy.deepcopy(base)
    changed.lm_head.weight.data[0, 0] += 1
    assert fingerprint(changed) != plain


REFUSED = [
    ("dpo", {"beta": 0.0}, "beta"),
    ("dpo", {"label_smoothing": 0.1}, "label_smoothing"),
    ("dpo", {"padding_free": True}, "padding_free"),
    ("dpo", {"dataloader_drop_last": True}, "dataloader_drop_last"),
    ("kto", {"desirable_weight": -1.0}, "desirable_weight"),
    ("kto", {"undesirable_weight": float("nan")}, "undesirable_weight"),
    ("dpo", {"loss_type": ["exo_pair"]}, "loss_type"),
    ("dpo", {"loss_type": ["sigmoid", "sft"]}, "loss_type"),
    ("dpo", {"use_weighting": True}, "use_weighting"),
    ("dpo", {"f_divergence_type": "forward_kl"}, "f_divergence_type"),
    ("dpo", {"ld_alpha": 0.5}, "ld_alpha"),
    ("dpo", {"sync_ref_model": True}, "sync_ref_model"),
    ("dpo", {"use_liger_kernel": True}, "use_liger_kernel"),
    ("kto", {"use_liger_kernel": True}, "use_liger_kernel"),
    ("kto", {"loss_type": "apo_zero_unpaired"}, "loss_type"),
    ("kto", {"per_device_train_batch_size": 1}, "per_device_train_batch_size"),
    ("kto", {"train_sampling_strategy": "random"}, "train_sampling_strategy"),
]


@pytest.mark.parametrize(("kind", "changes", "named"), REFUSED)
def test_what_has_no_weighted_form_is_refused_in_one_line(train, kind, changes, named):
    with pytest.raises(ConfigError, match=named) as caught:
        train(kind, make_rows(kind, [1, 1]), changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_collator_of_others_is_refused(train, kind):
    with pytest.raises(ConfigError, match="function would drop the weights"):
        train(kind, make_rows(kind, [1, 1]), data_collator=lambda rows: {})


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), 1e39, None, [1.0, 2.0], "1"])
@pytest.mark.parametrize("kind", KINDS)
def test_impossible_weights_are_refused(train, kind, weight):
    rows = [{**row, "weight": weight} for row in make_rows(kind, [1, 1])]
    with pytest.raises(ConfigError, match=r"the weight of row 0|the column weight has rows without a value"):
        train(kind, rows)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_weights_or_completions_are_refused(train, kind):
    for missing in set(make_rows(kind, [1])[0]) - {"prompt_ids"}:
        rows = [{name: row[name] for name in row if name != missing} for row in make_rows(kind, [1, 1])]
        with pytest.raises(ConfigError, match="rows have the columns"):
            train(kind, rows)
