"""The files of a model folder."""

import os
import shutil
from pathlib import Path

from selftrain.files import atomic_path

WEIGHTS = "model*.safetensors"
CONTENT = (
    "config.json",
    "generation_config.json",
    WEIGHTS,
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)
"""What makes a model: weights, configuration and tokenizer, and nothing that runs as code."""
EXTRACTIVE = "extractive"
"""The sub-folder of a model's partner, itself a model folder."""
GGUF_METADATA = "metadata.gguf"
"""The header of the GGUF file a model descends from, kept so that descendants can be written as GGUF."""


def content_files(folder: Path) -> list[Path]:
    """The files of a folder that make the model, in the order of their names."""
    return sorted({path for pattern in CONTENT for path in folder.glob(pattern)})


def link_model(source_folder: Path, target_folder: Path) -> None:
    """Make `target_folder` the same model as `source_folder`.

    What is large is hard linked where possible; the small files, which somebody may edit, are copied.
    """
    large = [*source_folder.glob(WEIGHTS), *source_folder.glob(GGUF_METADATA)]
    with atomic_path(target_folder) as folder:
        folder.mkdir()
        for source in large:
            link_file(source, folder / source.name)
        for source in set(content_files(source_folder)).difference(large):
            shutil.copyfile(source, folder / source.name)


def link_file(source: Path, target: Path) -> None:
    """Hard link a file, or copy it (with its times) where the file system refuses."""
    real = source.resolve()  # a link to a symbolic link would dangle when its cache is cleaned
    try:
        os.link(real, target)
    except OSError:
        shutil.copy2(real, target)
