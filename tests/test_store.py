"""The workspace survives torn writes, crashes, full disks and other processes."""

import errno
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import selftrain
from selftrain.errors import WorkspaceError
from selftrain.store import (
    Step,
    Workspace,
    append_json,
    lock,
    read_json_lines,
    read_parquet,
    write_json,
    write_parquet,
    write_text,
)

SOURCE = str(Path(selftrain.__file__).parent.parent)
FIRST = [{"id": "a", "text": "one"}, {"id": "b", "text": "two"}]
SECOND = [
    {"id": "c", "text": "drei\n\u2028\u00fc \U0001f600"},
    {"id": "d", "text": '{"_left": 0}'},
    {"id": "e", "text": ""},
]


def make_step(folder):
    folder.mkdir(exist_ok=True)
    return Step(folder)


def keyed(*rows):
    return {row["id"]: row for row in rows}


def holder(path, body="sys.stdin.readline()"):
    """A process that holds the lock at `path` until a line comes on its standard input."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom selftrain.store import Workspace, lock\n"
        f"with lock(Path({str(path)!r}), wait=False, what='it'):\n"
        "    print('held', flush=True)\n"
        f"    {body}\n"
    )
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdout.readline() == "held\n"
    return child


def finish(child):
    child.stdin.close()
    child.stdout.close()
    child.wait()


def test_rows_come_back_in_order(tmp_path):
    step = make_step(tmp_path / "s")
    step.append(FIRST)
    step.append(SECOND)
    assert list(step.rows) == ["a", "b", "c", "d", "e"]
    again = Step(tmp_path / "s")
    assert list(again.rows.items()) == list(keyed(*FIRST, *SECOND).items())


def test_torn_at_every_byte_of_the_last_append(tmp_path):
    """Several rows appended together are all there or none, and the step goes on from what is there."""
    made = make_step(tmp_path / "whole")
    made.append(FIRST)
    path = tmp_path / "whole" / "rows.jsonl"
    begin = path.stat().st_size
    made.append(SECOND)
    whole = path.read_bytes()
    for end in range(begin, len(whole) + 1):
        folder = tmp_path / f"cut-{end}"
        folder.mkdir()
        (folder / "rows.jsonl").write_bytes(whole[:end])
        step = Step(folder)
        kept = [*FIRST, *SECOND] if end == len(whole) else FIRST
        assert step.rows == keyed(*kept)
        assert (folder / "rows.jsonl").read_bytes() == (whole if end == len(whole) else whole[:begin])
        if end % 25 == 0:
            step.append([{"id": "z", "text": "after"}])
            assert Step(folder).rows == keyed(*kept, {"id": "z", "text": "after"})


rows_of_text = st.lists(st.lists(st.text(max_size=8), max_size=3), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(batches=rows_of_text, cut=st.floats(0, 1))
def test_any_cut_leaves_a_beginning_of_whole_appends(tmp_path_factory, batches, cut):
    folder = tmp_path_factory.mktemp("cut")
    step = Step(folder)
    after = [0]
    for place, texts in enumerate(batches):
        step.append([{"id": f"{place}-{i}", "text": text} for i, text in enumerate(texts)])
        after.append(len(step.rows))
    path = folder / "rows.jsonl"
    whole = path.read_bytes() if path.exists() else b""
    path.write_bytes(whole[: int(cut * len(whole))])
    found = Step(folder).rows
    assert len(found) in after
    assert list(found.items()) == list(step.rows.items())[: len(found)]


def test_garbage_after_whole_rows_is_cut_off(tmp_path):
    make_step(tmp_path / "s").append(FIRST)
    path = tmp_path / "s" / "rows.jsonl"
    good = path.read_bytes()
    for garbage in (b"\0" * 100, b"\xff\xfe\n", b'{"id": "x"', b"\n\n"):
        path.write_bytes(good + garbage)
        assert Step(tmp_path / "s").rows == keyed(*FIRST)
        assert path.read_bytes() == good


def test_appending_nothing_loses_nothing(tmp_path):
    step = make_step(tmp_path / "s")
    step.append([])
    step.append(FIRST)
    step.append([])
    step.append(SECOND)
    assert Step(tmp_path / "s").rows == keyed(*FIRST, *SECOND)


def test_seal_reopen_grow_seal(tmp_path):
    folder = tmp_path / "s"
    step = make_step(folder)
    step.append(FIRST)
    step.seal()
    assert sorted(path.name for path in folder.iterdir()) == ["rows.parquet"]
    step.seal()
    grown = Step(folder)
    assert grown.rows == keyed(*FIRST)
    grown.append(SECOND)
    assert Step(folder).rows == keyed(*FIRST, *SECOND)
    grown.seal()
    assert [row["id"] for row in read_parquet(folder / "rows.parquet")] == ["a", "b", "c", "d", "e"]
    assert not (folder / "rows.jsonl").exists()


def test_a_crash_between_sealing_and_dropping_the_lines(tmp_path):
    """Both files are there: no row twice, and the next seal clears up."""
    folder = tmp_path / "s"
    step = make_step(folder)
    step.append(FIRST)
    lines = (folder / "rows.jsonl").read_bytes()
    step.seal()
    (folder / "rows.jsonl").write_bytes(lines)
    again = Step(folder)
    assert again.rows == keyed(*FIRST)
    again.seal()
    assert not (folder / "rows.jsonl").exists()
    assert len(read_parquet(folder / "rows.parquet")) == 2


def test_a_seal_that_fails_loses_nothing(tmp_path, monkeypatch):
    step = make_step(tmp_path / "s")
    step.append(FIRST)
    step.seal()
    step.append(SECOND)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        with pytest.raises(OSError, match="No space left"):
            step.seal()
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["rows.jsonl", "rows.parquet"]
    assert Step(tmp_path / "s").rows == keyed(*FIRST, *SECOND)


def test_sealing_a_step_whose_only_append_was_torn(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "rows.jsonl").write_text('{"id": "a", "_le')
    step = Step(folder)
    step.seal()
    assert Step(folder).rows == {}


def test_rows_keep_their_types_when_sealed(tmp_path):
    rows = [
        {"id": "a", "none": None, "maybe": None, "list": [], "nested": [[1, 2], []], "n": 3, "x": 0.1, "t": True},
        {"id": "b", "none": None, "maybe": "s", "list": [-1.5], "nested": [], "n": -(2**60), "x": 1.0, "t": False},
    ]
    step = make_step(tmp_path / "s")
    step.append(rows)
    step.seal()
    found = Step(tmp_path / "s").rows
    assert list(found.values()) == rows
    assert isinstance(found["b"]["x"], float)


def test_a_column_that_only_later_rows_have_is_sealed_too(tmp_path):
    rows = [{"id": "a", "x": 1}, {"id": "b", "x": 2, "scores": {"s": 0.5}}, {"id": "c", "scores": {"t": 1.5}}]
    path = tmp_path / "rows.parquet"
    write_parquet(path, rows)
    assert read_parquet(path) == [
        {"id": "a", "x": 1, "scores": None},
        {"id": "b", "x": 2, "scores": {"s": 0.5, "t": None}},
        {"id": "c", "x": None, "scores": {"s": None, "t": 1.5}},
    ]
    assert rows[0] == {"id": "a", "x": 1}


def test_numbers_that_are_not_finite_come_back(tmp_path):
    step = make_step(tmp_path / "s")
    step.append([{"id": "a", "x": [math.inf, -math.inf, math.nan]}])
    for _ in ("open", "sealed"):
        found = Step(tmp_path / "s").rows["a"]["x"]
        assert found[:2] == [math.inf, -math.inf]
        assert math.isnan(found[2])
        step.seal()


def full_disk(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("written", [0, 1, 10, 40])
def test_a_full_disk_leaves_a_step_that_resumes(tmp_path, monkeypatch, written):
    """The write stops after some bytes; what was appended before is there and the rest can be appended again."""
    step = make_step(tmp_path / "s")
    step.append(FIRST)
    plain = Path.open

    def failing(self, *arguments, **options):
        file = plain(self, *arguments, **options)

        class Failing:
            def __enter__(self):
                return self

            def __exit__(self, *error):
                file.close()

            def write(self, text):
                file.write(text[:written])
                full_disk()

        return Failing()

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", failing)
        with pytest.raises(OSError, match="No space left"):
            step.append(SECOND)
    assert step.rows == keyed(*FIRST)
    again = Step(tmp_path / "s")
    assert again.rows == keyed(*FIRST)
    again.append(SECOND)
    again.seal()
    assert Step(tmp_path / "s").rows == keyed(*FIRST, *SECOND)


def test_steps_are_named_by_what_determines_them(tmp_path):
    workspace = Workspace(tmp_path / "runs")
    with workspace.step("sample", {"seed": 1, "model": "m"}) as step:
        step.append(FIRST)
    with Workspace(tmp_path / "runs").step("sample", {"model": "m", "seed": 1}) as step:
        assert step.rows == keyed(*FIRST)
        facts = json.loads((step.folder / "step.json").read_text())
    assert facts == {"kind": "sample", "inputs": {"seed": 1, "model": "m"}}
    for kind, inputs in (("sample", {"seed": 2, "model": "m"}), ("judge", {"seed": 1, "model": "m"})):
        with workspace.step(kind, inputs) as step:
            assert not step.rows
    assert len(workspace.opened) == len(set(workspace.opened)) == 3
    assert len(list((tmp_path / "runs" / ".steps").iterdir())) == 3


def test_a_folder_is_built_once(tmp_path):
    step = make_step(tmp_path / "s")
    made = []

    def build(target):
        made.append(target)
        target.mkdir()

    assert step.build("model", build) == step.build("model", build) == tmp_path / "s" / "model"
    assert len(made) == 1


def test_a_workspace_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(WorkspaceError, match=r"cannot write the workspace .*; name another folder$"):
            Workspace(root)


def test_another_process_is_told_at_once(tmp_path):
    child = holder(tmp_path / "lock")
    with (
        pytest.raises(WorkspaceError, match="the run x is in use by another process: wait for it, or name"),
        lock(tmp_path / "lock", wait=False, what="the run x"),
    ):
        pytest.fail("two processes hold one lock")
    finish(child)
    with lock(tmp_path / "lock", wait=False, what="it"):
        pass


def test_a_lock_ends_with_a_killed_process(tmp_path):
    child = holder(tmp_path / "lock")
    os.kill(child.pid, signal.SIGKILL)
    finish(child)
    with lock(tmp_path / "lock", wait=False, what="it"):
        pass


def test_a_lock_ends_although_a_forked_child_lives_on(tmp_path):
    read, write = os.pipe()
    with lock(tmp_path / "lock", wait=False, what="it"):
        child = os.fork()
        if child == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
    try:
        with lock(tmp_path / "lock", wait=False, what="it"):
            pass
    finally:
        os.close(write)
        os.close(read)
        os.waitpid(child, 0)


def test_a_lock_ends_with_an_error(tmp_path):
    with pytest.raises(KeyError), lock(tmp_path / "lock", wait=False, what="it"):
        raise KeyError
    with lock(tmp_path / "lock", wait=False, what="it"):
        pass


def test_waiting_for_a_lock(tmp_path, capsys):
    child = holder(tmp_path / "lock")
    timer = threading.Timer(0.3, child.stdin.close)
    start = time.monotonic()
    timer.start()
    with lock(tmp_path / "lock", wait=True, what="step sample-1"):
        waited = time.monotonic() - start
    timer.join()
    finish(child)
    assert waited >= 0.25
    assert "waiting for another process to finish step sample-1" in capsys.readouterr().err


def test_a_step_waits_and_reads_what_the_other_process_wrote(tmp_path):
    workspace = Workspace(tmp_path)
    with workspace.step("sample", {"seed": 1}) as step:
        path = step.folder / "lock"
    body = (
        "sys.stdin.readline()\n"
        "    from selftrain.store import Step\n"
        f"    step = Step(Path({str(path.parent)!r}))\n"
        "    step.append([{'id': 'a', 'text': 'one'}, {'id': 'b', 'text': 'two'}])\n"
        "    step.seal()"
    )
    child = holder(path, body)
    timer = threading.Timer(0.2, child.stdin.close)
    timer.start()
    with workspace.step("sample", {"seed": 1}) as step:
        assert step.rows == keyed(*FIRST)
    timer.join()
    finish(child)


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_replacing_a_file_that_fails_keeps_the_old_one(tmp_path, monkeypatch, failing):
    path = tmp_path / "facts.json"
    write_json(path, {"old": 1})
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, failing, full_disk)
        for write in (
            lambda: write_json(path, {"new": 2}),
            lambda: write_text(path, "new"),
            lambda: write_parquet(path, [{"id": "new"}]),
        ):
            with pytest.raises(OSError, match="No space left"):
                write()
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["facts.json"]


def test_a_value_without_json_keeps_the_old_file(tmp_path):
    write_json(tmp_path / "facts.json", [1])
    with pytest.raises(TypeError):
        write_json(tmp_path / "facts.json", {1, 2})
    assert json.loads((tmp_path / "facts.json").read_text()) == [1]


def test_json_lines(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert read_json_lines(path) == []
    values = [{"a": 1}, {"text": "line\u2028ends \x85 and \x0c more \u00fc\r\n"}, {"b": None}]
    for value in values:
        append_json(path, value)
    assert read_json_lines(path) == values
    assert path.read_bytes().count(b"\n") == 3


def test_json_lines_torn_at_every_byte(tmp_path):
    """The next process closes the torn line; no line before or after is lost."""
    path = tmp_path / "metrics.jsonl"
    append_json(path, {"first": 1})
    begin = path.stat().st_size
    append_json(path, {"text": "\u00fc\U0001f600 \u2028"})
    whole = path.read_bytes()
    for end in range(begin, len(whole) + 1):
        path.write_bytes(whole[:end])
        append_json(path, {"last": 3})
        found = read_json_lines(path)
        assert (found[0], found[-1]) == ({"first": 1}, {"last": 3})
        assert len(found) == (3 if end >= len(whole) - 1 else 2)
