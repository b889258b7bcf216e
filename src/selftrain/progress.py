"""Progress of long steps: a bar on a terminal, plain lines elsewhere."""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_SECONDS = 20.0
"""How often a plain line is written."""
# C0 and C1 controls but for the newline, marks that turn the direction of text, halves of surrogate pairs.
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Tick(Protocol):
    def __call__(self, done: int = 1) -> None: ...


def printable(text: str) -> str:
    """Text of any origin as it may reach a terminal: what would control it becomes an escape such as `\\x1b`."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def say(line: str) -> None:
    """Writes one line about what the program does, to standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True, markup=False).print(printable(line))


def duration(seconds: float) -> str:
    """Seconds as people say them, such as `9.5 s`, `48 s`, `12 min` or `3.4 h`."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


@contextmanager
def progress(label: str, total: int, done: int = 0) -> Iterator[Tick]:
    """Shows how many of `total` items of a step are done; call the yielded function as items finish."""
    if total == done:
        yield lambda done=1: None
    elif sys.stderr.isatty():
        with _bar(label, total, done) as tick:
            yield tick
    else:
        yield _lines(label, total, done)


@contextmanager
def _bar(label: str, total: int, done: int) -> Iterator[Tick]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(printable(label), total=total, completed=done)
        yield lambda done=1: bars.advance(task, done)


def _lines(label: str, total: int, done: int) -> Tick:
    count, last = done, time.monotonic()

    def tick(done: int = 1) -> None:
        nonlocal count, last
        count += done
        if time.monotonic() - last >= PLAIN_SECONDS:
            last = time.monotonic()
            say(f"  {label}: {count:,} of {total:,} ({count / total:.0%})")

    return tick
