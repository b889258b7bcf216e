"""Progress is said in plain lines where there is no terminal."""

from selftrain import progress as module
from selftrain.progress import progress, say


def test_what_is_said_is_one_line_as_written(capsys):
    say("[bold]x[/bold] " + "long " * 60 + "3 of 4")
    found = capsys.readouterr()
    assert found.err == "[bold]x[/bold] " + "long " * 60 + "3 of 4\n"
    assert found.out == ""


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
