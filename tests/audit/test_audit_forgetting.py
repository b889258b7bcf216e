"""The loss of a text under two models: a second computation, coverage, and what happens at the edges."""

import math

import numpy as np
import pytest

from selftrain.audit import AuditSettings, TextLoss
from selftrain.audit.figures import guarded
from selftrain.audit.forgetting import text_difference
from selftrain.errors import DataError

SETTINGS = AuditSettings(draws=2_000)


def loss(nll, tokens, pieces="same", name="notes"):
    return TextLoss(name, np.asarray(nll, float), np.asarray(tokens, np.int64), pieces, {"model": "m"})


def drawn(rng, count, rise):
    """Two losses: pieces of 20 to 256 tokens, some harder than others, short pieces harder; costs rise by `rise`."""
    tokens = rng.integers(20, 257, count)
    hardness = rng.lognormal(1, 0.4, count) + 20 / tokens
    extra = rise + rng.normal(0, 0.15, count) + rng.exponential(0.1, count) - 0.1
    before, after = hardness * tokens, np.maximum(hardness + extra, 0) * tokens
    return loss(before, tokens), loss(after, tokens)


def figure(before, after, **settings):
    found = text_difference(before, after, SETTINGS.model_copy(update=settings))
    return guarded([found], SETTINGS.model_copy(update=settings))[0]


def test_ratio_of_sums_and_its_error_by_a_second_computation():
    before, after = drawn(np.random.default_rng(0), 80, 0.1)
    found = text_difference(before, after, SETTINGS)
    assert (found.name, found.better, found.role) == ("NLL on notes", "lower", "guard")
    assert found.before == pytest.approx(before.nll.sum() / before.tokens.sum())
    assert found.after == pytest.approx(after.nll.sum() / before.tokens.sum())
    assert found.estimate.value == pytest.approx(found.before - found.after)
    # The linearised (delta method) error of a ratio, with the same unbiased scale.
    residuals = before.nll - after.nll - found.estimate.value * before.tokens
    delta = residuals.std(ddof=1) / math.sqrt(80) / before.tokens.mean()
    assert found.estimate.error == pytest.approx(delta, rel=0.05)


def test_a_short_piece_counts_for_less():
    before = loss([100.0] * 10 + [2.0], [100] * 10 + [1])
    after = loss([100.0] * 10 + [9.0], [100] * 10 + [1])
    assert text_difference(before, after, SETTINGS).estimate.value == pytest.approx(-7 / 1001)


@pytest.mark.parametrize(("rise", "state"), [(0.5, "down"), (0.0, "held"), (-0.5, "up")])
def test_state(rise, state):
    assert figure(*drawn(np.random.default_rng(1), 400, rise)).state == state


def test_a_margin_by_name():
    before, after = drawn(np.random.default_rng(1), 400, 0.3)
    assert figure(before, after).state == "down"
    assert figure(before, after, margins={"NLL on notes": 0.5}).state == "held"


def test_the_interval_covers():
    """Of 200 samples of 40 pieces, nearly 95 % have the population's difference inside their interval."""
    big = drawn(np.random.default_rng(99), 400_000, 0.1)
    truth = (big[0].nll.sum() - big[1].nll.sum()) / big[0].tokens.sum()
    hits = 0
    for seed in range(200):
        found = text_difference(*drawn(np.random.default_rng(seed), 40, 0.1), AuditSettings(draws=400))
        low, high = found.estimate.interval(0.05)
        hits += low <= truth <= high
    assert 182 <= hits <= 199, hits


def test_what_equal_models_may_have_lost():
    """No piece differs: the exact bound on a share of unseen pieces, each losing what the hardest one costs."""
    before = loss([40.0, 20.0] * 50, [10] * 100)
    found = figure(before, before)
    assert found.difference == 0
    assert found.low == pytest.approx(-4 * (1 - 0.025 ** (1 / 100)))
    assert found.state == "unknown"
    more = loss([40.0, 20.0] * 200, [10] * 400)
    assert figure(more, more).state == "held"
    assert 100 < found.problems_needed <= 400
    needed = math.log(0.025) / math.log(1 - SETTINGS.margin / 4)
    assert found.problems_needed == math.ceil(needed)


def test_a_text_that_costs_nothing():
    found = figure(loss([0.0] * 8, [10] * 8), loss([0.0] * 8, [10] * 8))
    assert (found.difference, found.low, found.high, found.state) == (0, 0, 0, "held")


@pytest.mark.parametrize("other", [loss([1.0, 1.0], [2, 2], "other"), loss([1.0, 1.0], [2, 3])])
def test_other_tokens_are_refused(other):
    with pytest.raises(DataError, match="the text notes was measured over other tokens"):
        text_difference(loss([1.0, 1.0], [2, 2]), other, SETTINGS)


@pytest.mark.parametrize(
    ("nll", "tokens"), [([], []), ([1.0], [0]), ([1.0], [2, 2]), ([-1.0], [2]), ([math.nan], [2]), ([math.inf], [2])]
)
def test_what_is_no_loss(nll, tokens):
    with pytest.raises(ValueError, match=r"NLL"):
        loss(nll, tokens)
