"""Running a sweep: its variants one after the other, each a run of its own, and the table after each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from selftrain.loop import run
from selftrain.progress import say
from selftrain.store import write_json, write_text
from selftrain.story import tell
from selftrain.sweep.outcome import Outcome, read_outcome
from selftrain.sweep.table import facts, markdown, printed
from selftrain.sweep.variants import read_sweep


def run_sweep(source: str | Path | Mapping[str, Any] | None, words: Sequence[str] = ()) -> Path:
    """Runs a sweep, or goes on with it; gives its folder. Killed and called again, it ends as if it had not been.

    See `read_sweep` for what the words are. Nothing runs unless every variant can. Raises ConfigError.
    """
    sweep = read_sweep(source, words)
    for variant in sweep.variants:
        file, values = sweep.file(variant), variant.config.model_dump(mode="json")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    outcomes: list[Outcome] = []
    for number, variant in enumerate(sweep.variants, start=1):
        say(f"variant {number} of {len(sweep.variants)}: {variant.name}")
        tell(run(variant.config).folder)
        outcomes.append(read_outcome(variant, outcomes[0] if outcomes else None))
        write_json(sweep.folder / "sweep.json", facts(sweep, outcomes))
        write_text(sweep.folder / "sweep.md", markdown(sweep, outcomes))
        print(printed(sweep, outcomes), flush=True)
    return sweep.folder
