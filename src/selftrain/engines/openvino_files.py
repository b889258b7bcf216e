"""Models as OpenVINO reads them: half-precision GGUF files in the cache, with numbers to prove the reading."""

import fcntl
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from selftrain.errors import ConfigError, WorkspaceError
from selftrain.files import HALF_WRITTEN, atomic_path, remove
from selftrain.gguf_model import write_gguf_model
from selftrain.models import Model, load_model, load_tokenizer
from selftrain.models.cache import default_cache

KEPT = 3
"""Models kept in the cache: a run samples from a parent and a candidate, which may be two models."""
_FORM = 1
"""Raised whenever something else is written for the same model, so that no old file is used."""
_STALE_SECONDS = 3600
_TEXT = "The quick brown fox jumps over the lazy dog. 17 + 25 = 42, and so on: one, two, three."


@dataclass(frozen=True, slots=True)
class OpenVinoFiles:
    """A model's GGUF file, locked against removal, and what the model makes of a few tokens."""

    gguf: Path
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Of each of `tokens` after the first, in float32."""
    _held: IO[bytes]

    def close(self) -> None:
        """Lets go of the file: another process may remove it."""
        self._held.close()


def openvino_files(model: Model) -> OpenVinoFiles:
    """A model's files in the cache, written if they are not there; of those nobody uses the last `KEPT` stay.

    Raises ConfigError for a model that GGUF cannot express.
    """
    cache = default_cache() / "openvino"
    folder = cache / f"{_FORM}-{model.digest}"
    while True:
        if not folder.is_dir():
            _write(model, folder)
        with suppress(FileNotFoundError):  # removed before it was locked: written again
            held = (folder / "model.gguf").open("rb")
            fcntl.flock(held, fcntl.LOCK_SH)
            probe = json.loads((folder / "probe.json").read_text())
            break
    folder.touch()
    _sweep(cache)
    return OpenVinoFiles(folder / "model.gguf", tuple(probe["tokens"]), tuple(probe["logprobs"]), held)


def _write(model: Model, folder: Path) -> None:
    module = load_model(model)
    tokens = load_tokenizer(model)(_TEXT, add_special_tokens=False).input_ids
    try:
        with atomic_path(folder) as temporary:
            temporary.mkdir()
            write_gguf_model(model, module, temporary / "model.gguf")
            probe = {"tokens": tokens, "logprobs": _logprobs(module, tokens)}
            (temporary / "probe.json").write_text(json.dumps(probe))
    except ConfigError as error:
        reason = str(error).rpartition(":")[0]
        raise ConfigError(f"openvino reads GGUF, and {reason}: set engine.name=transformers") from error
    except WorkspaceError:
        if not folder.is_dir():  # else another process was faster, and its folder is as good
            raise


def _sweep(cache: Path) -> None:
    """Removes models that were not used lately and are in no use now, and what killed writers left."""
    found = []
    for path in cache.iterdir():
        with suppress(FileNotFoundError):
            found.append((path.stat().st_mtime, path))
    models = [path for _, path in sorted(found, reverse=True) if not HALF_WRITTEN.fullmatch(path.name)]
    for path in models[KEPT:]:
        with suppress(OSError), (path / "model.gguf").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(path)
    for changed, path in found:
        if HALF_WRITTEN.fullmatch(path.name) and time.time() - changed > _STALE_SECONDS:
            remove(path)


@torch.inference_mode()
def _logprobs(module: Any, tokens: list[int]) -> list[float]:
    ids = torch.tensor([tokens])
    table = torch.log_softmax(module(ids).logits[0, :-1].float(), dim=-1)
    found: list[float] = table.gather(1, ids[0, 1:, None])[:, 0].tolist()
    return found
