"""Problems with worked solutions, and tiny models that read them: what runs of AS-ES are tried out on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from small import Lab, write_lab, write_rows

NAMES = ("Ann", "Ben", "Cas", "Dan", "Eve", "Flo", "Gus", "Hal")
COUNTS = {"train": 6, "select": 3, "test": 3}
PROMPT = {"style": "plain"}
TURNS = {"loops": 3, "segment_tokens": 24}
"""How a prompt has responses written in turns."""
SETTINGS: dict[str, Any] = {
    "recipe": {"name": "as_es", "options": {"samples": 2, "beta": 1.0}},
    "prompt": {**PROMPT, "alternate": TURNS},
    "promote": "always",
    "sampling": {"temperature": 0.3, "max_tokens": 48},
    "engine": {"name": "transformers", "precision": "fp32", "batch": 4},
    "training": {
        "method": "full",
        "precision": "fp32",
        "epochs": 1,
        "learning_rate": 1e-3,
        "batch_size": 4,
        "save_steps": 2,
        "max_length": 256,
    },
    "audit": {
        "samples": 2,
        "sampling": {"temperature": 0.7, "max_tokens": 48},
        "greedy": False,
        "settings": {"margin": 0.2, "draws": 100},
    },
}


def problem(place: int) -> dict[str, Any]:
    """A problem whose solution says what is given, then what follows, then the answer."""
    a, b = 1 + place % 4, 2 + place % 3
    return {
        "question": f"{NAMES[place % 8]} {place} has {a} pears and {b} figs. How many?",
        "answer": str(a + b),
        "rationale": f"{NAMES[place % 8]} has {a} pears and {b} figs. Adding {a} to {b} makes {a + b} in all. "
        f"The answer is {a + b}.",
    }


def problems(split: str) -> list[dict[str, Any]]:
    """Those of a split; no two splits share one."""
    first = 10 * (1 + list(COUNTS).index(split))
    return [problem(place) for place in range(first, first + COUNTS[split])]


LINES = [text for split in COUNTS for row in problems(split) for text in (row["question"], f" {row['rationale']}")]
"""What the tokenizers are learned from, so that words are tokens."""


def write_orchard(folder: Path, model: Path, changes: Mapping[str, Any] | None = None) -> Lab:
    """A lab whose problems have rationales; `changes` replace whole sections of `SETTINGS`."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {split: str(write_rows(folder / f"{split}-own.jsonl", problems(split))) for split in COUNTS}
    task = {"name": "files", "options": {**files, "judge": "number"}}
    return write_lab(folder, model, {**SETTINGS, "task": task, **(changes or {})})
