"""A full disk is one line, and the training that met it ends with the weights of an undisturbed one."""

import multiprocessing
import resource
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from selftrain.disk import disk_errors
from selftrain.errors import WorkspaceError
from selftrain.training import TrainingConfig

ROWS = [SimpleNamespace(input_ids=(5 + i, 6, 7, 8 + i, 9), completion_start=2, weight=1.0) for i in range(6)]
CONFIGS = {
    "lora": TrainingConfig(batch_size=2, epochs=2, save_steps=2, learning_rate=0.01),
    "full": TrainingConfig(method="full", batch_size=2, epochs=2, save_steps=2, learning_rate=0.01),
}


def work(model_folder, folder, method, limit, said):
    """Train and save while no file may grow beyond `limit` bytes; `said` receives the error there was, or nothing."""
    import torch

    from selftrain.models import load_model, load_tokenizer, open_model, save_adapter, save_model
    from selftrain.training import train_sft

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    torch.set_num_threads(1)
    start = open_model(model_folder)
    model, tokenizer = load_model(start), load_tokenizer(start)
    try:
        if method == "none":
            save_model(model, tokenizer, folder / "model")
        else:
            trained = train_sft(model, tokenizer, ROWS, CONFIGS[method], seed=1, folder=folder / "checkpoints")
            if method == "lora":
                save_adapter(trained, folder / "model")
            else:
                save_model(trained, tokenizer, folder / "model")
    except WorkspaceError as error:
        said.put(str(error))
    else:
        said.put("")


@pytest.fixture(scope="module")
def attempt():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["selftrain.training.train", "transformers.models.llama.modeling_llama"])

    def run(*arguments):
        said = context.SimpleQueue()
        process = context.Process(target=work, args=(*arguments, said))
        process.start()
        process.join(120)
        assert process.exitcode == 0
        return said.get()

    return run


def saved(folder: Path) -> bytes:
    (file,) = (folder / "model").glob("*.safetensors")
    return file.read_bytes()


@pytest.mark.parametrize("method", ["lora", "full"])
def test_training_goes_on_once_there_is_space(attempt, tiny_folder, tmp_path, method):
    whole, disturbed = tmp_path / "whole", tmp_path / "disturbed"
    assert attempt(tiny_folder, whole, method, resource.RLIM_INFINITY) == ""
    (weights,) = (whole / "checkpoints" / "checkpoint-6").glob("*.safetensors")
    state = weights.with_name("optimizer.pt").stat().st_size
    # In the weights, within the optimizer's state, and when the last bytes of it are flushed.
    limits = {weights.stat().st_size - 1: "os error 27", state * 3 // 4: "inline_container", state - 1: "iostream"}
    for limit, reason in limits.items():
        said = attempt(tiny_folder, disturbed, method, limit)
        assert said.startswith(f"a checkpoint in {disturbed / 'checkpoints'} cannot be written: ")
        assert reason in said
        assert said.endswith("; free some space and repeat the command, it goes on from here")
        assert "\n" not in said
    assert attempt(tiny_folder, disturbed, method, resource.RLIM_INFINITY) == ""
    assert saved(disturbed) == saved(whole)


def test_a_model_that_cannot_be_saved_leaves_nothing(attempt, tiny_folder, tmp_path):
    folder = tmp_path / "out"
    said = attempt(tiny_folder, folder, "none", 20_000)
    assert said.startswith(f"a model in {folder} cannot be written: ")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError("size mismatch"), OSError(28, "No space left on device"), KeyError(1)])
def test_anything_else_passes_through(error):
    with pytest.raises(type(error)) as caught, disk_errors("it"):
        raise error
    assert caught.value is error
