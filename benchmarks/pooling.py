"""Sweeps over several seeds, pooled: a problem of one seed is a unit."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selftrain.audit import AuditSettings, Figure
from selftrain.audit.cells import judged
from selftrain.audit.figures import differences, two_sided
from selftrain.audit.measures import Measured, passing
from selftrain.logs import Log, match
from selftrain.logs.runs import run_sides
from selftrain.sweep import run_sweep
from selftrain.sweep.variants import read_sweep

Pooled = tuple[Log, Log]
"""Of one seed a first log, and one that is compared with it."""


def parser(script: str, doc: str) -> argparse.ArgumentParser:
    """The words that a script takes, whose configuration and results are called after it."""
    made, stem = argparse.ArgumentParser(description=doc.splitlines()[0]), Path(script).stem
    made.add_argument("--config", default=str(Path(script).with_suffix(".yaml")))
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    made.add_argument("--workspace", type=Path, default=Path("runs"))
    made.add_argument("--out", type=Path, default=Path(f"{stem}.json"))
    made.add_argument("words", nargs="*", help="key=value words for every sweep")
    return made


def swept(asked: argparse.Namespace, read: Callable[[Path], Any]) -> dict[str, list[Any]]:
    """What `read` makes of each variant's run, a seed after the other; sweeps that are there are read back."""
    stem = Path(asked.config).stem.replace("_", "-")
    found: dict[str, list[Any]] = {}
    for seed in asked.seeds:
        words = [f"seed={seed}", f"name={stem}-{seed}", f"workspace={asked.workspace}", *asked.words]
        run_sweep(asked.config, words)
        for variant in read_sweep(asked.config, words).variants:
            found.setdefault(variant.name, []).append(read(variant.folder))
    return found


def sides(run: Path) -> Pooled:
    """The logs of a run that has ended: of its base, and of its final model."""
    found = run_sides(run)
    return found["before"], found["after"]


def pooled(pairs: Sequence[Pooled], settings: AuditSettings) -> Figure:
    """pass@1 of second logs against first ones, over the problems of all pairs."""
    matched = [match(*pair) for pair in pairs]
    found = [passing("pass@1", *judged(first.main, second.main), 1) for first, second in matched]
    before, after = (np.concatenate([getattr(one, side) for one in found]) for side in ("before", "after"))
    return two_sided(
        differences([Measured(name="pass@1", before=before, after=after)], settings)[0], settings, "primary"
    )


def told(figure: Figure) -> str:
    """A difference with its interval."""
    return f"{figure.difference:+.3f} ({figure.low:+.3f} to {figure.high:+.3f})"


def interval(figure: Figure) -> list[float | None]:
    """A difference with its interval, as plain values."""
    return [figure.difference, figure.low, figure.high]
