"""The pool keeps order, bounds time and memory, blames only the guilty, and leaves no process behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from selftrain.errors import ConfigError
from selftrain.judges import JudgePool
from selftrain.judges.pool import NOT_COMPARED, cluster
from selftrain.records import Problem

WICKED = """
import os, sys, time
def judge(problem, response):
    if response == "hang":
        while True: pass
    if response == "crash":
        os._exit(3)
    if response == "raise":
        raise ValueError("bad\\nnews")
    if response == "memory":
        return len(bytearray(1 << 36)) > 0
    if response.startswith("pid "):
        open(response[4:], "w").write(str(os.getpid()))
        time.sleep(60)
    return response == problem.gold
class Loose:
    exact_same = False
    def judge(self, problem, response): return None
    def same(self, a, b):
        if "hang" in (a, b):
            while True: pass
        if "raise" in (a, b): raise ValueError
        return a[:1] == b[:1]
loose = Loose()
"""
ODD = """
from selftrain.records import Judgement
def judge(problem, response):
    good = dict(judgement="right", answer="5", reason="r")
    return Judgement(**good | {"answer": {"answer": 5}, "mark": {"judgement": "yes"}, "list": {"judgement": ["right"]},
        "reason": {"reason": None}, "none": {"answer": None}}[response])
"""
READER = """
import os
class Reader:
    def judge(self, problem, response): return None
    def same(self, a, b): return a == b
    def answer(self, question, response):
        if response == "hang":
            while True: pass
        if response == "crash":
            os._exit(3)
        if response == "raise":
            raise ValueError("bad\\nnews")
        found = {"gold": str(hasattr(question, "gold")), "long": "x" * 9000, "none": None, "odd": 5}
        return found.get(response, "read")
reader = Reader()
"""
PROBLEM = Problem.make("q", gold="ok")


@pytest.fixture
def wicked(tmp_path: Path) -> str:
    (tmp_path / "wicked.py").write_text(WICKED)
    return str(tmp_path / "wicked.py")


def test_results_come_in_order_whatever_the_number() -> None:
    items = [(str(n), Problem.make("q", gold=str(n % 3)), "A: 1") for n in range(1000)]
    with JudgePool("number") as pool:
        found = list(pool.judge(items))
        assert list(pool.judge([])) == []
    assert [name for name, _ in found] == [name for name, _, _ in items]
    assert [j.judgement == "right" for _, j in found] == [n % 3 == 1 for n in range(1000)]


def test_reading_ahead_is_bounded() -> None:
    read = 0

    def items() -> Iterator[tuple[str, Problem, str]]:
        nonlocal read
        for _ in range(100_000):
            read += 1
            yield "", PROBLEM, "1"

    with JudgePool("exact") as pool:
        next(iter(pool.judge(items())))
    assert read < 1000


def test_only_the_guilty_response_is_unjudged(wicked: str) -> None:
    texts = ["ok", "no", "hang", "ok", "crash", "raise", "memory", "ok", "no"]
    with JudgePool(f"{wicked}:judge", workers=2, deadline=1.5) as pool:
        found = [(j.judgement, j.reason) for _, j in pool.judge((t, PROBLEM, t) for t in texts)]
    marks = [mark for mark, _ in found]
    assert marks == ["right", "wrong", "unjudged", "right", "unjudged", "unjudged", "unjudged", "right", "wrong"]
    assert found[2][1] == "timeout"
    assert found[4][1] == "judge crashed"
    assert found[5][1] == "judge raised ValueError: bad news"
    assert "MemoryError" in found[6][1]


def test_a_judge_object_that_returns_nonsense_is_unjudged(wicked: str) -> None:
    with JudgePool(f"{wicked}:loose") as pool:
        assert [j.judgement for _, j in pool.judge([("a", PROBLEM, "ok")])] == ["unjudged"]


GRADED = """
from selftrain.records import Judgement
def judge(problem, response):
    scores = {"good": {"quality": 1}, "nan": {"quality": float("nan")}, "none": None, "many": {i: 1 for i in range(9)}}
    return Judgement(judgement="right", answer="5", reason="r", scores=scores[response])
"""


def test_scores_of_a_users_judge_are_checked(tmp_path: Path) -> None:
    (tmp_path / "graded.py").write_text(GRADED)
    with JudgePool(f"{tmp_path / 'graded.py'}:judge", workers=1) as pool:
        found = [j for _, j in pool.judge((t, PROBLEM, t) for t in ("good", "nan", "none", "many"))]
    assert (found[0].judgement, found[0].scores) == ("right", {"quality": 1.0})
    assert [(j.judgement, j.scores) for j in found[1:]] == [("unjudged", {})] * 3
    assert found[1].reason == "the judge gave a score quality that is nan: wanted a finite number"


def test_a_judgement_with_odd_fields_is_unjudged(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(ODD)
    texts = ["answer", "mark", "list", "reason", "none"]
    with JudgePool(f"{tmp_path / 'odd.py'}:judge", workers=1) as pool:
        found = [(j.judgement, j.answer, j.reason) for _, j in pool.judge((t, PROBLEM, t) for t in texts)]
    assert found == [
        ("unjudged", None, "the judge's answer is int, not text"),
        ("unjudged", None, "the judge's judgement is 'yes', not right, wrong, unjudged"),
        ("unjudged", None, "the judge's judgement is ['right'], not right, wrong, unjudged"),
        ("unjudged", None, "the judge's reason is NoneType, not text"),
        ("right", None, "r"),
    ]


def test_answers_are_read_without_the_gold_and_only_the_guilty_are_missing(tmp_path: Path) -> None:
    (tmp_path / "reader.py").write_text(READER)
    texts = ["a", "hang", "gold", "crash", "none", "raise", "odd", "long", "b"]
    with JudgePool(f"{tmp_path / 'reader.py'}:reader", workers=2, deadline=1.5) as pool:
        found = list(pool.answers((t, PROBLEM, t) for t in texts))
    assert [name for name, _ in found] == texts
    assert {j.judgement for _, j in found} == {"unjudged"}
    read = {name: (j.answer, j.reason) for name, j in found}
    assert read == {
        "a": ("read", NOT_COMPARED),
        "hang": (None, "timeout"),
        "gold": ("False", NOT_COMPARED),
        "crash": (None, "judge crashed"),
        "none": (None, NOT_COMPARED),
        "raise": (None, "judge raised ValueError: bad news"),
        "odd": (None, "the judge's answer is int, not text"),
        "long": ("x" * 4000, NOT_COMPARED),
        "b": ("read", NOT_COMPARED),
    }


def test_many_answers_come_in_order() -> None:
    items = [(str(n), PROBLEM.without_gold(), f"{n % 7}/14") for n in range(1000)]
    with JudgePool("number", workers=1) as pool:
        found = [(name, j.answer) for name, j in pool.answers(items)]
    assert found == [(str(n), str(Fraction(n % 7, 14))) for n in range(1000)]


def test_a_judge_object_that_reads_no_answers_is_named(wicked: str) -> None:
    pool = JudgePool(f"{wicked}:loose")
    with pytest.raises(ConfigError, match=r"wicked.py:loose' .* a method answer\(question, response\)") as caught:
        pool.answers([])
    assert "\n" not in str(caught.value)


def test_clusters_are_greedy_in_index_order(wicked: str) -> None:
    lists = [
        ("a", ["ax", None, "bx", "ay", None, "by"]),
        ("b", []),
        ("c", ["raise", "rx", "raise"]),
        ("d", ["hang", "x", "hang"]),
    ]
    with JudgePool(f"{wicked}:loose", deadline=1.5) as pool:
        found = list(pool.clusters(lists))
    assert found == [("a", (0, 1, 2, 0, 1, 2)), ("b", ()), ("c", (0, 1, 0)), ("d", (0, 1, 0))]


def test_math_clusters_by_meaning_and_others_by_string() -> None:
    answers = ["1/2", "x", "2x/4", None, "x/2"]
    with JudgePool("math", workers=1) as pool:
        assert list(pool.clusters([("a", answers)])) == [("a", (0, 1, 2, 3, 2))]
    with JudgePool("exact", workers=1) as pool:
        assert list(pool.clusters([("a", answers)])) == [("a", (0, 1, 2, 3, 4))]
    assert cluster([None, "a", None]) == (0, 1, 0)


def test_impossible_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="workers"):
        JudgePool("number", workers=0)
    with pytest.raises(ValueError, match="deadline"):
        JudgePool("number", deadline=0)
    with pytest.raises(ConfigError):
        JudgePool("nothing")


SCRIPT = """
import sys
from selftrain.judges import JudgePool
from selftrain.records import Problem
if __name__ == "__main__":
    with JudgePool(sys.argv[1], workers=1, deadline=100) as pool:
        print(list(pool.judge([("a", Problem.make("q"), "pid " + sys.argv[2])])))
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_leaves_no_process_and_no_traceback_of_a_worker(wicked: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    pid_file = tmp_path / "pid"
    command = [sys.executable, str(tmp_path / "script.py"), f"{wicked}:judge", str(pid_file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while not pid_file.exists() or not pid_file.read_text():
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert errors.count("Traceback") == 1  # the parent's own
    assert "KeyboardInterrupt" in errors
    assert not alive(int(pid_file.read_text()))
