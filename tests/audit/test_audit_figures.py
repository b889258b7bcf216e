"""Figures: each state is reached, on the right side, with the right test."""

import numpy as np
import pytest
from make_cells import counted, drawn

from selftrain.audit import AuditSettings, mcnemar_exact
from selftrain.audit.figures import (
    Difference,
    common_k,
    guarded,
    pass_difference,
    retention_difference,
    share_difference,
    two_sided,
    with_k,
)
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


def test_pass_at_one_is_the_mean_share_of_right_responses() -> None:
    found = pass_difference("pass@1", counted([1, 2, 0], 4), counted([2, 4, 1], [4, 4, 2]), 1, SETTINGS)
    assert found.before == pytest.approx(0.25)
    assert found.after == pytest.approx(2 / 3)
    assert found.estimate.value == pytest.approx(2 / 3 - 0.25)
    assert found.exact_p is None


def test_one_response_a_problem_is_tested_by_mcnemar() -> None:
    before, after = counted([0] * 9 + [1] * 11, 1), counted([1] * 9 + [0] + [1] * 10, 1)
    figure = two_sided(pass_difference("pass@1", before, after, 1, SETTINGS), SETTINGS, "primary")
    assert figure.p == mcnemar_exact(1, 9)
    assert figure.state == "up"
    assert two_sided(pass_difference("pass@1", after, before, 1, SETTINGS), SETTINGS, "primary").state == "down"


def test_five_of_five_gains_are_not_significant_by_mcnemar() -> None:
    before, after = counted([0] * 100, 1), counted([1] * 5 + [0] * 95, 1)
    assert two_sided(pass_difference("pass@1", before, after, 1, SETTINGS), SETTINGS, "primary").state == "unknown"


@pytest.mark.parametrize("name", ["unparsed", "truncated"])
def test_more_unparsed_or_truncated_responses_are_a_loss(name: str) -> None:
    clean, dirty = counted([1] * 80, 4), counted([1] * 80, 4, **{name: [2] * 40 + [1] * 40})
    worse = guarded([share_difference(name, clean, dirty, SETTINGS)], SETTINGS)[0]
    assert (worse.before, worse.after, worse.better) == (0, 0.375, "lower")
    assert worse.difference == pytest.approx(-0.375)
    assert worse.state == "down"
    assert guarded([share_difference(name, dirty, clean, SETTINGS)], SETTINGS)[0].state == "up"


def test_shares_have_their_own_denominators() -> None:
    before = counted([1, 1], 2)
    after = counted([1, 1], 2, unjudged=2, unparsed=1, truncated=1)
    assert share_difference("unparsed", before, after, SETTINGS).after == 0.5
    assert share_difference("truncated", before, after, SETTINGS).after == 0.25


def test_retention_is_measured_against_the_null() -> None:
    before = counted([1, 2, 4, 3, 0, 0], 4)
    after = counted([1, 0, 4, 0, 3, 0], 4)
    null = counted([0, 2, 4, 3, 1, 0], 4)
    found = retention_difference(before, after, null, 4, SETTINGS)
    assert (found.before, found.after) == (0.75, 0.5)
    assert found.estimate.value == pytest.approx(-0.25)
    assert found.estimate.problems == 4


def test_retention_of_an_unchanged_model_is_held_and_of_a_narrowed_one_down() -> None:
    rng = np.random.default_rng(0)
    chance = rng.beta(0.5, 2, 400)
    before, null, same = (drawn(chance, 8, rng) for _ in range(3))
    narrowed = drawn(np.where(chance > 0.3, 0.9, 0.0), 8, rng)
    state = [
        guarded([retention_difference(before, after, null, 8, SETTINGS)], SETTINGS)[0].state
        for after in (same, narrowed)
    ]
    assert state == ["held", "down"]


def test_a_few_unjudged_responses_do_not_lower_k_for_all() -> None:
    full, holes = counted([1] * 100, 8), counted([1] * 100, [3] * 5 + [8] * 95)
    assert common_k(full, holes) == 8
    kept = with_k(8, full, holes)
    assert [len(cell.problems) for cell in kept] == [95, 95]
    assert kept[0].problems == kept[1].problems == holes.problems[5:]
    assert common_k(full, counted([1] * 100, [3] * 6 + [8] * 94)) == 3
    assert common_k(counted([1] * 10, 4), counted([1] * 10, [2] + [8] * 9)) == 2
