"""From a transformers module to a model folder: float32 safetensors, written whole or not at all."""

import json
from pathlib import Path
from typing import Any

from selftrain.disk import disk_errors
from selftrain.files import atomic_path
from selftrain.models.folders import GGUF_METADATA, link_file
from selftrain.models.load import load_model, load_tokenizer, quiet
from selftrain.models.model import ADAPTER_CONFIG, ADAPTER_WEIGHTS, Model, folder_digest, open_model


def save_model(module: Any, tokenizer: Any, folder: Path, parent: Model | None = None) -> str:
    """Write a module and its tokenizer as a model folder; returns the folder's digest.

    A model trained from `parent` inherits what its later export needs. Raises ValueError for a module that is
    not float32 or still wears an adapter, WorkspaceError where `folder` exists already or cannot be written.
    """
    with atomic_path(folder) as temporary:
        write_files(module, tokenizer, temporary)
        if parent is not None and (parent.folder / GGUF_METADATA).exists():
            link_file(parent.folder / GGUF_METADATA, temporary / GGUF_METADATA)
    return folder_digest(folder)


def save_adapter(peft_module: Any, folder: Path) -> None:
    """Write the adapter of a peft module: `adapter_config.json` and `adapter_model.safetensors`.

    Raises WorkspaceError where `folder` exists already or cannot be written.
    """
    with atomic_path(folder) as temporary:
        with quiet(), disk_errors(f"an adapter in {folder.parent}"):
            peft_module.save_pretrained(temporary)
        for path in temporary.iterdir():
            if path.name not in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
                path.unlink()
        _make_canonical(temporary / ADAPTER_CONFIG)


def merge(model: Model, folder: Path) -> Model:
    """Write the merged master weights of a model as a folder, without a partner, and open it under the same name."""
    save_model(load_model(model), load_tokenizer(model), folder, parent=model)
    return open_model(folder, name=model.name)


def write_files(module: Any, tokenizer: Any, folder: Path) -> None:
    """Write the content files of a model into a new folder; raises WorkspaceError where the disk is full."""
    import torch

    if hasattr(module, "peft_config"):
        raise ValueError("module wears an adapter: merge it, or save it with save_adapter")
    odd = {str(p.dtype) for p in module.parameters() if p.dtype != torch.float32}
    if odd:
        raise ValueError(f"module holds {', '.join(sorted(odd))} weights: float32 master weights are wanted")
    with quiet(), disk_errors(f"a model in {folder.parent}"):
        module.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    settings = folder / "tokenizer_config.json"
    facts = json.loads(settings.read_text())
    for how_it_was_read in ("is_local", "local_files_only"):
        facts.pop(how_it_was_read, None)
    settings.write_text(json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def _make_canonical(path: Path) -> None:
    """Make equal adapters equal files: peft writes sets in hash order, and where the base lay."""
    config = json.loads(path.read_text())
    for key in ("target_modules", "modules_to_save", "exclude_modules"):
        if isinstance(config.get(key), list):
            config[key] = sorted(config[key])
    config["base_model_name_or_path"] = None
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
