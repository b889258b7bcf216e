"""An audit for the terminal: a table, what else was found, the warnings and the verdict in one sentence."""

import textwrap
from collections.abc import Iterator
from io import StringIO
from typing import TYPE_CHECKING

from selftrain.audit.figures import Figure
from selftrain.audit.verdict import Audit
from selftrain.audit.words import level, sentences, state_word, visible, written

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 96
_WORDS = {"up": "rose", "down": "fell", "unknown": "changed"}


def printed(audit: Audit) -> str:
    """All of an audit for a terminal, in lines of at most `WIDTH` characters; what logs say controls nothing."""
    from rich.console import Console

    console = Console(file=StringIO(), width=WIDTH, highlight=False, markup=False, color_system=None)
    with console.capture() as capture:
        console.print(table(audit))
    figures = "\n".join(line.rstrip() for line in capture.get().splitlines()).strip("\n")
    return "\n".join([figures, "", *_told(audit)])


def table(audit: Audit) -> "Table":
    """Every figure with before, after, difference with interval, problems and state; fits 80 columns.

    First the figures that decide, then those beside (positive is better in both), last those of which neither way
    is better.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    result.add_column("figure", overflow="fold")
    for heading in ("before", "after", "better by", "interval", "n"):
        result.add_column(heading, justify="right", no_wrap=True)
    result.add_column("state", no_wrap=True)
    parts = sections(audit)
    for place, part in enumerate(parts):
        if part[0].better == "neither":
            result.add_row("neither way is better:", "", "", "change", "", "", "", style="dim")
        for f in part:
            last = f is part[-1] and place < len(parts) - 1
            n = written(f)
            cells = (n.before, n.after, n.difference, f"{n.low} {n.high}", f"{f.problems:,}")
            # Text, since a suite's name may hold what rich would read as markup.
            result.add_row(Text(visible(f.name)), *cells, state_word(f), end_section=last)
    return result


def sections(audit: Audit) -> list[list[Figure]]:
    """The figures that decide, those beside, and those of which neither way is better; without empty sections."""
    beside = [f for f in audit.figures if f.role == "secondary"]
    parts = [
        [f for f in audit.figures if f.role != "secondary"],
        [f for f in beside if f.better != "neither"],
        [f for f in beside if f.better == "neither"],
    ]
    return [part for part in parts if part]


def verdict_line(audit: Audit) -> str:
    """The verdict in one sentence: the gain, its interval, the problems and the figures that made it."""
    f = audit.primary
    gain = (
        f"{audit.verdict}: {visible(f.name)} {_WORDS[f.state]} by {f.difference:+.3f} "
        f"from {f.before:.3f} to {f.after:.3f} "
        f"({level(audit)} interval {f.low:+.3f} to {f.high:+.3f}, {f.problems} problems)"
    )
    return gain + _others(audit) + _needed(audit)


def _told(audit: Audit) -> Iterator[str]:
    said = [*sentences(audit), *(f"Warning: {warning}" for warning in audit.warnings), verdict_line(audit)]
    for line in said:
        yield from textwrap.wrap(visible(line), WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _others(audit: Audit) -> str:
    guards = [visible(name) for name in audit.because if name != audit.primary.name]
    if not guards:
        return ""
    word = {"progress": "held", "inconclusive": "unknown"}.get(audit.verdict, "down")
    # A name may have commas.
    return f"; {word}: {'; '.join(guards)}"


def _needed(audit: Audit) -> str:
    """What would settle an inconclusive verdict: as much as the figure asks for that asks for most."""
    if not audit.problems_needed:
        return ""
    most = max((g for g in audit.figures if g.name in audit.because), key=lambda g: g.problems_needed)
    what = "it" if most is audit.primary else visible(most.name)
    unit = "pieces of text" if most.name.startswith("NLL on ") else "problems"
    return f"; about {audit.problems_needed} {unit} would settle {what}"
