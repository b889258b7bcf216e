"""Where in a response the answer is stated: after thinking, in a box, after a marker."""

import re
from collections.abc import Iterator
from typing import NamedTuple

RESPONSE_CAP = 20_000
"""Characters of a response that are looked at, counted from its end."""
ANSWER_CAP = 4_000
"""Characters an answer may have."""

# A heading such as "#### 2. Then add" is no statement; "#### 1,200" is.
_HASHES = re.compile(r"####(?!#)[ \t]{0,8}+(?=[^\w\n]{0,6}[0-9\uff10-\uff19\u00bc-\u00be])(?![0-9]{1,2}[.)][ \t]+\w)")
_LINE = re.compile(r"^[ \t>*_-]{0,8}A[*_]{0,2}:[*_]{0,2}", re.MULTILINE)
_TAG = re.compile(r"<answer>", re.IGNORECASE)
_PHRASE = re.compile(
    r"\banswer\b[^\n.:=0-9]{0,60}?(?:\bis\b|\bequals\b|:|=)(?!\s{0,4}not\b)[*_]{0,3}[ \t]{0,4}:?[*_]{0,3}"
    r"|^[ \t#>*_]{0,8}(?:final )?answer[ \t*_]{0,8}$",
    re.IGNORECASE | re.MULTILINE,
)


class Statement(NamedTuple):
    """A place where the response states its answer."""

    text: str
    """What is stated; for anything but a box or a tag, everything up to the end of the response."""
    closed: bool
    """Whether a box or a tag delimits the answer."""
    firm: bool
    """Whether the answer must be here: a box, `####`, `A:` or a tag, not just the words "answer is"."""
    start: int
    """Where in the response's text what is stated begins."""

    @property
    def line(self) -> str:
        """The statement's first line with something on it."""
        return self.text if self.closed else next((line for line in self.text.splitlines() if line.strip()), "")


def after_thinking(response: str) -> str | None:
    """The text after the last closing think tag; None when a think tag is opened and never closed."""
    tail = response.rpartition("</think>")[2]
    return None if "<think>" in tail else tail


def final_text(response: str) -> str | None:
    """The text after thinking, at most its last `RESPONSE_CAP` characters."""
    tail = after_thinking(response)
    return None if tail is None else tail[-RESPONSE_CAP:]


def statements(text: str) -> Iterator[Statement]:
    r"""The places that state an answer, best first.

    The last `\boxed{}`, `#### x`, `A: x` line and `<answer>` tag that are not empty; then "answer is",
    "Answer:" and "Final answer" headings, last first.
    """
    start, boxed = _boxed(text)
    if boxed.strip():
        yield Statement(boxed, closed=True, firm=True, start=start)
    for marker in (_HASHES, _LINE):
        start, rest = _after_last(marker, text)
        if rest.strip():
            yield Statement(rest, closed=False, firm=True, start=start)
    start, rest = _after_last(_TAG, text)
    tagged = re.split("</answer>", rest, maxsplit=1, flags=re.IGNORECASE)[0]
    if tagged.strip():
        yield Statement(tagged, closed=True, firm=True, start=start)
    yield from after_each(_PHRASE, text)


def after_each(phrase: re.Pattern[str], text: str) -> Iterator[Statement]:
    """What follows each of the last eight places where the words of a phrase stand, last first."""
    for end in reversed([match.end() for match in phrase.finditer(text)][-8:]):
        if text[end:].strip():
            yield Statement(text[end:], closed=False, firm=False, start=end)


def last_line(text: str) -> str:
    """The last line with something on it."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def _after_last(marker: re.Pattern[str], text: str) -> tuple[int, str]:
    end = len(text)
    for match in marker.finditer(text):
        end = match.end()
    return end, text[end:]


def _boxed(text: str) -> tuple[int, str]:
    end = len(text)
    for _ in range(3):  # a truncated box at the end does not hide a whole one before it
        start = max(text.rfind("\\boxed{", 0, end), text.rfind("\\fbox{", 0, end))
        if start < 0:
            break
        inside_start = text.index("{", start) + 1
        inside = _balanced(text, inside_start)
        if inside is not None:
            return inside_start, inside
        end = start
    return len(text), ""


def _balanced(text: str, start: int) -> str | None:
    depth = 1
    for match in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return text[start : match.start()]
    return None
