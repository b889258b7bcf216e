"""A plan in a terminal."""

import sys
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from selftrain.plan.plan import Need, Plan, PromptSeen
from selftrain.plan.stages import Stage, total
from selftrain.progress import duration, printable

SHOWN = 1500
"""Characters of a prompt that are printed."""


def tell_plan(plan: Plan) -> None:
    """Prints a plan."""
    console = Console(file=sys.stdout, highlight=False, markup=False)
    for seen in plan.prompts:
        console.print(_prompt_line(seen), soft_wrap=True)
        console.print(Text(_shortened(printable(seen.text)), style="dim"), soft_wrap=True)
        console.print()
    console.print(_stages(plan))
    for line in _lines(plan):
        console.print(printable(line), soft_wrap=True)


def _stages(plan: Plan) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("round", "stage", "rows", "prompt tokens", "tokens", "time"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage in plan.stages:
        table.add_row(str(stage.round), stage.stage, *_figures(stage))
    table.add_row("", "total", *_figures(total(plan.stages)))
    return table


def _figures(stage: Stage) -> tuple[str, ...]:
    return (f"{stage.rows:,}", f"{stage.prompt_tokens:,}", f"{stage.tokens:,}", duration(stage.seconds))


def _prompt_line(seen: PromptSeen) -> str:
    length = f"{seen.tokens:,} tokens, the longest {seen.longest:,}"
    if not seen.responses:
        return f"{seen.name} ({length}):"
    each, speed = seen.completion_tokens / seen.responses, seen.completion_tokens / max(seen.seconds, 1e-9)
    return (
        f"{seen.name} ({length}); of {seen.responses} calibration responses {seen.finished} finished, {seen.right} "
        f"are right; {each:.1f} tokens each, {speed:,.0f} tokens/s:"
    )


def _shortened(text: str) -> str:
    half = SHOWN // 2
    return text if len(text) <= SHOWN else f"{text[:half]} [... {len(text) - SHOWN:,} characters ...] {text[-half:]}"


def _lines(plan: Plan) -> Iterator[str]:
    yield f"time: {duration(plan.seconds)} (calibration: {duration(plan.calibration_seconds)})"
    yield f"disk: {size(plan.disk.peak)} at the peak, {size(plan.disk.kept)} stay; {_free(plan.disk)}, {plan.folder}"
    needed, measured = size(plan.memory.peak), size(plan.memory.measured)
    yield f"memory: {needed} at the peak ({measured} in the calibration); {_free(plan.memory)}"
    for note in plan.notes:
        yield f"note: {note}"
    for what, need, cure in (
        ("disk", plan.disk, "free some space or name another workspace"),
        ("memory", plan.memory, "lower engine.batch and training.micro_batch_size, or use a smaller model"),
    ):
        if not need.suffices:
            yield f"warning: the {what} will not suffice: {cure}"


def _free(need: Need) -> str:
    return "what is free is unknown" if need.free is None else f"{size(need.free)} free"


def size(count: int) -> str:
    """Bytes as people say them, such as `1.6 GB`."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
