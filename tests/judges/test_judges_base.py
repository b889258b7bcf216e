"""Judges are found by name; what cannot be one is a one-line ConfigError."""

import subprocess
import sys
from pathlib import Path

import pytest

from selftrain.errors import ConfigError
from selftrain.judges import BUILT_IN, load_judge
from selftrain.records import Judgement, Problem

OWN = """
from selftrain.records import Judgement
def is_ok(problem, response):
    return {"yes": True, "no": False, "maybe": None, "odd": 3}.get(
        response, Judgement(judgement="right", answer="own", reason="mine"))
class Own:
    def judge(self, problem, response): return Judgement(judgement="wrong", answer=response, reason="r")
    def same(self, a, b): return a[0] == b[0]
own = Own()
number = 5
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_judges_carry_their_name(name: str) -> None:
    judge = load_judge(name)
    assert judge.name == name
    assert judge.exact_same == (name != "math")
    assert judge.same("1/2", "1/2")
    assert not judge.same("1/2", "1/3")


def test_a_function_of_a_file_is_a_judge(own: Path) -> None:
    judge, problem = load_judge(f"{own}:is_ok"), Problem.make("q")
    marks = {text: judge.judge(problem, text).judgement for text in ["yes", "no", "maybe", "odd"]}
    assert marks == {"yes": "right", "no": "wrong", "maybe": "unjudged", "odd": "unjudged"}
    assert judge.judge(problem, "yes").answer == "yes"
    assert judge.judge(problem, "other") == Judgement(judgement="right", answer="own", reason="mine")


def test_an_object_of_a_file_is_a_judge(own: Path) -> None:
    judge = load_judge(f"{own}:own")
    assert judge.name == f"{own}:own"
    assert not judge.exact_same
    assert judge.same("ab", "ac")


def test_a_function_of_a_module_is_a_judge() -> None:
    assert load_judge("operator:truth").name == "operator:truth"


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        (
            "nmber",
            "number, reasoning_gym, summary, package.module:name or path/to/file.py:name; did you mean number?",
        ),
        ("no.such.module:f", "there is no module no"),
        ("missing.py:f", "there is no file missing.py"),
        (":f", "is no import path"),
        ("operator:nothing", "operator has no nothing"),
        ("{own}:number", "is a int"),
        ("{own}:Own", "is a class"),
    ],
)
def test_what_is_no_judge_is_one_line(spec: str, part: str, own: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_judge(spec.format(own=own))
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_raises_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(ConfigError, match="cannot be loaded: ZeroDivisionError"):
        load_judge(f"{tmp_path / 'bad.py'}:f")


def test_importing_judges_loads_no_heavy_library() -> None:
    heavy = {"sympy", "reasoning_gym", "math_verify", "torch"}
    code = f"import selftrain.judges, sys; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
