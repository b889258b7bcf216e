"""Handing a model of a run to other programs: a Hugging Face folder, a peft adapter, or a GGUF file."""

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from selftrain.errors import ConfigError
from selftrain.files import atomic_path
from selftrain.gguf_model import write_gguf_model
from selftrain.models import Model, load_model, load_tokenizer, open_model
from selftrain.models.folders import EXTRACTIVE
from selftrain.models.model import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from selftrain.models.save import write_files
from selftrain.progress import say
from selftrain.run_folder import RunFolder, ended

Kind = Literal["hf", "adapter", "gguf"]


def export_model(model: Model, kind: Kind, out: Path) -> None:
    """Write a model where other programs can read it; `out` appears whole or not at all.

    `hf`: a folder with the merged weights in float32. `adapter`: the peft adapter folder. `gguf`: one file
    with the merged weights, matrices in float16, for Llama-style architectures; its header is that of the
    GGUF file the model descends from, or is built from configuration and tokenizer. A pair's second model is
    written where `partner_place` says. Raises ConfigError for a model the kind cannot express, an adapter of a pair
    among them, WorkspaceError where `out` exists already, ValueError for another kind.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"kind is {kind!r}: one of {', '.join(get_args(Kind))} is wanted")
    writer = {"hf": _write_hf, "adapter": _write_adapter, "gguf": _write_gguf}[kind]
    with ExitStack() as stack:
        temporary = stack.enter_context(atomic_path(out))
        places = [(model, temporary)]
        if model.extractive is not None:
            place = partner_place(out if kind == "gguf" else temporary, kind)
            places.append((model.extractive, stack.enter_context(atomic_path(place))))
        for each, place in places:
            writer(each, place)


def partner_place(out: Path, kind: Kind) -> Path:
    """Where a pair's second model is written: the sub-folder `extractive`, or NAME-extractive.gguf for NAME.gguf."""
    return out.with_stem(f"{out.stem}-{EXTRACTIVE}") if kind == "gguf" else out / EXTRACTIVE


def _write_hf(model: Model, folder: Path) -> None:
    write_files(load_model(model), load_tokenizer(model), folder)


def _write_adapter(model: Model, folder: Path) -> None:
    if model.extractive is not None:
        raise ConfigError(f"model {model.name} is two models, each with weights of its own: export hf or gguf instead")
    if model.adapter is None:
        raise ConfigError(f"model {model.name} has no adapter: export hf or gguf instead")
    folder.mkdir()
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        shutil.copyfile(model.adapter / name, folder / name)


def _write_gguf(model: Model, file: Path) -> None:
    write_gguf_model(model, load_model(model), file)


def export_run(run: Path, kind: Kind, out: Path | None) -> Path:
    """Write the final model of a run (or the model in a folder) and return where it lies.

    The adapter of a run is that of its last promoted round: it goes on top of that round's parent. Raises
    ConfigError for a folder that is neither, or a run that promoted nothing.
    """
    target = out or run.parent / f"{run.name}-{kind}{'.gguf' if kind == 'gguf' else ''}"
    model, adapter = _finished(run)
    if kind == "adapter" and adapter is not None and model.extractive is None:
        say(f"the adapter goes on top of {_parent(run)}")
        model = replace(model, adapter=adapter)
    export_model(model, kind, target)
    if model.extractive is not None:
        partner = partner_place(target, kind)
        say(f"the model is two that write in turn: {partner} the extractive segments, {target} the abstractive ones")
    return target


def _parent(run: Path) -> str:
    """What the adapter of a run's last promoted round was trained on."""
    promoted = RunFolder(run).result["promoted"]
    if len(promoted) > 1:
        return str(run / "rounds" / f"{promoted[-2]:02d}" / "model")
    return f"the base, {RunFolder(run).settings['model']}"


def _finished(run: Path) -> tuple[Model, Path | None]:
    if (run / "config.json").is_file():
        return open_model(run), None
    if not (run / "run.yaml").is_file():
        raise ConfigError(f"{run} is neither a run nor a model: give a folder with run.yaml or config.json")
    result = RunFolder(run).result
    if not ended(result, RunFolder(run).settings["rounds"]):
        raise ConfigError(f"the run {run} is not finished: repeat its command first")
    promoted = result["promoted"]
    if not promoted:
        raise ConfigError(f"the run {run} promoted nothing: its final model is the base it started from")
    adapter = run / "rounds" / f"{promoted[-1]:02d}" / "adapter"
    return open_model(run / "final", name=run.name), adapter if adapter.is_dir() else None
