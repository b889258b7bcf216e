"""The memory and disk a run needs, and what there is."""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from selftrain.engines import EngineConfig
from selftrain.engines.prefixes import TOKENS_PER_REQUEST
from selftrain.models.folders import WEIGHTS
from selftrain.training import TrainingConfig
from selftrain.training.checkpoints import KEEP
from selftrain.training_set import TrainingSet

MAX_HEADER = 100_000_000
"""Bytes of a safetensors header, by its specification."""
BYTES = {"fp32": 4, "bf16": 2}
ADAM = 3
"""A checkpoint holds the trained weights and two moments of each."""
ROW_BYTES, TOKEN_BYTES = 300, 24
"""Of a response and of each of its tokens (id, log-probability, text) in JSON, before a step is sealed."""
LOGITS_AT_ONCE = 2**26
"""As in the training's head: more logits are made in chunks."""
LOGIT_COPIES = 4
"""float32 copies of the logits while sampling (logits, log-probabilities, probabilities, their sum) or training."""
_T5_NAMES = {
    "hidden_size": "d_model",
    "intermediate_size": "d_ff",
    "num_attention_heads": "num_heads",
    "num_hidden_layers": "num_layers",
    "head_dim": "d_kv",
}
"""What the configuration of a T5 calls what those of others do."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a model's architecture its memory depends on."""

    parameters: int
    layers: int
    """That a token passes: of an encoder and a decoder, those of the deeper one."""
    hidden: int
    inner: int
    """Width of the feed-forward layers."""
    key_values: int
    """Width of the keys of a token in one layer."""
    vocabulary: int
    context: int | None
    """Longest sequence in tokens."""

    @classmethod
    def read(cls, folder: Path) -> "Shape":
        """The shape of the model in a folder."""
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        found = found.get("text_config", found)
        own = {name: found.get(name) or found.get(t5) for name, t5 in _T5_NAMES.items()}
        hidden, heads = int(own["hidden_size"] or 0), int(own["num_attention_heads"] or 1)
        return cls(
            parameters=sum(map(_parameters, folder.glob(WEIGHTS))),
            layers=max(int(own["num_hidden_layers"] or 0), int(found.get("num_decoder_layers") or 0)),
            hidden=hidden,
            inner=int(own["intermediate_size"] or 4 * hidden),
            key_values=(found.get("num_key_value_heads") or heads) * (own["head_dim"] or hidden // heads),
            vocabulary=int(found.get("vocab_size", 0)),
            context=found.get("max_position_embeddings"),
        )


def _parameters(path: Path) -> int:
    """Parameters in a safetensors file, of whatever type, by its header: eight bytes of length, then JSON."""
    with path.open("rb") as file:
        header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), MAX_HEADER)))
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def sampling_memory(shape: Shape, engine: EngineConfig, longest: int) -> int:
    """Bytes at the peak of sampling: float32 weights while they are cast, or a full batch of `longest` tokens.

    OpenVINO keeps what it read until its cache is full, and the weights as they were read beside those it uses.
    """
    size = BYTES[engine.precision]
    weights = shape.parameters * size
    loading = weights + (4 * shape.parameters if size < 4 else 0)
    if engine.name == "openvino":
        weights += 2 * shape.parameters
        longest = max(longest, TOKENS_PER_REQUEST)
    cache = 2 * engine.at_once * longest * shape.layers * shape.key_values * size
    return max(loading, weights + cache + LOGIT_COPIES * 4 * engine.at_once * shape.vocabulary)


def training_memory(shape: Shape, config: TrainingConfig, trainable: int, rows: TrainingSet, *, apart: bool) -> int:
    """Bytes at the peak of training `trainable` parameters on some rows.

    Weights in float32, a gradient and two moments of each trained one, a copy for the products in bf16, what the
    backward pass needs of each layer, and the logits of the completions; the weights of a reference that is
    another model (`apart`).
    """
    size = BYTES[config.precision]
    states = 4 * shape.parameters * (1 + apart) + 12 * trainable + (size * shape.parameters if size < 4 else 0)
    at_once = config.rows_at_once * max(len(row.sequences) for row in rows)
    sequences = [each for row in rows for each in row.sequences]
    longest, completion = max(length for length, _ in sequences), max(length for _, length in sequences)
    tokens = at_once * longest
    layer = tokens * (16 * shape.hidden + 4 * shape.inner) * size
    kept = tokens * shape.hidden * 4 * shape.layers + layer if config.gradient_checkpointing else layer * shape.layers
    logits = LOGIT_COPIES * 4 * min(at_once * completion * shape.vocabulary, LOGITS_AT_ONCE)
    return states + kept + logits


def disk_needed(
    trained: int, merged: int, *, trainings: int, checkpoints: int, rows: int, tokens: int
) -> tuple[int, int]:
    """Bytes that stay and bytes at the peak, of a run of trainings with at most so many checkpoints each.

    `trained` is the size of what one training saves (a model or an adapter), `merged` of the model that a promoted
    adapter is merged into. `rounds/` and `final/` link to these. Checkpoints pass: an older one is deleted once
    the next is whole.
    """
    kept = trainings * (trained + merged) + rows * ROW_BYTES + tokens * TOKEN_BYTES
    return kept, kept + (ADAM * trained * min(checkpoints, KEEP + 1))


def free_disk(folder: Path) -> int:
    """Bytes that can still be written into a folder."""
    return shutil.disk_usage(folder).free


def free_memory(group: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes this process can still take, by the machine's account and its control group's; None if unknown."""
    found = []
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]))
    with suppress(OSError, ValueError):
        limit, used = (int((group / f"memory.{name}").read_text()) for name in ("max", "current"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        # Pages of files that nobody uses count as used, and are given back when memory runs short.
        found.append(limit - used + int(stat.get("inactive_file", 0)))
    return max(min(found), 0) if found else None


def resident_memory() -> int:
    """Bytes of memory this process holds; 0 where that cannot be told."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def peak_memory() -> int:
    """The most bytes of memory this process ever held; 0 where that cannot be told."""
    status: dict[str, Any] = {}
    with suppress(OSError):
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return 1024 * int(status["VmHWM"].split()[0]) if "VmHWM" in status else 0
