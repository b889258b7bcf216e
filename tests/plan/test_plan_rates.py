"""Seconds of stages, by hand."""

import pytest

from selftrain.plan.rates import SamplingRate, TrainingRate, checkpoints, optimizer_steps, tokens_read
from selftrain.training import TrainingConfig
from selftrain.training_set import Labelled, Pair

A, B, C = (1, 2, 3, 4), (1, 2, 3, 5, 6), (9, 9)


def test_a_block_reads_what_its_prompts_share_once_and_the_rest_padded():
    assert tokens_read([A, A, B], 8) == 3 + 2 * 2
    assert tokens_read([A, A, A], 8) == 4
    assert tokens_read([A, B, C], 8) == 3 * 5
    assert tokens_read([A, B, C], 2) == 3 + 2 * 2 + 2
    assert tokens_read([C, A, A, B], None) == 4 + 2 + 2
    assert tokens_read([], 4) == tokens_read([], None) == 0


def test_what_the_prompts_alone_take_is_told_from_what_drawing_takes():
    rate = SamplingRate.of(0.02, [(5.0, 100, 30), (6.0, 200, 20)])
    assert rate.read == pytest.approx(0.02)
    assert rate.drawn == pytest.approx((3.0 + 2.0) / 50)
    assert rate.seconds(1000, 40) == pytest.approx(20 + 4)


def test_a_reading_slower_than_the_whole_makes_drawing_free_and_not_negative():
    assert SamplingRate.of(0.09, [(5.0, 100, 30)]).drawn == 0


def test_training_is_its_last_step_and_a_fixed_part():
    rate = TrainingRate.of(20.0, [9.0, 13.0], tokens=800)
    assert rate == TrainingRate(token=0.005, fixed=12.0)
    config = TrainingConfig(epochs=3, batch_size=16, save_steps=100)
    assert rate.seconds(320, 16_000, config) == pytest.approx(3 * 16_000 * 0.005 + 12)


@pytest.mark.parametrize(("kind", "share"), [(Pair, 1 / 3), (Labelled, 1 / 2)])
def test_a_reference_reads_what_is_trained_once(kind, share):
    rate = TrainingRate.of(20.0, [9.0, 13.0], 800, kind)
    assert rate.reference == pytest.approx(share * rate.token)
    assert rate.fixed == pytest.approx(20 - 2 * 4 * (1 + share))
    config = TrainingConfig(epochs=3, batch_size=16)
    assert rate.seconds(320, 16_000, config) == pytest.approx((3 + share) * 16_000 * 0.005 + rate.fixed)


def test_further_checkpoints_cost_three_quarters_of_the_fixed_part():
    rate = TrainingRate(token=0.0, fixed=4.0)
    assert rate.seconds(320, 16_000, TrainingConfig(epochs=3, batch_size=16, save_steps=20)) == pytest.approx(4 + 2 * 3)


def test_a_limit_of_steps_counts():
    config = TrainingConfig(epochs=2, batch_size=16, save_steps=4, trl={"max_steps": 10})
    assert optimizer_steps(320, config) == 10
    assert checkpoints(320, config) == 3
    assert TrainingRate(token=1.0, fixed=0.0).seconds(320, 3200, config) == pytest.approx(2 * 3200 * 10 / 40)
    assert optimizer_steps(17, TrainingConfig(epochs=3, batch_size=16)) == 6
