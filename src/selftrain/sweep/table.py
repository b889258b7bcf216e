"""The table of a sweep, a row a variant: for the terminal, as Markdown, and every figure as JSON."""

import json
import math
import textwrap
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from selftrain.audit import Figure
from selftrain.audit.markdown import escaped
from selftrain.audit.words import visible
from selftrain.sweep.outcome import Outcome, adjusted, best
from selftrain.sweep.variants import Sweep
from selftrain.sweep.words import COMMAND, comparisons, intervals, notes, setting, support_name, told

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 120
_NARROW = 13
"""Characters of an interval, and of the first variant's name in a heading."""
_FIGURE = TypeAdapter(Figure | None)


def printed(sweep: Sweep, outcomes: Sequence[Outcome]) -> str:
    """The table and its notes for a terminal, in lines of at most `WIDTH` characters but for a command."""
    from rich.console import Console

    console = Console(file=StringIO(), width=WIDTH, highlight=False, markup=False, color_system=None)
    with console.capture() as capture:
        console.print(table(outcomes))
    lines = [line.rstrip() for line in capture.get().strip("\n").splitlines()]
    said = (
        line
        for note in notes(sweep, outcomes)
        for line in ([note] if note.startswith(COMMAND) else textwrap.wrap(visible(note), WIDTH))
    )
    return "\n".join([f"sweep {sweep.name}", *lines, "", *said])


def table(outcomes: Sequence[Outcome]) -> "Table":
    """A row a variant: what it gained over the base and the first variant, with intervals below, and what it cost."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_lines=False)
    result.add_column("variant", overflow="fold")
    for heading in _headings(outcomes):
        result.add_column(heading.replace(" ", "\n"), justify="right", no_wrap=True)
    result.add_column("verdict", max_width=14)
    for heading in ("tokens", "rows"):
        result.add_column(heading, justify="right", no_wrap=True)
    for one, n in zip(outcomes, told(outcomes), strict=True):
        figures = ("\n".join(pair) for pair in (n.gain, n.from_first, n.support, n.diversity))
        passed = f"{n.before}\n{n.after}"
        result.add_row(
            Text(one.variant.name), passed, *figures, n.verdict, "\n".join(n.tokens), n.rows, end_section=True
        )
    return result


def markdown(sweep: Sweep, outcomes: Sequence[Outcome]) -> str:
    """The table and its notes as Markdown, in which names are never markup."""
    headings = ("variant", "setting", *_headings(outcomes), "verdict", "tokens", "rows")
    lines = [
        f"## Sweep {escaped(sweep.name)}",
        "",
        _row(headings),
        _row([":--", ":--", *["--:"] * 5, ":--", *["--:"] * 2]),
    ]
    for one, n in zip(outcomes, told(outcomes), strict=True):
        passed = f"{n.before} to {n.after}" if n.after else n.before
        figures = (escaped(f"{value} ({' to '.join(ends.split())})") if value else "" for value, ends in _pairs(n))
        cells = (escaped(one.variant.name), escaped(setting(one)), passed, *figures, n.verdict, ", ".join(n.tokens))
        lines.append(_row([*cells, n.rows]))
    said = [f"`{note}`" if note.startswith(COMMAND) else escaped(note) for note in notes(sweep, outcomes)]
    return "\n".join([*lines, "", *(f"{note}\n" for note in said)])


def facts(sweep: Sweep, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Everything the table tells, and every figure of it whole, as JSON values."""
    chosen = best(outcomes)
    return {
        "name": sweep.name,
        "finished": len(outcomes) == len(sweep.variants),
        "note": intervals(outcomes),
        "comparisons": comparisons(outcomes),
        "best": chosen.variant.name if chosen else None,
        "variants": [_facts(one, p) for one, p in zip(outcomes, adjusted(outcomes), strict=True)],
    }


def _facts(one: Outcome, p: float | None) -> dict[str, Any]:
    config = one.variant.config
    figures = {
        "gain": one.gain,
        "difference from the first": one.from_first,
        f"pass@{one.k}" if one.support else "pass@k": one.support,
        "distinct-n right": one.diversity,
    }
    return {
        "variant": one.variant.name,
        "run": config.name,
        "setting": json.loads(json.dumps(one.variant.setting, default=str)),
        "state": one.state,
        "split": one.split,
        "verdict": one.audit.verdict if one.audit else None,
        "base pass@1 on select": one.base if math.isfinite(one.base) else None,
        "figures": {name: _FIGURE.dump_python(figure, mode="json") for name, figure in figures.items()},
        "p of the gain after Holm": p,
        "no difference from the first": one.why or None,
        "audit": config.audit.model_dump(mode="json"),
        "tokens": dict(one.tokens),
        "rows": one.rows,
    }


def _headings(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    first = visible(outcomes[0].variant.name)
    return "pass@1", "gain", f"from {first if len(first) <= _NARROW else 'first'}", support_name(outcomes), "distinct-n"


def _pairs(n: Any) -> Iterable[tuple[str, str]]:
    return n.gain, n.from_first, n.support, n.diversity


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
