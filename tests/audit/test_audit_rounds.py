"""pass@1 over the models of a run, on the problems that all of them have."""

import pytest
from make_cells import counted

from selftrain.audit.rounds import over_rounds


def test_a_rise_and_a_collapse() -> None:
    found = over_rounds([counted([1] * 10, 4), counted([3] * 10, 4), counted([1] * 10, 4)])
    assert found is not None
    assert found.pass_1 == pytest.approx([0.25, 0.75, 0.25])
    assert (found.peak, found.gap, found.collapsed) == (1, 0.5, True)


def test_only_problems_judged_in_every_round_count() -> None:
    first = counted([4, 0, 0], 4)
    second = counted([4, 0, 4], [4, 0, 4], unjudged=[0, 4, 0])
    found = over_rounds([first, second, first.take(["p2", "p0", "p1"])])
    assert found is not None
    assert found.pass_1 == pytest.approx([0.5, 1.0, 0.5])


def test_two_models_are_no_curve() -> None:
    assert over_rounds([counted([1], 2)] * 2) is None
    assert over_rounds([]) is None


def test_rounds_on_other_problems_are_no_curve() -> None:
    cell = counted([1, 1], 2)
    assert over_rounds([cell.take(["p0"]), cell.take(["p1"]), cell]) is None
