"""The end of a run, told in a terminal."""

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from selftrain.audit import table, verdict_line
from selftrain.metrics import Metrics
from selftrain.progress import printable

if TYPE_CHECKING:
    from selftrain.loop import Result


def tell(result: "Result") -> None:
    """Prints what happened, the final audit, and the time of each stage."""
    console = Console(file=sys.stdout, highlight=False, markup=False)
    console.print()
    if not (sys.stderr.isatty() and sys.stdout.isatty()):  # else they have just been read
        for line in result.lines:
            console.print(printable(line), soft_wrap=True)
        console.print()
    console.print(_stages(Metrics(result.folder / "metrics.jsonl")))
    if result.audit is not None:
        console.print(table(result.audit))
        for warning in result.audit.warnings:
            console.print(printable(f"warning: {warning}"), soft_wrap=True)
        console.print(f"{verdict_line(result.audit)} (final model against the base, test)", soft_wrap=True)
    console.print(f"everything is in {result.folder}", soft_wrap=True)


def _stages(metrics: Metrics) -> Table:
    stages = Table(title="time per stage", title_justify="left")
    for name in ("stage", "seconds", "rows", "tokens"):
        stages.add_column(name, justify="left" if name == "stage" else "right")
    for name, total in metrics.stage_totals().items():
        stages.add_row(name, f"{total['seconds']:,.1f}", f"{total['rows']:,.0f}", f"{total['tokens']:,.0f}")
    return stages
