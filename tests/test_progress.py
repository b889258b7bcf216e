"""Progress is said in plain lines where there is no terminal."""

import pytest

from selftrain import progress as module
from selftrain.progress import duration, printable, progress, say


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (9.54, "9.5 s"), (48, "48 s"), (99, "99 s"), (100, "2 min"), (720, "12 min"), (12240, "3.4 h")],
)
def test_a_duration_is_said_as_people_say_it(seconds, words):
    assert duration(seconds) == words


def test_what_is_said_is_one_line_as_written(capsys):
    say("[bold]x[/bold] " + "long " * 60 + "3 of 4")
    found = capsys.readouterr()
    assert found.err == "[bold]x[/bold] " + "long " * 60 + "3 of 4\n"
    assert found.out == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\rb\tc\x00\x7f", r"a\rb\tc\x00\x7f"),
        ("\x9b2J\x85", r"\x9b2J\x85"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        ("\ud800", r"\ud800"),
        ("two\nlines, \u00fc \u4e2d \u05d0 \U0001f600 \\x1b", "two\nlines, \u00fc \u4e2d \u05d0 \U0001f600 \\x1b"),
    ],
)
def test_what_would_control_a_terminal_is_shown(text, shown, capsys):
    assert printable(text) == printable(shown) == shown
    say(text)
    assert capsys.readouterr().err == shown + "\n"


def test_lines_come_now_and_then(capsys, monkeypatch):
    with progress("sample", 2000, 500) as tick:
        tick()
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(module, "PLAIN_SECONDS", 0)
        tick(499)
    assert capsys.readouterr().err == "  sample: 1,000 of 2,000 (50%)\n"


def test_nothing_to_do_says_nothing(capsys, monkeypatch):
    monkeypatch.setattr(module, "PLAIN_SECONDS", 0)
    for total in (0, 5):
        with progress("sample", total, total) as tick:
            tick()
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True)
    with progress("[sample]", 2) as tick:
        tick(2)
    assert capsys.readouterr().out == ""
