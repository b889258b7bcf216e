"""Where a chain is cut into pieces.

A clean cut loses nothing: the pieces, in order, hold every character of the text but white space, and nothing else. It
takes time linear in the text, whatever the text.
"""

import re
from collections.abc import Iterator
from typing import Literal, get_args

from selftrain.words import spaced

Mode = Literal["clean", "official"]

SHORT = 3
"""A piece of this many words or fewer does not stand alone."""

_WIDE_STOPS = (
    "\u3002\uff61\uff0e\uff01\uff1f\u203c\u2047-\u2049"  # Chinese and Japanese, full-width forms, doubled marks
    "\u0964\u0965\u061f\u06d4\u0589\u104b\u1362\u1367\u17d4\u17d5\u0f0d"  # of India, Arabic, Armenian and so on
)
_WIDE_COMMAS = "\uff0c\u3001\uff64\u060c\u104a\u1363"
_WIDE = re.compile(f"[{_WIDE_STOPS}{_WIDE_COMMAS}]")
"""Marks that need no space after them."""
_CLOSERS = "\"'\u2019\u201d\u00bb\u300d\u300f)\\]}*_\uff09"
_OPEN = re.compile(f"[,{_WIDE_COMMAS}][{_CLOSERS}]*\\s*\\Z")
"""At the end of what leaves its sentence unfinished."""
_LETTER = "A-Za-z\u00c0-\u024f\u0370-\u04ff"
_MARK = re.compile(
    rf"(?P<code>`++)"
    # What stays whole: the number of an item; titles, months and the like; single letters, as in "p.m.", but not the
    # one in "Tom's."; the comma of a date; the sign of a factorial.
    rf"|\A\d++\.(?=\s)"
    rf"|\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|e\.g|i\.e)\.,?"
    rf"|(?<![\w'\u2019])[{_LETTER}]\."
    rf"|(?<=[{_LETTER}.]\s)[0-9]{{1,2}},(?=\s[0-9]{{4}}\b)"
    rf"|(?<=[0-9)])!(?=\s?[-=+*/\u00d7\u00f7])"
    # A whole run is taken at a time, without looking back, so no run is read twice.
    rf"|(?P<run>[.!?,{_WIDE_STOPS}{_WIDE_COMMAS}]++)[{_CLOSERS}]*+(?P<space>\s*+)"
)
_FENCE = re.compile(r"[^\S\r\n]*+(`{3,}+(?=[^`]*+$)|~{3,}+)")
_OFFICIAL = re.compile(r"[,\n]|(?<!\.)(?:(?<![0-9])\.|\.(?![0-9]))(?!\.)")


def split_pieces(text: str, mode: Mode = "clean") -> list[str]:
    """The pieces of a chain, in order; none is blank, and blank text has none.

    clean: cut after sentence ends and commas of any script and at line ends. Numbers, dates, times, abbreviations of
    single letters, ellipses and inline code stay whole; a fenced code block is one piece as it stands, to the end
    of the text if it is never closed, and no other piece holds a line end. A piece of three words or fewer (characters,
    in scripts without spaces) joins the one after it, or the one before it if it ends that one's sentence or is the
    last; nothing joins a code block. Pieces joined across a line end have a space in its place.

    official: the released behaviour of AS-ES (arXiv 2403.01969), defects included. Cut at commas, line ends and dots
    that are neither between digits nor beside a dot; pieces of three words or fewer are dropped; each ends in a comma.
    Raises ValueError for another mode.
    """
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}, got {mode!r}")
    if mode == "official":
        parts = (part.strip() for part in _OFFICIAL.split(text))
        return [f"{part}," for part in parts if len(part.split()) > SHORT]
    pieces: list[str] = []
    for code, lines in _blocks(text):
        pieces += ["".join(lines).strip()] if code else _joined([part for line in lines for part in _parts(line)])
    return pieces


def _blocks(text: str) -> Iterator[tuple[bool, list[str]]]:
    """Lines of prose or of one fenced code block, and whether they are code."""
    fence, block = "", list[str]()
    for line in text.splitlines(keepends=True):
        opening = None if fence else _FENCE.match(line)
        if opening:
            yield False, block
            fence, block = opening[1], [line]
            continue
        block.append(line)
        if fence and _closes(line.strip(), fence):
            yield True, block
            fence, block = "", []
    yield bool(fence), block


def _closes(line: str, fence: str) -> bool:
    return len(line) >= len(fence) and not line.strip(fence[0])


def _parts(line: str) -> Iterator[str]:
    """The line cut wherever a mark ends something; white space that follows belongs to the part before it."""
    line = line.strip() + " "
    code_end = _code_ends(line)
    begin = place = 0
    while mark := _MARK.search(line, place):
        place = mark.end()
        if mark["code"]:
            place = code_end.get(mark.start(), place)
        elif mark["run"] and _ends(mark, line):
            yield line[begin:place]
            begin = place
    if line[begin:].strip():
        yield line[begin:]


def _code_ends(line: str) -> dict[int, int]:
    """Where inline code that begins at a run of backticks ends: after the next run of the same length."""
    ends, after = dict[int, int](), dict[int, int]()
    for run in reversed(list(re.finditer("`++", line))):
        if len(run[0]) in after:
            ends[run.start()] = after[len(run[0])]
        after[len(run[0])] = run.end()
    return ends


def _ends(mark: re.Match[str], line: str) -> bool:
    """Whether a sentence or clause ends with this run of marks."""
    run, begin, end = mark["run"], mark.start(), mark.end()
    before, after = line[max(0, begin - 1) : begin], line[end : end + 1]
    if len(run) > 1 and set(run) == {"."}:
        return False
    if _WIDE.match(run[-1]):
        return not (before.isdigit() and after.isdigit())
    return bool(mark["space"]) or spaced(after) != after


def _joined(parts: list[str]) -> list[str]:
    """Pieces of enough words each, if there are enough."""
    pieces, held, words = list[list[str]](), list[str](), 0
    for part in parts:
        held.append(part)
        words += len(spaced(part).split())
        if words > SHORT:
            pieces.append(held)
        elif pieces and _OPEN.search(pieces[-1][-1]) and not _OPEN.search(part):
            pieces[-1] += held
        else:
            continue
        held, words = [], 0
    if held and pieces:
        pieces[-1] += held
    elif held:
        pieces.append(held)
    return ["".join(piece).strip() for piece in pieces]
