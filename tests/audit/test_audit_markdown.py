"""The Markdown for a pull request: complete, and names from outside are never markup, links or mentions."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from make_audit import full_audit
from markdown_it import MarkdownIt

from selftrain.audit import markdown
from selftrain.audit.markdown import escaped

NASTY = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</details><details open>", "<!-- x", "&lt;b&gt;",
    "a | b || c", "`code` ``x``", "**bold** _it_ ~~gone~~", "[x](https://evil.test)", "![x](https://evil.test/x.png)",
    "<https://evil.test>", "https://evil.test/x", "www.evil.test", "HTTP://EVIL.test", "me@evil.test",
    "mailto:me@evil.test",
    "@owner", "(@owner)", "pass@owner", "pass@1.test", "owner/repo#12", "#12", "GH-12", "gh-12", ":smile:", "$x$",
    "line\n\n# title\n- item", "```\nfence\n```", "\\| \\", "1. one", "12345) two", "- three", "+ four", "===",
    "\x1b[2J \0 \u202eevil\u2069 \u2028", "[x]: https://evil.test", "^sup^ [^1]", "&#64;owner",
)  # fmt: skip
ACTIVE = (
    r"(?<!pass)(?<!majority)@\w", r"@\w+\.\w", r"#\d", r"(?i)gh-\d", r":\w+:", r"(?i)https?://", r"(?i)mailto:\w",
    r"(?i)www\.\w", r"[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069\u2028]",
)  # fmt: skip
"""What GitHub finds in the text of a rendered page."""


class Reader(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[int] = []
        self.text = ""
        self.feed(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.cells.append(0)
        if tag in ("td", "th"):
            self.cells[-1] += 1

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def audit():
    return full_audit()


def test_everything_is_told_and_most_of_it_folded(audit):
    text = markdown(audit)
    seen, folded = text[: text.index("<details>")], text[text.index("<details>") :]
    assert text.startswith("## Audit of after against before\n\n**reversal**: The model gained on the main figure and")
    for figure in audit.figures:
        assert f"| {figure.name} |" in (folded if figure.role == "secondary" else seen)
    f = audit.primary
    row = (
        f"| pass@1 | {f.before:.3f} | {f.after:.3f} | **{f.difference:+.3f}** | {f.low:+.3f} to {f.high:+.3f} | 80 | up"
    )
    assert row in seen
    for part in ("Null, the model before sampled again", "Improvement set", "| alpha | 0.05 |", "temperature 0.7"):
        assert part in folded
    assert text.count("<details>") == text.count("</details>") == 3


def test_what_is_neither_better_nor_worse_is_a_change(audit):
    table = re.search(r"\| figure [^\n]* change (.*?)\n\n", markdown(audit), re.DOTALL)[1]
    assert "| words |" in table
    assert " fell: the whole interval lies below zero |" in table
    assert not re.search(r"better|worse|\b(up|down)\b", table)


def test_warnings_and_a_title_are_told(audit):
    text = markdown(replace(audit, warnings=("3 problems | left", "also")), title="A *run*")
    assert text.startswith("## A \\*run\\*\n")
    assert "**Warnings**\n\n- 3 problems \\| left\n- also\n" in text
    assert "Warnings" not in markdown(replace(audit, warnings=()))


def test_our_own_names_stay_as_they_are():
    for name in (
        "pass@8",
        "majority@16",
        "pass@1, same prompt",
        "pass@1 on hard",
        "pass@k: at no k",
        "0.5 (80 problems)",
    ):
        assert escaped(name) == name


@pytest.fixture(scope="module")
def harmless():
    return Reader(markdown(replace(full_audit(lambda name: f"{name}x", count=8, each=4), warnings=())))


def without_warnings(tags):
    return [tag for tag in tags if tag not in ("p", "strong", "ul", "li")]


@pytest.mark.parametrize("nasty", NASTY)
def test_nasty_names_are_text(harmless, nasty):
    audit = full_audit(lambda name: f"{nasty} {name} {nasty}", count=8, each=4)
    text = markdown(replace(audit, warnings=(nasty, f"x {nasty}")), title=nasty)
    assert "$" not in text  # which would be mathematics
    found = Reader(text)
    assert without_warnings(found.tags) == without_warnings(harmless.tags)
    assert found.tags.count("li") == harmless.tags.count("li") + 2
    assert found.cells == harmless.cells
    for pattern in ACTIVE:
        assert not re.search(pattern, found.text), pattern


@pytest.mark.parametrize("nasty", [one for one in NASTY if not re.search(r"[\x00-\x1f\u2028]", one)])
def test_nasty_names_read_as_they_were(nasty):
    found = Reader(escaped(nasty))
    assert found.text.replace("\u200b", "").rstrip("\n") == nasty
    assert found.tags == ["p"]
