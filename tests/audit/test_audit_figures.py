"""Figures: each state is reached, on the right side, with the right test."""

import numpy as np
import pytest

from selftrain.audit import AuditSettings
from selftrain.audit.figures import Difference, differences, guarded, two_sided
from selftrain.audit.measures import Measured
from selftrain.audit.statistics import estimate

SETTINGS = AuditSettings(draws=500)


def difference(centre: float, spread: float, problems: int = 100, name: str = "x") -> Difference:
    values = centre + spread * np.linspace(-1, 1, problems)
    found = estimate(values, bounds=(-1, 1), draws=500, seed=0)
    return Difference(name=name, before=0.5, after=0.5 + centre, estimate=found)


@pytest.mark.parametrize(
    ("centre", "spread", "state"),
    [(0.1, 0.3, "up"), (-0.2, 0.3, "down"), (0.0, 0.2, "held"), (-0.03, 0.4, "unknown"), (0.0, 0.9, "unknown")],
)
def test_every_state_of_a_guard(centre: float, spread: float, state: str) -> None:
    figure = guarded([difference(centre, spread)], SETTINGS)[0]
    assert figure.state == state
    assert figure.role == "guard"
    assert figure.margin == 0.05
    assert figure.holds == (state in ("up", "held"))


@pytest.mark.parametrize(
    ("centre", "state"), [(0.1, "up"), (-0.1, "down"), (0.01, "unknown"), (-0.04, "unknown"), (-0.08, "down")]
)
def test_every_state_of_a_tested_figure(centre: float, state: str) -> None:
    figure = two_sided(difference(centre, 0.4), SETTINGS, "primary")
    assert figure.state == state
    assert (figure.low > 0, figure.high < 0) == (state == "up", state == "down")


def test_margins_belong_to_figures() -> None:
    wide = AuditSettings(draws=500, margins={"x": 0.3})
    assert guarded([difference(-0.2, 0.3, name="x")], wide)[0].state == "held"
    assert guarded([difference(-0.2, 0.3, name="y")], wide)[0].state == "down"


def test_holm_makes_a_borderline_loss_unsure_among_many_guards() -> None:
    loss = difference(-0.13, 0.6)
    alone = guarded([loss], SETTINGS)[0]
    among = guarded([loss, *[difference(0.0, 0.2)] * 5], SETTINGS)[0]
    assert alone.state == "down"
    assert among.state == "unknown"
    assert among.p == pytest.approx(6 * alone.p)


def test_a_guard_falls_on_the_side_of_a_two_sided_interval() -> None:
    figure = guarded([difference(-0.113, 0.6)], SETTINGS)[0]
    assert 0.025 < figure.p < 0.05
    assert figure.high > -0.05
    assert figure.state == "unknown"


def test_the_family_of_guards_is_configurable() -> None:
    losses = [difference(-0.13, 0.6), *[difference(-0.12, 0.6)] * 5]
    states = {
        family: guarded(losses, AuditSettings(draws=500, family=family))[0].state
        for family in ("holm", "benjamini_hochberg", "none")
    }
    assert states == {"holm": "unknown", "benjamini_hochberg": "down", "none": "down"}


def measured(before: list[float], after: list[float], **rest: object) -> Measured:
    return Measured(name="x", before=np.array(before), after=np.array(after), **rest)  # type: ignore[arg-type]


def test_problems_that_are_not_known_for_both_are_left_out() -> None:
    found = differences([measured([0.1, np.nan, 0.3, 0.5], [0.2, 0.9, np.nan, 0.9])], SETTINGS)[0]
    assert (found.before, found.after) == (pytest.approx(0.3), pytest.approx(0.55))
    assert found.estimate.problems == 2
    assert found.estimate.value == pytest.approx(0.25)


def test_what_is_known_for_no_problem_is_left_out() -> None:
    unknown = [np.nan, np.nan]
    weightless = measured([0.5, 0.5], [0.5, 0.5], weights=np.zeros(2))
    assert differences([measured(unknown, [0.1, 0.2]), weightless], SETTINGS) == []


def test_figures_are_estimated_together_as_they_are_alone() -> None:
    rng = np.random.default_rng(0)
    sides = [measured(list(rng.random(40)), list(rng.random(40))) for _ in range(3)]
    sides.append(measured(list(rng.random(40)), list(rng.random(40)), weights=rng.random(40)))
    sides.append(measured([*rng.random(39), np.nan], list(rng.random(40))))
    together = differences(sides, SETTINGS)
    alone = [differences([one], SETTINGS)[0] for one in sides]
    assert [one.estimate.error for one in together] == pytest.approx([one.estimate.error for one in alone])
    assert [(one.before, one.after) for one in together] == [(one.before, one.after) for one in alone]


def test_a_ratio_is_weighted() -> None:
    found = differences([measured([0.0, 1.0], [1.0, 1.0], weights=np.array([1.0, 3.0]))], SETTINGS)[0]
    assert (found.before, found.after, found.estimate.value) == (0.75, 1.0, 0.25)


def test_better_says_which_way_is_a_gain() -> None:
    lower, neither = (measured([2.0, 3.0], [1.0, 1.0], better=better, span=None) for better in ("lower", "neither"))
    assert [one.estimate.value for one in differences([lower, neither], SETTINGS)] == [1.5, -1.5]


def test_an_interval_of_unbounded_values_may_leave_one() -> None:
    rng = np.random.default_rng(1)
    words = measured(list(rng.normal(60, 5, 50)), list(rng.normal(20, 5, 50)), span=None)
    low, high = differences([words], SETTINGS)[0].estimate.interval(0.05)
    assert -45 < low < -40 < high < -35


def test_one_problem_holds_no_guard() -> None:
    found = differences([measured([0.6], [0.58], span=2.0)], SETTINGS)
    assert guarded(found, SETTINGS)[0].state == "unknown"
    low, high = found[0].estimate.interval(0.05)
    assert low < -1 < 1 < high
