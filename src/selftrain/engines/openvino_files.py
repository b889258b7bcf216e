"""Models as OpenVINO reads them: half-precision GGUF files in the cache, with numbers to prove the reading."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from selftrain.errors import WorkspaceError
from selftrain.files import atomic_path, remove
from selftrain.gguf_model import write_gguf_model
from selftrain.models import Model, load_model, load_tokenizer
from selftrain.models.cache import default_cache

KEPT = 2
"""Models kept in the cache: a run samples from a parent and a candidate."""
_FORM = 1
"""Raised whenever something else is written for the same model, so that no old file is used."""
_TEXT = "The quick brown fox jumps over the lazy dog. 17 + 25 = 42, and so on: one, two, three."


@dataclass(frozen=True, slots=True)
class OpenVinoFiles:
    """A model's GGUF file and what the model makes of a few tokens."""

    gguf: Path
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Of each of `tokens` after the first, in float32."""


def openvino_files(model: Model) -> OpenVinoFiles:
    """A model's files in the cache, written if they are not there; the oldest of more than `KEPT` models go.

    Raises ConfigError for a model that GGUF cannot express.
    """
    cache = default_cache() / "openvino"
    folder = cache / f"{_FORM}-{model.digest}"
    if not folder.is_dir():
        try:
            _write(model, folder)
        except WorkspaceError:
            if not folder.is_dir():  # else another process was faster, and its folder is as good
                raise
    folder.touch()
    newest = sorted(cache.glob("[0-9]*-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in newest[KEPT:]:
        remove(old)
    probe = json.loads((folder / "probe.json").read_text())
    return OpenVinoFiles(folder / "model.gguf", tuple(probe["tokens"]), tuple(probe["logprobs"]))


def _write(model: Model, folder: Path) -> None:
    module = load_model(model)
    tokens = load_tokenizer(model)(_TEXT, add_special_tokens=False).input_ids
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        write_gguf_model(model, module, temporary / "model.gguf")
        probe = {"tokens": tokens, "logprobs": _logprobs(module, tokens)}
        (temporary / "probe.json").write_text(json.dumps(probe))


@torch.inference_mode()
def _logprobs(module: Any, tokens: list[int]) -> list[float]:
    ids = torch.tensor([tokens])
    table = torch.log_softmax(module(ids).logits[0, :-1].float(), dim=-1)
    found: list[float] = table.gather(1, ids[0, 1:, None])[:, 0].tolist()
    return found
