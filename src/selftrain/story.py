"""The story of a run, finished or not, told in a terminal in at most forty lines."""

import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

from rich.console import Console

from selftrain.audit import Audit, Figure, table
from selftrain.errors import WorkspaceError
from selftrain.plan import planned_and_true
from selftrain.progress import duration, printable
from selftrain.report import NAME
from selftrain.report.changes import Change
from selftrain.report.record import RoundRecord, RunRecord, read_run
from selftrain.report.responses import Responses, Shown
from selftrain.report.views import compared_responses
from selftrain.report.words import base_lines, headline, one_line, round_lines, told

LINES, WIDTH = 40, 96
_MOST_FIGURES = 12


def tell(folder: Path) -> None:
    """Prints the story of a run's folder. Raises WorkspaceError if it is none or damaged."""
    print("\n".join(story(read_run(folder))), file=sys.stdout)


def story(run: RunRecord) -> list[str]:
    """What was done, what came of it, and where to read on: `LINES` lines at most."""
    head = [*_wrapped(_title(run)), *(line for text in base_lines(run) for line in _wrapped(text))]
    tail = [*_wrapped(_verdict(run)), *_example(run)]
    figures = _figures(run.audit) if run.audit else []
    times, planned = list(_wrapped(_time(run))), planned_and_true(run.folder)
    rounds = _rounds(run.rounds, LINES - len(head) - len(figures) - len(tail) - len(times) - 1)
    told_of = [*head, *rounds, *figures, *tail]
    beside = planned and len(told_of) + len(planned) < LINES
    return [*told_of, *(planned if beside else times), _where(run)]


def _title(run: RunRecord) -> str:
    config = run.config
    state = "finished" if run.finished else "not finished"
    return (
        f"{run.name}: {config['model']} on {config['task']['name']}, recipe {config['recipe']['name']}, "
        f"{len(run.rounds)} of {config['rounds']} rounds, {state}"
    )


def _rounds(rounds: tuple[RoundRecord, ...], room: int) -> list[str]:
    """All rounds, or as many of the last ones as there is room for."""
    told_of: list[str] = []
    for left, found in zip(reversed(range(len(rounds))), reversed(rounds), strict=True):
        lines = [line for text in round_lines(found) for line in _wrapped(text)]
        if len(lines) + len(told_of) + bool(left) > room:
            return [f"({_many(left + 1, 'round')} more in the report)", *told_of]
        told_of = [*lines, *told_of]
    return told_of


def _figures(audit: Audit) -> list[str]:
    """The table of the final audit, of what decides and what is measured another way, such as greedily."""
    told_of = [f for f in audit.figures if f.role != "secondary" or _another_way(f)][:_MOST_FIGURES]
    console = Console(file=StringIO(), width=WIDTH, highlight=False, markup=False, color_system=None)
    with console.capture() as capture:
        console.print(table(replace(audit, figures=tuple(told_of))))
    lines = [line.rstrip() for line in capture.get().splitlines() if line.strip()]
    more = len(audit.figures) - len(told_of)
    return [*lines, f"({_many(more, 'figure')} more in the report)"] if more else lines


def _another_way(figure: Figure) -> bool:
    return figure.name.startswith("greedy ") or figure.name.endswith(", same prompt")


def _verdict(run: RunRecord) -> str:
    if not run.finished:
        return f"{headline(run)[0]}: the same command goes on from here"
    if run.audit is None:
        return "nothing was promoted: the base is kept"
    warned = run.audit.warnings
    warnings = f"; {_many(len(warned), 'warning')}, such as: {warned[0]}" if warned else ""
    reads = run.result.get("test_reads", 1)
    again = f"; note: the test split was read for {reads} final models of this run" if reads > 1 else ""
    return one_line(told(run) + again + warnings, 6 * WIDTH)


def _example(run: RunRecord) -> list[str]:
    """One problem that was gained: never right before, right after."""
    try:
        found = compared_responses(run, Responses(run)) if run.latest else None
    except WorkspaceError as error:  # the verdict does not hang on it
        return list(_wrapped(f"no example: {error}"))
    if found is None:
        return []
    gained = [change for change in found.changes if not change.before[0] and change.after[0]]
    if not gained:
        return []
    best: Change = max(gained, key=lambda change: change.difference)
    before, after = (side[best.problem["id"]] for side in found.view.drawn)
    return [
        "gained, for example: " + one_line(best.problem["question"], WIDTH - 21),
        "  before, wrong: " + one_line(_marked(before, "wrong"), WIDTH - 17),
        "  after, right:  " + one_line(_marked(after, "right"), WIDTH - 17),
    ]


def _marked(responses: Iterable[Shown], mark: str) -> str:
    return next(shown.text for shown in responses if shown.mark == mark)


def _time(run: RunRecord) -> str:
    if not run.stages:
        return ""
    longest = sorted(run.stages.items(), key=lambda stage: -stage[1]["seconds"])
    parts = [_stage(name, stage["seconds"], int(stage["tokens"])) for name, stage in longest[:8]]
    more = f", {_many(len(longest) - 8, 'stage')} more" if len(longest) > 8 else ""
    return f"time {duration(sum(s['seconds'] for s in run.stages.values()))}: {', '.join(parts)}{more}"


def _stage(name: str, seconds: float, tokens: int) -> str:
    return f"{name} {duration(seconds)}" + (f" ({tokens:,} tokens)" if tokens else "")


def _where(run: RunRecord) -> str:
    page = run.folder / NAME
    return f"report: {page}" if page.exists() else f"everything is in {run.folder}; selftrain report makes a page of it"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _wrapped(text: str) -> Iterator[str]:
    yield from textwrap.wrap(printable(text), WIDTH, break_on_hyphens=False)
