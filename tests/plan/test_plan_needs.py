"""Memory and disk, by hand, and against what the machine says."""

import os

import numpy as np
import pytest
from make_rows import make_pair, make_row
from tiny_t5 import tiny_t5_folder

from selftrain.engines import EngineConfig
from selftrain.plan.needs import (
    Shape,
    disk_needed,
    free_disk,
    free_memory,
    peak_memory,
    resident_memory,
    sampling_memory,
    training_memory,
)
from selftrain.training import TrainingConfig
from selftrain.training_set import TrainingSet

SHAPE = Shape(parameters=1000, layers=2, hidden=8, inner=16, key_values=4, vocabulary=50, context=512)


def test_the_shape_of_a_model(tiny_folder):
    from selftrain.models import load_model, open_model

    module = load_model(open_model(tiny_folder))
    found = Shape.read(tiny_folder)
    assert found.parameters == sum(p.numel() for p in module.parameters())
    assert (found.layers, found.hidden, found.inner, found.context) == (2, 32, 64, 512)
    assert found.key_values == 16
    assert found.vocabulary == module.config.vocab_size


def test_the_shape_of_an_encoder_decoder_model(tmp_path):
    from selftrain.models import load_model, open_model

    folder = tiny_t5_folder(tmp_path / "t5", hidden=48, layers=2, decoder_layers=3)
    found = Shape.read(folder)
    config = load_model(open_model(folder)).config
    assert (found.layers, found.hidden, found.inner, found.context) == (3, 48, 96, None)
    assert found.key_values == 48
    assert found.vocabulary == config.vocab_size
    assert sampling_memory(found, EngineConfig(name="transformers"), 10) > 4 * found.parameters
    rows = TrainingSet((make_row(ids=(1,) * 10, start=8),))
    assert training_memory(found, TrainingConfig(), 1000, rows, apart=False) > 4 * found.parameters


def test_parameters_are_counted_whatever_their_type(tiny_folder, tmp_path):
    import torch
    from safetensors.torch import save_file

    (tmp_path / "config.json").write_bytes((tiny_folder / "config.json").read_bytes())
    halves = {"a": torch.zeros(3, 5, dtype=torch.bfloat16), "b": torch.zeros(7, dtype=torch.float16)}
    save_file(halves, tmp_path / "model-00001-of-00002.safetensors", metadata={"format": "pt"})
    save_file({"c": torch.zeros(2)}, tmp_path / "model-00002-of-00002.safetensors")
    assert Shape.read(tmp_path).parameters == 3 * 5 + 7 + 2


def test_sampling_holds_weights_cache_and_logits_or_loads():
    cache, logits = 2 * 3 * 10 * 2 * 4, 4 * 4 * 3 * 50
    fp32 = EngineConfig(precision="fp32", batch=3)
    assert sampling_memory(SHAPE, fp32, 10) == 4 * 1000 + 4 * cache + logits
    assert sampling_memory(SHAPE, EngineConfig(precision="bf16", batch=3), 10) == 6 * 1000
    openvino = EngineConfig(name="openvino", precision="bf16", batch=3)
    assert sampling_memory(SHAPE, openvino, 10) == 4 * 1000 + 2 * 2 * 3 * 512 * 2 * 4 + logits


def test_training_holds_states_activations_and_logits():
    full = TrainingConfig(method="full", precision="fp32", batch_size=2)
    layer, logits = 2 * 10 * (16 * 8 + 4 * 16) * 4, 4 * 4 * 2 * 3 * 50
    rows = TrainingSet((make_row(ids=(1,) * 10, start=8), make_row(ids=(1,) * 9, start=6)))
    assert training_memory(SHAPE, full, 1000, rows, apart=False) == 16 * 1000 + 2 * layer + logits
    lora = full.model_copy(update={"precision": "bf16"})
    assert training_memory(SHAPE, lora, 10, rows, apart=False) == 6 * 1000 + 120 + layer + logits
    again = full.model_copy(update={"gradient_checkpointing": True})
    assert training_memory(SHAPE, again, 1000, rows, apart=False) == 16 * 1000 + layer + 2 * 10 * 8 * 4 * 2 + logits


def test_the_two_sides_of_a_pair_are_in_memory_together():
    config = TrainingConfig(method="full", precision="fp32", batch_size=2)
    pairs = TrainingSet((make_pair(prompt=(1,) * 7, chosen=(2, 3), rejected=(4, 5, 6)),))
    layer, logits = 2 * 2 * 10 * (16 * 8 + 4 * 16) * 4, 4 * 4 * 2 * 2 * 3 * 50
    found = training_memory(SHAPE, config, 1000, pairs, apart=False)
    assert found == 16 * 1000 + 2 * layer + logits
    assert training_memory(SHAPE, config, 1000, pairs, apart=True) == found + 4 * 1000


def test_models_stay_and_checkpoints_pass():
    kept, peak = disk_needed(100, 400, trainings=2, checkpoints=9, rows=3, tokens=10)
    assert kept == 2 * 500 + 3 * 300 + 10 * 24
    assert peak == kept + 3 * 3 * 100
    assert disk_needed(100, 0, trainings=1, checkpoints=1, rows=0, tokens=0) == (100, 400)
    assert disk_needed(0, 0, trainings=0, checkpoints=0, rows=0, tokens=0) == (0, 0)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="Linux alone tells")
def test_what_there_is(tmp_path):
    assert free_disk(tmp_path) > 0
    assert free_memory() > 0
    before = resident_memory()
    block = np.ones(8_000_000)
    assert resident_memory() - before > 0.8 * block.nbytes
    held = resident_memory()
    assert peak_memory() > 0.9 * held


def test_pages_of_files_that_nobody_uses_are_free(tmp_path):
    for name, text in {"max": "5000", "current": "4000", "stat": "anon 1500\ninactive_file 2000\nslab 10"}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    assert free_memory(tmp_path) == 5000 - 4000 + 2000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(tmp_path) != 3000
