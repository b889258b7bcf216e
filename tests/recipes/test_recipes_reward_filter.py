"""The reward-model filter and best-of-n: responses ranked by a reward model's number."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_round import make_group, make_round

from selftrain.errors import ConfigError
from selftrain.labels import Labels
from selftrain.recipes import load_recipe, reward_filter

FILTER = load_recipe("reward_filter")


@pytest.fixture(autouse=True, scope="module")
def any_model():
    """Any name is a reward model; the scripted rewards are those of all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reward_filter, "open_reward_model", lambda name: name)
        yield


def rewarded(*rewards_of_each):
    """A group for each list of rewards, all its responses of one answer, and the rewards by text."""
    groups = [make_group(f"q{i}.", "R" * len(rewards)) for i, rewards in enumerate(rewards_of_each)]
    texts = [response.text for group in groups for response in group.responses]
    return groups, dict(zip(texts, [one for rewards in rewards_of_each for one in rewards], strict=True))


def run(groups, rewards, *, labels=None, **options):
    round = make_round(groups, labels=labels or Labels(), said={"rewards": rewards})
    return FILTER(round, FILTER.parse({"model": "any", **options}))


def kept(rows):
    return [row.response for row in rows]


@pytest.mark.parametrize(
    ("keep", "places"),
    [(0.2, [3]), (0.4, [1, 3]), (0.6, [0, 1, 3]), (0.8, [0, 1, 2, 3]), (1, [0, 1, 2, 3, 4])],
)
def test_the_highest_rewards_are_kept_and_of_equals_the_earlier(keep, places):
    rows = run(*rewarded([-1.5, 0.5, -1.5, 7.0, -9.0]), keep=keep)
    assert kept(rows) == [f"q0.-{place}" for place in places]
    assert {row.weight for row in rows} == {1.0}
    assert rows.dropped == ({"lower reward": 5 - len(places)} if len(places) < 5 else {})


REWARDS = st.lists(st.lists(st.integers(-3, 3), min_size=1, max_size=4), min_size=1, max_size=3)


@settings(max_examples=25, deadline=None)
@given(REWARDS, st.sampled_from([0.25, 0.5, 0.8, 1]))
def test_exactly_round_k_n_of_all_problems_together(rewards, keep):
    ranked = sorted((-reward, i, j) for i, each in enumerate(rewards) for j, reward in enumerate(each))
    best = sorted((i, j) for _, i, j in ranked[: round(keep * len(ranked))])
    assert kept(run(*rewarded(*rewards), keep=keep)) == [f"q{i}.-{j}" for i, j in best]


@settings(max_examples=25, deadline=None)
@given(REWARDS, st.integers(1, 4))
def test_best_of_n_keeps_as_many_of_every_problem(rewards, best):
    wanted = [
        f"q{i}.-{j}"
        for i, each in enumerate(rewards)
        for j in sorted(sorted(range(len(each)), key=lambda place: (-each[place], place))[:best])
    ]
    assert kept(run(*rewarded(*rewards), best=best, keep=0.1)) == wanted


def test_best_of_n_ranks_whatever_was_answered():
    """As the published method does: no vote and no gold answer."""
    group = make_group("a", "WRRU", ["4", "3", "3", None])
    rewards = {response.text: reward for response, reward in zip(group.responses, (1, 0, 2, 5), strict=True)}
    assert kept(run([group], rewards, answers="any", best=1)) == ["a-3"]
    assert kept(run([group], rewards, best=1)) == ["a-2"]
    labels = make_round([group]).labels
    assert kept(run([group], rewards, labels=labels, answers="gold", best=2)) == ["a-1", "a-2"]


@pytest.mark.parametrize("options", [{"keep": 1}, {"best": 2}])
def test_a_reward_that_is_no_number_is_left_out_and_counted(options):
    rows = run(*rewarded([1.0, math.nan, 2.0], [math.nan]), **options)
    assert kept(rows) == ["q0.-0", "q0.-2"]
    assert rows.dropped == {"no finite reward": 2}
    rows = run(*rewarded([math.nan]), **options)
    assert (len(rows), rows.dropped) == (0, {"no finite reward": 1})


def test_no_majority_as_nothing_is_parsed():
    rows = run([make_group("a", "WW", [None, None])], {})
    assert (len(rows), rows.dropped) == (0, {"no response states an answer": 1})


def test_gold_answers_that_are_all_missed():
    group = make_group("a", "WW", ["4", "5"])
    rows = run([group], {}, labels=make_round([group]).labels, answers="gold")
    assert (len(rows), rows.dropped) == (0, {"no right response": 1})


def test_a_reward_model_must_be_named():
    with pytest.raises(ConfigError, match=r"recipe\.options\.model"):
        FILTER.parse({})


def test_the_model_is_looked_at_with_the_options(monkeypatch):
    """Before a run samples anything."""

    def refuse(name):
        raise ConfigError(f"{name} is none")

    monkeypatch.setattr(reward_filter, "open_reward_model", refuse)
    with pytest.raises(ConfigError, match="any is none"):
        FILTER.parse({"model": "any"}).digests()


def test_its_paper():
    assert (FILTER.name, FILTER.paper) == ("reward_filter", "arXiv:2408.09849")
