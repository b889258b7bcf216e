"""Equations and repetition of one text: golden cases, hostile ones in linear time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain.audit.texts import EQUATIONS, equations, repetition


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Natalia sold 48/2 = <<48/2=24>>24 clips in May.", ["48/2=24"]),
        ("She makes 9 * 2 = $<<9*2=18>>18 a day", ["9*2=18"]),
        ("3 + 4 = 7, so 7 - 1=6.", ["3+4=7", "7-1=6"]),
        ("$1,200 x 2 = $2,400", ["1200*2=2400"]),
        ("12,345,678 + 1 = 12,345,679", ["12345678+1=12345679"]),
        (r"\(3 \times 4 = 12\) and $10 \div 4 = 2.5$", ["3*4=12", "10/4=2.5"]),
        ("3 \u00d7 4 = 12; 5 \u2212 -3 = 8; 2^3 = 8; 2**3 = 8", ["3*4=12", "5--3=8", "2^3=8", "2**3=8"]),
        ("(1 + 2) * 3 = 9 and 20% * 5 = 1", ["(1+2)*3=9", "20%*5=1"]),
        ("(so 3 + 4 = 7) (3 + 4 = 7) ((3 + 4) * 2 = (14))", ["3+4=7", "3+4=7", "(3+4)*2=14"]),
        ("1 + 2\n = 3", ["1+2=3"]),
        ("3 + 4 = 7 twice: 3+4=7", ["3+4=7", "3+4=7"]),
        ("x = 5, 5 = 5, 2x + 3 = 7, a + b = c, 1 + 1, = 2", []),
        ("no numbers", []),
        ("", []),
    ],
)
def test_equations_golden(text: str, expected: list[str]) -> None:
    assert equations(text) == expected


@pytest.mark.parametrize(
    "piece", ["1+", "1", "(", "1 ", " ", "1,", "1,111", "1=", "-(", "1.", "1 x ", "1+1=", "1+1=2 ", "\\", "1+ (", "=1x"]
)
def test_equations_take_linear_time(piece: str) -> None:
    text = piece * (400_000 // len(piece)) + "="
    start = time.process_time()
    found = equations(text)
    assert time.process_time() - start < 2
    assert len(found) <= EQUATIONS


def test_equations_are_bounded_in_number() -> None:
    assert len(equations("1+1=2 " * (EQUATIONS + 5))) == EQUATIONS


@given(st.text(alphabet="0123456789+-*/=x.,$() <>\n", max_size=60))
def test_an_equation_is_plain_and_has_both_sides(text: str) -> None:
    for equation in equations(text):
        left, right = equation.split("=")
        assert any(sign in left.strip("-+(") for sign in "+-*/^")
        assert right.strip("-+()").replace(".", "").isdigit()
        assert not set(" ,$x\n") & set(equation)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b c d", 0.0),
        ("a b c", 0.0),
        ("", 0.0),
        ("a a a a a", 0.5),
        ("a b c d a b c d", 0.2),
        ("a  b\tc\nd", 0.0),
        ("no " * 103, 0.99),
    ],
)
def test_repetition_golden(text: str, expected: float) -> None:
    assert repetition(text) == pytest.approx(expected)
