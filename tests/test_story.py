"""The story of a run in a terminal: short, plain, and nothing a model said controls the terminal."""

import re

import pytest
from make_run import make_run

from selftrain.report.record import read_run
from selftrain.story import LINES, story, tell

TOLD = {
    "finished": {},
    "many rounds": {"rounds": 7},
    "unfinished": {"decided": False, "finished": False},
    "refused": {"promoted": False, "rise": 0.0},
    "hostile": {
        "text": lambda i, k: "\x1b[2J[red]owned[/red]\0\u202e" * 50,
        "question": lambda name: f"{name} \x1b]0;owned\x07\nnext line",
        "family": lambda i: "[bold]x",
    },
}


@pytest.mark.parametrize("kind", TOLD)
def test_the_story_is_short_and_plain(tmp_path, kind):
    lines = story(read_run(make_run(tmp_path, **TOLD[kind])))
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 100 or str(tmp_path) in lines[-1]
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e]", "".join(lines))


def test_a_finished_run_is_told_from_start_to_end(tmp_path):
    text = " ".join(story(read_run(make_run(tmp_path))))
    said = ["run: smollm2 on files, recipe vanilla, 1 of 1 rounds, finished", "base, training prompt: pass@1 0.200",
            "round 1: 48 responses to 12 questions", "training rows, weights", "round 1: promoted", "figure  ",
            "(final model against", "gained, for example: What is test", "before, wrong: text", "after, right:",
            "time 2 min: train 70 s (4,000 tokens)", "everything is in"]  # fmt: skip
    places = [text.index(part) for part in said]
    assert places == sorted(places)


def test_figures_that_decide_are_told_and_those_measured_another_way(tmp_path):
    run = read_run(make_run(tmp_path))
    lines = story(run)
    first = next(i for i, line in enumerate(lines) if line.startswith(" figure "))
    names = [line.strip().split("  ")[0] for line in lines[first + 2 :]]
    wanted = [f.name for f in run.audit.figures if f.role != "secondary"]
    wanted += ["pass@1, same prompt", "pass@4, same prompt", "greedy pass@1"]
    assert names[: len(wanted)] == wanted
    assert names[len(wanted)] == f"({len(run.audit.figures) - len(wanted)} figures more in the report)"


def test_the_example_was_gained(tmp_path):
    folder = make_run(tmp_path, text=lambda i, k: f"<{i}>")
    text = "\n".join(story(read_run(folder)))
    asked = re.search(r"What is test (\d+)\?", text)[1]
    assert f"before, wrong: <{asked}>" in text


def test_the_page_is_named_where_there_is_one(tmp_path, capsys):
    folder = make_run(tmp_path)
    (folder / "report.html").write_text("")
    tell(folder)
    assert capsys.readouterr().out.endswith(f"report: {folder / 'report.html'}\n")


def test_unfinished_and_refused_runs_say_so(tmp_path):
    unfinished = make_run(tmp_path / "a", decided=False, finished=False)
    assert "not finished: the same command goes on from here" in story(read_run(unfinished))
    refused = make_run(tmp_path / "b", promoted=False, rise=0.0)
    assert "nothing was promoted: the base is kept" in story(read_run(refused))


def test_a_run_made_longer_is_not_finished_before_its_new_end(tmp_path):
    text = "\n".join(story(read_run(make_run(tmp_path, longer=2))))
    assert "1 of 2 rounds, not finished" in text
    assert "not finished: the same command goes on from here" in text
    assert "test)" not in text


def test_rounds_without_room_are_counted(tmp_path, monkeypatch):
    run, told = read_run(make_run(tmp_path, rounds=3)), []
    for lines in range(10, LINES):
        monkeypatch.setattr("selftrain.story.LINES", lines)
        told += [line for line in story(run) if re.search("rounds? more in", line)]
    assert set(told) == {f"({many} more in the report)" for many in ("1 round", "2 rounds", "3 rounds")}


def test_a_damaged_step_costs_the_example_alone(tmp_path):
    folder = make_run(tmp_path)
    (step, *_) = sorted(tmp_path.glob(".steps/judge-*/step.json"))
    step.write_text("{")
    text = " ".join(story(read_run(folder)))
    assert "no example: " in text
    assert "step.json is damaged: restore it" in text
    assert "(final model against" in text


def test_a_plan_stands_beside_the_time_where_there_is_room(tmp_path, monkeypatch):
    run = read_run(make_run(tmp_path))
    for lines, told in ((["planned"], True), (["planned"] * LINES, False)):
        monkeypatch.setattr("selftrain.story.planned_and_true", lambda folder, lines=lines: lines)
        found = story(run)
        assert ("planned" in found) == told
        assert len(found) <= LINES
