"""An audit as Markdown for a pull request, in which names of models, suites and problems are never markup."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from selftrain.audit.figures import Figure
from selftrain.audit.table import sections, verdict_line
from selftrain.audit.verdict import Audit
from selftrain.audit.words import MEANINGS, level, sentences, state_reason, state_word, visible, written

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"}
_MARKUP = re.compile(r"[\\`*_\[\]#|~]|^[-+=]")
"""What Markdown reads anywhere in a line, and at its start."""
_NUMBERED = re.compile(r"^(\d+)([.)])(?= |$)")
"""A line that would be an item of a list."""
_LINKED = re.compile(
    r"@(?<!pass@)(?<!majority@)|@(?!(?:\d+|k)(?![.-]?\w))|#|:(?=\S)|www(?=\.)|GH-(?=\d)", re.IGNORECASE
)
"""Where GitHub begins a mention, an issue, an address or an emoji; `pass@8` and `majority@8` are none of these."""
_BREAK = "\u200b"
"""A space without width: escapes would not do, since GitHub looks for mentions in what they make."""


def markdown(audit: Audit, title: str | None = None) -> str:
    """The verdict, the figures that made it and the warnings; the rest is folded."""
    return "\n".join(_lines(audit, title)) + "\n"


def _lines(audit: Audit, title: str | None) -> Iterator[str]:
    deciding, *beside = sections(audit)
    names = [_model(audit, side) for side in ("before", "after")]
    yield from (f"## {escaped(title) if title else f'Audit of {names[1]} against {names[0]}'}", "")
    reason = verdict_line(audit).removeprefix(f"{audit.verdict}: ")
    yield from (f"**{audit.verdict}**: {MEANINGS[audit.verdict]}", "", escaped(reason), "")
    yield from _figures(deciding, audit)
    if audit.warnings:
        yield from ("**Warnings**", "", *_list(audit.warnings))
    if beside:
        tables = [line for part in beside for line in _figures(part, audit)]
        yield from _folded(f"{sum(map(len, beside))} figures beside, which make no verdict", tables)
    yield from _folded("What else was found", _list(sentences(audit)))
    yield from _folded("Settings and counts", _facts(audit))


def escaped(text: str) -> str:
    """Text of any origin as inert text within a line, a table or a list of GitHub's Markdown."""
    broken = _LINKED.sub(lambda found: found[0] + _BREAK, visible(text))
    marked = _NUMBERED.sub(r"\1\\\2", _MARKUP.sub(r"\\\g<0>", broken))
    return "".join(_ENTITIES.get(character, character) for character in marked)


def _model(audit: Audit, side: str) -> str:
    return escaped(str(audit.labels[side].get("model", side)))


def _figures(figures: Sequence[Figure], audit: Audit) -> Iterator[str]:
    gain = "change" if figures[0].better == "neither" else "better by"
    yield f"| figure | before | after | {gain} | {level(audit)} interval | n | state |"
    yield "|:--|--:|--:|--:|:-:|--:|:--|"
    for f in figures:
        n, state = written(f), f"{state_word(f)}: {state_reason(f)}"
        numbers = (n.before, n.after, f"**{n.difference}**", f"{n.low} to {n.high}", f"{f.problems:,}")
        yield f"| {' | '.join((escaped(f.name), *numbers, state))} |"
    yield ""


def _facts(audit: Audit) -> Iterator[str]:
    settings = audit.settings.model_dump(mode="json")
    made = {cell: _values(labels) for cell, labels in audit.labels.items()}
    for heading, facts in (("counted", audit.counts), ("set", settings), ("made with", made)):
        yield from _two_columns(heading, facts)


def _two_columns(heading: str, facts: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"| {heading} | |", "|:--|:--|")
    yield from (f"| {escaped(name)} | {escaped(_value(value))} |" for name, value in facts.items())
    yield ""


def _values(labels: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in labels.items())


def _value(value: Any) -> str:
    return f"{value:,}" if type(value) is int else str(value)


def _list(items: Iterable[str]) -> Iterator[str]:
    yield from (f"- {escaped(item)}" for item in items)
    yield ""


def _folded(summary: str, lines: Iterable[str]) -> Iterator[str]:
    # Without the empty lines GitHub would read what is inside as HTML.
    yield from ("<details>", f"<summary>{summary}</summary>", "", *lines, "</details>", "")
