"""Runs that the end-to-end tests share; no test may change them."""

import pytest
from small import Lab, selftrain, write_lab, write_model


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("end_to_end") / "tiny")


@pytest.fixture(scope="session")
def lab(tmp_path_factory, model) -> Lab:
    return write_lab(tmp_path_factory.mktemp("lab"), model)


@pytest.fixture(scope="session")
def first(lab):
    """The folder of a run of one promoted round, made by the command line in a process of its own."""
    ended = selftrain("run", lab.config, "name=first")
    assert ended.code == 0, ended.err
    assert "progress: pass@1 rose" in ended.out
    return lab.workspace / "first"


@pytest.fixture(scope="session")
def chained(lab, first):
    """Two promoted rounds of adapters."""
    changes = ("training.method=lora", "training.learning_rate=0.003", "promote=always", "rounds=2")
    return lab.run("chained", "recipe.name=east", "recipe.options.samples=4", *changes)
