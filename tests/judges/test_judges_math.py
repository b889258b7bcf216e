"""The math judge compares by meaning, and its parser never sees what could be costly or code."""

import pytest

from selftrain.judges.math import MathJudge, find_expression, readable
from selftrain.records import Problem

RIGHT = [
    (r"\frac{1}{2}", "0.5"),
    ("1/2", r"The answer is $\frac{1}{2}$."),
    ("x^2+2x+1", r"\boxed{(x+1)^2}"),
    (r"\frac{\sqrt{3}}{2}", r"so $\sin 60 = \frac{\sqrt3}{2}$"),
    (r"2\pi", r"\boxed{2 \pi}"),
    ("(1,2)", r"\boxed{(1, 2)}"),
    (r"\{1,2\}", r"\boxed{\{2,1\}}"),
    ("18", "The answer is 18 eggs per day."),
    (r"50\%", r"\boxed{50\%}"),
    ("x=5", r"\boxed{5}"),
    ("5", r"\boxed{x=5}"),
    ("2*x**2", "$2x^2$"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\boxed{\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}}"),
    ("[0,1)", r"\boxed{[0, 1)}"),
    ("#### 1,200", r"\boxed{1200}"),
    (r"\text{Evelyn}", r"\boxed{Evelyn}"),
    (r"\text{Evelyn}", "Evelyn"),
    (r"\sqrt{2}/2", r"\frac{1}{\sqrt{2}}"),
]
WRONG = [
    ("(1,2)", r"\boxed{(2, 1)}"),
    ("1/3", "0.33"),
    ("-x", "x"),
    ("5", "no idea\nat all"),
    ("5", "<think>5"),
    ("5", r"\boxed{__import__('os').system('true')}"),
]
UNREADABLE = [
    "",
    "__import__('os')",
    "eval(1)",
    "open(x)",
    "exec(x)",
    "lambda: x",
    "a__b",
    'x"y',
    "9**9**9",
    "9^{9^{9}}",
    "(9^9)^9",
    "2^{100000}",
    "99999!",
    "1e999999999",
    "x + 2.5E-9999",
    "(9!)!",
    "1" * 60,
    "x+" * 300,
    "(" * 30 + "x" + ")" * 30,
]


@pytest.fixture(scope="module")
def judge() -> MathJudge:
    return MathJudge()


@pytest.mark.parametrize(("gold", "response"), RIGHT)
def test_equal_in_meaning_is_right(judge: MathJudge, gold: str, response: str) -> None:
    assert judge.judge(Problem.make("q", gold=gold), response).judgement == "right"


@pytest.mark.parametrize(("gold", "response"), WRONG)
def test_unequal_is_wrong(judge: MathJudge, gold: str, response: str) -> None:
    assert judge.judge(Problem.make("q", gold=gold), response).judgement == "wrong"


@pytest.mark.parametrize("gold", [None, r"\frac{1", "banana", "import os", ""])
def test_unreadable_gold_is_unjudged(judge: MathJudge, gold: str | None) -> None:
    assert judge.judge(Problem.make("q", gold=gold), "5").judgement == "unjudged"


@pytest.mark.parametrize("text", UNREADABLE)
def test_costly_text_and_code_are_not_readable(text: str) -> None:
    assert not readable(text)


def test_the_parser_is_never_asked_for_unreadable_text(judge: MathJudge, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(expression: str) -> object:
        if expression in UNREADABLE:
            raise AssertionError(expression)
        return []

    monkeypatch.setattr(judge, "_read", forbidden)
    for text in UNREADABLE:
        judge.judge(Problem.make("q", gold="5"), rf"\boxed{{{text}}}")
        judge.same("x", text)


def test_same_is_symmetric(judge: MathJudge) -> None:
    assert judge.same("x=5", "5")
    assert judge.same("5", "x=5")
    assert not judge.same("1/2", "1/3")
    assert judge.same("(x+1)^2", "x^2+2x+1")


def test_numbers_have_one_canonical_form() -> None:
    assert {find_expression(t) for t in ["0.5", r"\boxed{\frac12}", "$1/2$", "The answer is 2/4."]} == {"1/2"}
