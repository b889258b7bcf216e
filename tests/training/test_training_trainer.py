"""What the weighted trainers share: the order of rows, the log file, padding."""

import json
from types import SimpleNamespace

import torch
from accelerate.data_loader import SeedableRandomSampler

from selftrain.training.trainer import FillersLast, LogFile, padded


def test_fillers_come_after_the_rows_in_the_order_of_accelerate():
    rows, order = SeedableRandomSampler(range(7), data_seed=5), FillersLast(7, 2, 5)
    assert len(order) == 9
    for epoch in (0, 3):
        rows.set_epoch(epoch)
        order.set_epoch(epoch)
        assert list(order) == [*rows, 7, 8]


def state(step, main=True):
    return SimpleNamespace(global_step=step, is_world_process_zero=main)


def test_the_log_goes_on_where_training_does(tmp_path):
    path = tmp_path / "new" / "metrics.jsonl"
    log = LogFile(path)
    log.on_train_begin(None, state(0), None)
    for step in (1, 2, 3):
        log.on_log(None, state(step), None, logs={"loss": step / 2})
    log.on_log(None, state(3, main=False), None, logs={"loss": 9})
    path.write_text(path.read_text() + '{"step": 3, "lo')
    log.on_train_begin(None, state(2), None)
    log.on_log(None, state(3), None, logs={"loss": 7})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(1, 0.5), (2, 1.0), (3, 7)]
    log.on_train_begin(None, state(0), None)
    assert path.read_text() == ""


def test_rows_are_padded_on_the_right_to_a_multiple():
    batch = padded([([5, 6, 7], [-100, 6, 7]), ([8], [-100])], multiple=4)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 0], [8, 0, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]
    assert batch["labels"].tolist() == [[-100, 6, 7, -100], [-100] * 4]
    assert batch["labels"].dtype == torch.int64
