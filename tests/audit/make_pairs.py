"""Pairs of simulated models whose true figures are known, audited: what the audit says, beside the truth."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Literal, NamedTuple
from unittest import mock
from zlib import crc32

import numpy as np

from selftrain.audit import Audit, AuditSettings, Cell, Detail, TextLoss, Votes, compare, comparison, wilson_interval
from selftrain.audit.cells import judged
from selftrain.audit.detail import TEXTS, Floats
from selftrain.audit.figures import Difference
from selftrain.audit.measures import Measured, solved, with_k
from selftrain.audit.roles import GUARDING
from selftrain.audit.statistics import Estimate, problems_needed

UNJUDGED, PIECES, POPULATION = 0.01, 80, 400_000
"""Share of responses that no judge marks; pieces of a text; problems that stand for all there are."""
LIMIT, COVERED, POWER = 0.07, (0.93, 0.97), 0.04
"""Of a wrong verdict; of the coverage of a 95 % interval; of the distance between predicted and observed power."""
SELDOM = 0.05
"""Share of intervals by the exact rule up to which coverage may not exceed its upper limit either."""
Null = Literal["fresh", "halves"]


class Model(NamedTuple):
    """What a model does on each problem; arrays of shape [problems]."""

    right: Floats
    """Chance of a right response."""
    unparsed: Floats
    """Share of the wrong responses that have no answer."""
    truncated: Floats
    """Share of the responses that are cut at the cap."""
    diversity: Floats
    """Expected diversity of two right texts, less .01 for every text more."""
    nll: float = 2.0
    """Mean over pieces of a text, nats a token."""


Draw = Callable[[np.random.Generator, int], Model]
Change = Callable[[Model], Model]


@dataclass(frozen=True)
class World:
    """Problems as they come, and what training made of the model."""

    name: str
    draw: Draw
    change: Change | None = None
    """None: the two models are one."""

    def after(self, model: Model) -> Model:
        """What training made of it."""
        return self.change(model) if self.change else model


def mixed(rng: np.random.Generator, count: int) -> Model:
    """A third of the problems beyond reach, a sixth that cannot be missed, the others beta(.5, 1.5)."""
    place, chance = rng.random(count), rng.beta(0.5, 1.5, count)
    return _with_right(np.where(place < 1 / 3, 0.0, np.where(place < 1 / 2, 1.0, chance)), rng)


def almost(value: float) -> Draw:
    """All problems at one chance (0 or 1) but for one in 25, whose chance is anything."""

    def draw(rng: np.random.Generator, count: int) -> Model:
        return _with_right(np.where(rng.random(count) < 0.04, rng.random(count), value), rng)

    return draw


def always(value: float) -> Draw:
    """All problems at one chance, and no response is unparsed or truncated."""

    def draw(rng: np.random.Generator, count: int) -> Model:
        return Model(np.full(count, value), np.zeros(count), np.zeros(count), np.full(count, 0.6))

    return draw


def gain(share: float) -> Change:
    """The mean chance over `mixed` problems rises by `share`: of all wrong responses equally many are right now."""
    mean = 1 / 6 + 1 / 2 * 0.25

    def change(model: Model) -> Model:
        return model._replace(right=model.right + share / (1 - mean) * (1 - model.right))

    return change


def narrowed(model: Model) -> Model:
    """Sure where a right response was not rare, hopeless where it was."""
    return model._replace(right=np.where(model.right > 0.25, 0.99, 0.0))


def uniform(model: Model) -> Model:
    """A gain of .1 in texts that are all alike."""
    return gain(0.1)(model)._replace(diversity=model.diversity - 0.15)


def forgetful(model: Model) -> Model:
    """A gain of .1 that costs .2 nats a token of a text."""
    return gain(0.1)(model)._replace(nll=model.nll + 0.2)


def cut(model: Model) -> Model:
    """A loss on every side that few problems show: one response in 50 more is cut, and one in 100 more is wrong."""
    return model._replace(truncated=model.truncated + 0.02, right=0.99 * model.right)


SAME = World("two samples of one model", mixed)
EXTREME = [
    World(name, draw)
    for name, draw in {
        "all right": always(1),
        "all wrong": always(0),
        "nearly all right": almost(1),
        "nearly all wrong": almost(0),
    }.items()
]
GAINS = {share: World(f"gain of {share:g}", mixed, gain(share)) for share in (0.02, 0.05, 0.1)}
REVERSALS = [
    World("gain, support lost", mixed, narrowed),
    World("gain, diversity lost", mixed, uniform),
    World("gain, a text forgotten", mixed, forgetful),
]
LOSS = World("small loss from nearly all right", almost(1), cut)


class Seen(NamedTuple):
    """The interval of one figure beside the truth."""

    low: float
    high: float
    truth: float
    exact: bool
    """Whether the exact binomial rule acts."""

    @property
    def covers(self) -> bool:
        """Whether the truth is within, but for rounding."""
        return self.low - 1e-9 <= self.truth <= self.high + 1e-9


@dataclass(frozen=True)
class Outcome:
    """What the audit of one simulated pair says; figures go by `kind`."""

    verdict: str
    states: Mapping[str, str]
    seen: Mapping[str, Seen]


def outcome(world: World, problems: int, n: int, null: Null, seed: int, settings: AuditSettings) -> Outcome:
    """Draws two models with n responses a problem, and what else an audit can be given, and audits them."""
    rng = np.random.default_rng([seed, problems, n, null == "fresh", crc32(world.name.encode())])
    before, far = world.draw(rng, problems), world.draw(rng, problems)
    after, far_after = world.after(before), world.after(far)
    exact: dict[str, bool] = {}

    def kept(measured: Sequence[Measured], settings: AuditSettings) -> list[Difference]:
        found = _differences(measured, settings)
        exact.update({kind(one.name): one.estimate.sparse is not None for one in found})
        return found

    cells = _cell(before, n, rng), _cell(after, n, rng)
    with mock.patch.object(comparison, "differences", kept):
        audit = compare(
            *cells,
            null=_cell(before, n, rng) if null == "fresh" else None,
            suites={"far": (_cell(far, n, rng), _cell(far_after, n, rng))},
            texts={"text": _text(before.nll, after.nll, rng)},
            settings=settings,
        )
    truth = true_differences(world, audit.counts["largest common k"], audit.null.k if audit.null else 1)
    seen = {
        kind(f.name): Seen(f.low, f.high, truth.get(kind(f.name), 0.0), exact.get(kind(f.name), False))
        for f in audit.figures
        if world.change is None or kind(f.name) in truth
    }
    states = {kind(f.name): f.state for f in audit.figures}
    return Outcome(audit.verdict, states, seen | _bands(audit, world, cells))


_differences = comparison.differences


def outside(count: int, total: int, limits: tuple[float, float]) -> bool:
    """Whether a share lies outside its limits by more than simulation error, a 95 % score interval."""
    low, high = wilson_interval(count, total)
    return high < limits[0] or low > limits[1]


def kind(name: str) -> str:
    """The name of a figure whatever k is."""
    return re.sub(r"^(pass@|pass\^|majority@)(?!1\b)\d+", r"\1k", name)


@cache
def true_differences(world: World, k: int, null_k: int) -> dict[str, float]:
    """By how much after is better than before, in closed form for each problem; empty if the models are one."""
    if world.change is None:
        return {}
    b = _population(world)
    a = world.after(b)
    weights = _reach(b, null_k)
    one, diverse = float((a.right - b.right).mean()), float((a.diversity - b.diversity).mean())
    return {
        "pass@1": one,
        "pass@1 on far": one,
        "pass@k": float((_reach(a, k) - _reach(b, k)).mean()),
        "pass^k": float((a.right**k - b.right**k).mean()),
        "retention over null": float(weights @ (_reach(a, null_k) - weights) / weights.sum()),
        "unparsed": float(((1 - b.right) * b.unparsed - (1 - a.right) * a.unparsed).mean()),
        "truncated": float((b.truncated - a.truncated).mean()),
        "distinct-n right": diverse,
        "semantic right": diverse,
        "NLL on text": b.nll - a.nll,
    }


@cache
def true_pass(world: World, side: str, k: int) -> float:
    """pass@k of one model over all problems there are."""
    model = _population(world)
    return float(_reach(world.after(model) if side == "after" else model, k).mean())


def predicted_power(world: World, problems: int, n: int, alpha: float = 0.05) -> float:
    """Power to call pass@1 up, by the normal approximation with the true variance of the paired gains.

    With one response a problem the test is McNemar's on counts, which loses one problem.
    """
    effect, variance = _effect(world, n)
    seen = effect - 1 / problems if n == 1 else effect
    return NormalDist().cdf(seen / math.sqrt(variance / problems) - NormalDist().inv_cdf(1 - alpha / 2))


def enough_problems(world: World, n: int, alpha: float = 0.05) -> int:
    """What `problems_needed` says for 80 % power to see the world's own gain, told the true variance."""
    effect, variance = _effect(world, n)
    known = Estimate(effect, math.sqrt(variance / 1000), 1000, (-1, 1), None)
    return problems_needed(known, effect, alpha, counted=n == 1)


@cache
def _effect(world: World, n: int) -> tuple[float, float]:
    """Mean and variance over problems of the gain in the share of right responses."""
    b = _population(world)
    a = world.after(b)
    drawn = sum(model.right * (1 - model.right) for model in (a, b)) / (n * (1 - UNJUDGED))
    return float((a.right - b.right).mean()), float(drawn.mean() + (a.right - b.right).var())


@cache
def _population(world: World) -> Model:
    return world.draw(np.random.default_rng(0), POPULATION)


def _reach(model: Model, k: int) -> Floats:
    return np.asarray(1 - (1 - model.right) ** k)


def _with_right(right: Floats, rng: np.random.Generator) -> Model:
    count = len(right)
    return Model(right, rng.beta(1, 4, count), rng.beta(0.3, 6, count), rng.uniform(0.5, 0.8, count))


def _bands(audit: Audit, world: World, cells: tuple[Cell, Cell]) -> dict[str, Seen]:
    """pass@k of each model by itself at the smallest and the largest k."""
    curve, k = audit.curves["pass@k"], audit.counts["largest common k"]
    bands = {"before": (curve.before_low, curve.before_high), "after": (curve.after_low, curve.after_high)}
    return {
        f"pass@{word}, {side}": Seen(
            lows[at - 1], highs[at - 1], true_pass(world, side, at), _estimate_of(solved(cell, at)).sparse is not None
        )
        for (side, (lows, highs)), cell in zip(bands.items(), with_k(k, *judged(*cells)), strict=True)
        for at, word in ((1, "1"), (k, "k"))
    }


def _estimate_of(values: Floats) -> Estimate:
    return Estimate.of(values, np.ones(len(values)), 0.0, (0, 1))


def _cell(model: Model, n: int, rng: np.random.Generator) -> Cell:
    """n responses a problem, a few of them unjudged."""
    unjudged = rng.binomial(n, UNJUDGED, len(model.right))
    right = rng.binomial(n - unjudged, model.right)
    wrong = n - unjudged - right
    unparsed = rng.binomial(wrong, model.unparsed)
    return Cell(
        labels={},
        problems=tuple(f"p{i}" for i in range(len(right))),
        right=right,
        wrong=wrong,
        unjudged=unjudged,
        unparsed=unparsed,
        truncated=rng.binomial(n, np.clip(model.truncated, 0, 1)),
        detail=_detail(model, right, wrong, wrong - unparsed, rng),
    )


def _detail(model: Model, right: Floats, wrong: Floats, parsed: Floats, rng: np.random.Generator) -> Detail:
    """Votes for a right and three wrong answers, and what texts would give."""
    count, judged = len(right), right + wrong
    first = rng.binomial(parsed, 0.5)
    second = rng.binomial(parsed - first, 0.5)
    table = np.column_stack([right, first, second, parsed - first - second])
    voted = table > 0
    marks = [
        np.where(judged > 0, rng.random(count) < share, -1).astype(np.int8)
        for share in (right / np.maximum(judged, 1), np.sqrt(right / np.maximum(judged, 1)))
    ]
    texts = np.arange(2, TEXTS + 1)
    expected = np.where(right[:, None] >= texts, model.diversity[:, None] - 0.01 * texts, np.nan)
    length = 40 + 20 * model.diversity
    noise = np.sqrt(np.maximum(judged, 1))
    return Detail(
        questions=("",) * count,
        levels=(None,) * count,
        first=marks[0],
        likeliest=marks[1],
        votes=Votes(
            table[voted], np.broadcast_to([True, False, False, False], table.shape)[voted], voted.sum(1).cumsum()
        ),
        means={
            "words": length + rng.normal(0, 20, count) / noise,
            "tokens": 1.3 * length + rng.exponential(30, count) / noise,
            "nll": rng.gamma(4, 0.1, count),
            "repetition": rng.beta(1, 9, count),
            "right words": np.where(right > 0, length, np.nan),
        },
        diversity={name: expected + rng.uniform(-0.2, 0.2, expected.shape) for name in GUARDING},
    )


def _text(before: float, after: float, rng: np.random.Generator) -> tuple[TextLoss, TextLoss]:
    """A text in pieces that are harder or easier for both models."""
    tokens, hard = rng.integers(20, 200, PIECES), rng.gamma(20, 1 / 20, PIECES)
    losses = [tokens * (hard * 2 + (nll - 2) + rng.normal(0, 0.05, PIECES)) for nll in (before, after)]
    return tuple(TextLoss("text", nll, tokens, "", {}) for nll in losses)  # type: ignore[return-value]
