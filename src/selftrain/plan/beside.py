"""A plan beside the truth: what was planned of a run, and what it came to."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from selftrain.plan.stages import Stage, by_name, read_stages, total
from selftrain.run_folder import RunFolder, ended

WIDTH = 96


def planned_and_true(folder: Path) -> list[str]:
    """Of a run with a plan, what was planned beside what became true, by stage over all rounds.

    A few lines of at most `WIDTH` characters; none without a plan of the run's own configuration.
    """
    run = RunFolder(folder)
    plan = _kept(run)
    if not plan:
        return []
    planned, true = by_name(plan), by_name(read_stages(run.metrics))
    sides = {name: (planned.get(name), true.get(name)) for name in {**planned, **true}}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("stage", "planned s", "s", "planned rows", "rows", "planned tokens", "tokens"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for name, (before, after) in sides.items():
        table.add_row(name, *_beside(before, after))
    whole, came = total(planned.values()), total(true.values()) if true else None
    table.add_row("total", *_beside(whole, came))
    console = Console(file=StringIO(), width=WIDTH, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in (*capture.get().splitlines(), _ratio(run, came, whole)) if line.strip()]


def _ratio(run: RunFolder, came: Stage | None, whole: Stage) -> str:
    if not came or not whole.seconds:
        return ""
    far = "" if ended(run.result, run.settings["rounds"]) else "so far "
    share = f"{far}the run took {came.seconds / whole.seconds:.2f} of the time planned"
    return f"{share} (what killed processes took is not counted)"


def _kept(run: RunFolder) -> list[Stage] | None:
    """The stages of the plan in a run's folder, if it is of the run's own configuration."""
    try:
        kept = json.loads(run.plan.read_text(encoding="utf-8"))
        return [Stage(**stage) for stage in kept["stages"]] if kept["config"] == run.settings else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _beside(planned: Stage | None, true: Stage | None) -> Iterator[str]:
    for name in ("seconds", "rows", "tokens"):
        for stage in (planned, true):
            yield f"{getattr(stage, name):,.0f}" if stage else ""
