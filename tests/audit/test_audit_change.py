"""Support change, group disparity, rise and collapse: golden numbers, second computations, edges."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain.audit import group_disparity, rise_and_collapse, support_change

FLAGS = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=20)


def test_support_golden() -> None:
    assert support_change([1, 1, 1, 0, 0, 0, 1, 0], [1, 0, 1, 1, 1, 0, 0, 0]) == {
        "kept": 2,
        "gained": 2,
        "lost": 2,
        "neither": 2,
        "retention": 0.5,
        "discovery": 0.5,
        "harmonic": 0.5,
        "net": 0.0,
    }


def test_support_tells_gained_from_lost() -> None:
    change = support_change([1, 1, 0, 0, 0], [1, 1, 1, 1, 0])
    assert (change["gained"], change["lost"], change["net"]) == (2, 0, 0.5)
    assert (change["retention"], change["discovery"]) == (1, 0.5)
    assert change["harmonic"] == pytest.approx(2 / 3)


@given(FLAGS)
def test_support_second_computation(flags: list[tuple[bool, bool]]) -> None:
    change = support_change([b for b, _ in flags], [a for _, a in flags])
    assert change["kept"] == flags.count((True, True))
    assert change["gained"] == flags.count((False, True))
    assert change["lost"] == flags.count((True, False))
    assert change["neither"] == flags.count((False, False))
    solved_by_base = sum(b for b, _ in flags)
    expected = flags.count((True, True)) / solved_by_base if solved_by_base else math.nan
    assert change["retention"] == pytest.approx(expected, nan_ok=True)


def test_support_of_chances_is_the_expectation() -> None:
    change = support_change([0.5, 1.0], [0.25, 0.0])
    assert (change["kept"], change["gained"], change["lost"], change["neither"]) == (0.125, 0.125, 1.375, 0.375)


def test_support_undefined_is_nan() -> None:
    change = support_change([0, 0], [0, 1])
    assert math.isnan(change["retention"])
    assert math.isnan(change["harmonic"])
    assert change["net"] == 1
    assert math.isnan(support_change([0], [0])["net"])
    assert support_change([1, 0], [0, 1])["harmonic"] == 0


def test_support_impossible_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="new must be as long"):
        support_change([1], [1, 0])
    with pytest.raises(ValueError, match="base"):
        support_change([2], [1])
    with pytest.raises(ValueError, match="new"):
        support_change([1], [math.nan])


def test_disparity_golden() -> None:
    assert group_disparity(0.4, 0.034) == pytest.approx(0.915)
    assert group_disparity(0.5, 0.5) == 0
    assert math.isnan(group_disparity(0, 0.1))
    assert group_disparity(0.4, 0.6) == pytest.approx(-0.5)
    with pytest.raises(ValueError, match="hard"):
        group_disparity(0.1, -0.1)


@pytest.mark.parametrize(
    ("curve", "peak", "gap", "collapsed"),
    [
        ([0.25, 0.6, 0.81, 0.5, 0.02], 2, 0.79, True),
        ([0.2, 0.3, 0.35, 0.34, 0.33], 2, 0.02, False),
        ([0.1, 0.2, 0.3], 2, 0.0, False),
        ([0.9, 0.9, 0.7], 0, 0.2, False),
        ([0.5], 0, 0.0, False),
    ],
)
def test_rise_and_collapse_golden(curve: list[float], peak: int, gap: float, collapsed: bool) -> None:
    assert rise_and_collapse(curve) == {"peak": peak, "gap": pytest.approx(gap), "collapsed": collapsed}


def test_rise_and_collapse_edges() -> None:
    assert rise_and_collapse([0.5, 0.4], gap=0.05)["collapsed"] is True
    for curve in ([], [0.1, math.nan]):
        with pytest.raises(ValueError, match="curve"):
            rise_and_collapse(curve)
