"""Killed at any moment and called again, a training ends with the very bytes of an uninterrupted training."""

import os
import signal
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from forked import forked
from safetensors.torch import save_file
from tiny_t5 import tiny_t5_folder
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from selftrain.errors import WorkspaceError
from selftrain.training import TrainingConfig, train, train_dpo, train_kto, train_sft
from selftrain.training.references import References

CONFIGS = {
    "lora": TrainingConfig(
        batch_size=4,
        epochs=3,
        save_steps=2,
        learning_rate=0.01,
        lora={"r": 4, "dropout": 0.2},
        loss="sequence",
    ),
    "full": TrainingConfig(method="full", batch_size=4, micro_batch_size=2, epochs=3, save_steps=2, learning_rate=0.01),
}
CONFIGS |= {"dpo": CONFIGS["full"], "kto": CONFIGS["full"], "t5": CONFIGS["full"]}
TRAIN = {"lora": train_sft, "full": train_sft, "dpo": train_dpo, "kto": train_kto, "t5": train_sft}
"""Ten rows make nine steps, with checkpoints after steps 2, 4, 6, 8 and 9."""
MOMENTS = {
    "lora": [
        "step 1",
        "writing scheduler.pt",
        "sealing",
        "step 3",
        "writing optimizer.pt",
        "step 5",
        "deleting",
        "step 7",
        "released",
    ],
    "full": ["writing scheduler.pt", "step 4", "step 7"],
    "dpo": ["references 1", "references 3", "writing optimizer.pt", "step 5"],
    "kto": ["references 2", "step 3", "step 7"],
    "t5": ["step 3"],
}


def make_rows():
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(4, 50, (10, 12), generator=draw).tolist()
    return [
        SimpleNamespace(
            input_ids=tuple(row[: 7 + i % 5]),
            completion_start=3 + i % 3,
            weight=i / 4.5,
            label=i % 2 == 0,
            prompt_ids=row[:3],
            chosen_ids=row[3 : 5 + i % 3],
            rejected_ids=row[6:12],
        )
        for i, row in enumerate(ids)
    ]


def die(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(moment):
    """A patch that kills the process at a moment, and the step at which to die."""
    word, _, what = moment.partition(" ")
    if word == "writing":
        save = torch.save

        def torn(value, path, *args, **kwargs):
            save(value, path, *args, **kwargs)
            if str(path).endswith(what):
                os.truncate(path, 10)
                die()

        return mock.patch("torch.save", torn), None
    if word == "references":
        add, left = References.add, [int(what)]

        def kept(*args, **kwargs):
            add(*args, **kwargs)
            left[0] -= 1
            if not left[0]:
                die()

        return mock.patch.object(References, "add", kept), None
    target = {
        "sealing": "pathlib.Path.replace",
        "deleting": "shutil.rmtree",
        "released": f"{train.__name__}._released",
    }
    return mock.patch(target[word], die) if word in target else mock.patch("os.nice"), int(what or 0)


def child(model_folder, folder, method, moment, result):
    torch.set_num_threads(1)
    patch, last = deadly(moment)

    def on_log(logs):
        if logs["step"] == last:
            die()

    with patch:
        kind = AutoModelForSeq2SeqLM if method == "t5" else AutoModelForCausalLM
        model = kind.from_pretrained(model_folder)
        trained = TRAIN[method](
            model,
            AutoTokenizer.from_pretrained(model_folder),
            make_rows(),
            CONFIGS[method],
            seed=2**40 + 1,
            folder=folder,
            on_log=on_log,
        )
    save_file({name: value.clone() for name, value in trained.state_dict().items()}, result)


@pytest.fixture(scope="module")
def start():
    return forked(child)


@pytest.mark.parametrize("method", CONFIGS)
def test_killed_again_and_again_ends_with_the_same_bytes(start, tiny_folder, tmp_path, method):
    if method == "t5":  # with dropout and an output head of its own
        tiny_folder = tiny_t5_folder(tmp_path / "t5", dropout=0.1)
    whole, pieces = tmp_path / "whole.safetensors", tmp_path / "pieces.safetensors"
    assert start(tiny_folder, tmp_path / "a", method, "never", whole) == 0
    attempt = partial(start, tiny_folder, tmp_path / "b", method)
    for moment in MOMENTS[method]:
        assert attempt(moment, pieces) == -signal.SIGKILL, moment
    assert not pieces.exists()
    assert attempt("step 1", pieces) == 0, "the first step was done before and cannot come again"
    assert pieces.read_bytes() == whole.read_bytes()
    kept = sorted(path.name for path in (tmp_path / "b").glob("checkpoint-*"))
    assert len(kept) == 2
    assert kept[-1] == "checkpoint-9"


def test_a_folder_of_another_training_is_refused(start, tiny_folder, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(tiny_folder)
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    config = CONFIGS["lora"].model_copy(update={"epochs": 1})
    train_sft(model, tokenizer, make_rows(), config, seed=1, folder=Path(tmp_path))
    for rows, seed in ((make_rows()[:9], 1), (make_rows(), 2)):
        model = AutoModelForCausalLM.from_pretrained(tiny_folder)
        with pytest.raises(WorkspaceError, match="other rows or settings"):
            train_sft(model, tokenizer, rows, config, seed=seed, folder=Path(tmp_path))
