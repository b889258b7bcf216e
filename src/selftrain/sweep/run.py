"""Running a sweep: its variants one after the other, each a run of its own, and the table after each."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from selftrain.errors import WorkspaceError
from selftrain.loop import run
from selftrain.progress import say
from selftrain.run_folder import SWEEP
from selftrain.store import lock, write_json, write_text
from selftrain.story import tell
from selftrain.sweep.needs import check_needs
from selftrain.sweep.outcome import Outcome, read_outcome
from selftrain.sweep.table import facts, markdown, printed
from selftrain.sweep.variants import Sweep, Variant, read_sweep


def run_sweep(source: str | Path | Mapping[str, Any] | None, words: Sequence[str] = ()) -> Path:
    """Runs a sweep, or goes on with it; gives its folder. Killed and called again, it ends as if it had not been.

    See `read_sweep` for what the words are. Nothing runs unless every variant has what `check_needs` looks for. Raises
    ConfigError, and WorkspaceError for a folder that is a run's or that another process sweeps.
    """
    sweep = read_sweep(source, words)
    check_needs(sweep.variants)
    outcomes: list[Outcome] = []
    with _held(sweep.folder):
        for number, variant in enumerate(sweep.variants, start=1):
            say(f"variant {number} of {len(sweep.variants)}: {variant.name}")
            tell(run(variant.config).folder)
            _keep(sweep, variant)
            outcomes.append(read_outcome(variant, outcomes[0] if outcomes else None))
            write_json(sweep.folder / SWEEP, facts(sweep, outcomes))
            write_text(sweep.folder / "sweep.md", markdown(sweep, outcomes))
            print(printed(sweep, outcomes), flush=True)
    return sweep.folder


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Holds the folder of a sweep by the lock that a run of its name would take."""
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder / "lock", wait=False, what=f"the sweep {folder}"):
        if (folder / "run.yaml").exists():
            raise WorkspaceError(f"{folder} is the folder of a run: give the sweep another name, such as name=sweep")
        yield


def _keep(sweep: Sweep, variant: Variant) -> None:
    """Keeps the configuration of a variant that ran, to be run again in another way."""
    file, values = sweep.file(variant), variant.config.model_dump(mode="json")
    file.parent.mkdir(exist_ok=True)
    write_text(file, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
