"""The audit keeps its word on simulated pairs of models whose truth is known, every guard included."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import pytest
from make_pairs import (
    COVERED,
    EXTREME,
    GAINS,
    LIMIT,
    LOSS,
    POWER,
    REVERSALS,
    SAME,
    SELDOM,
    Outcome,
    World,
    enough_problems,
    outcome,
    outside,
    predicted_power,
)

from selftrain.audit import AuditSettings
from selftrain.audit.roles import GUARDING

pytestmark = pytest.mark.slow
SETTINGS = AuditSettings(draws=200)
DECIDING = {
    *("pass@1", "pass@k", "pass@1 on far", "retention over null", "unparsed", "truncated", "NLL on text"),
    *GUARDING,
}


def drawn(world: World, problems: int, pairs: int, responses: Iterable[int] = (8,)) -> list[Outcome]:
    """Audits of simulated pairs, the numbers of responses and both kinds of null in turn."""
    ns = list(responses)
    return [
        outcome(world, problems, ns[seed % len(ns)], ("fresh", "halves")[seed // len(ns) % 2], seed, SETTINGS)
        for seed in range(pairs)
    ]


def uncovered(found: Iterable[Outcome]) -> dict[str, Counter[str]]:
    """The figures whose intervals hold the truth too seldom, or too often without the exact rule."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in found:
        for name, seen in one.seen.items():
            counts[name].update({"all": 1, "covers": seen.covers, "exact": seen.exact})
    limits = {n: (COVERED[0], 1.0 if c["exact"] > SELDOM * c["all"] else COVERED[1]) for n, c in counts.items()}
    return {name: c for name, c in counts.items() if outside(c["covers"], c["all"], limits[name])}


@pytest.mark.parametrize("problems", [30, 100, pytest.param(400, marks=pytest.mark.extra)])
def test_two_samples_of_one_model(problems: int) -> None:
    found = drawn(SAME, problems, 500, (1, 4, 8, 16))
    assert set(found[3].states) >= DECIDING
    verdicts = Counter(one.verdict for one in found)
    assert all(verdicts[wrong] <= LIMIT * len(found) for wrong in ("progress", "reversal", "regress")), verdicts
    assert uncovered(found) == {}


@pytest.mark.parametrize("world", EXTREME, ids=lambda world: world.name)
def test_cells_all_right_or_wrong_have_intervals_with_width_that_hold_the_truth(world: World) -> None:
    found = drawn(world, 30, 40, (4, 8)) + drawn(world, 100, 40, (1, 8))
    verdicts = Counter(one.verdict for one in found)
    assert all(verdicts[wrong] <= LIMIT * len(found) for wrong in ("progress", "reversal", "regress")), verdicts
    deciding = [(name, seen) for one in found for name, seen in one.seen.items() if name in DECIDING]
    assert all(seen.low < seen.high for one in found for seen in one.seen.values())
    # Every problem is alike: nothing but diversity and the text varies.
    if "nearly" not in world.name:
        assert all(seen.covers for name, seen in deciding if name not in (*GUARDING, "NLL on text"))
    assert DECIDING.isdisjoint(uncovered(found))


@pytest.mark.parametrize(
    ("gain", "problems", "n"),
    [
        pytest.param(0.02, 400, 8, marks=pytest.mark.extra),
        (0.05, 100, 4),
        (0.1, 100, 1),
        (0.1, None, 1),
        (0.1, None, 8),
    ],
)
def test_power_is_as_predicted(gain: float, problems: int | None, n: int) -> None:
    world = GAINS[gain]
    problems = problems or enough_problems(world, n)
    found = drawn(world, problems, 200, (n,))
    predicted = predicted_power(world, problems, n)
    rose = sum(one.states["pass@1"] == "up" for one in found)
    assert not outside(rose, len(found), (predicted - POWER, predicted + POWER)), (rose, predicted)
    assert uncovered(found) == {}


def test_enough_problems_are_enough_for_the_power_they_are_named_for() -> None:
    for gain in (0.05, 0.1):
        assert predicted_power(GAINS[gain], enough_problems(GAINS[gain], 8), 8) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("world", [*REVERSALS, LOSS], ids=lambda world: world.name)
def test_a_gain_that_costs_something_is_never_progress(world: World) -> None:
    found = drawn(world, 400, 50)
    verdicts = Counter(one.verdict for one in found)
    assert verdicts["progress"] <= LIMIT * len(found)
    assert verdicts["regress" if world is LOSS else "reversal"] >= 0.6 * len(found)
