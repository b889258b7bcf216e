"""Calibration responses dealt out for other problems."""

from collections import Counter
from dataclasses import replace

from make_round import make_group

from selftrain.plan.pool import Pool, batches, with_one_right
from selftrain.prompts import PromptConfig
from selftrain.records import Problem
from selftrain.sampling import SamplingConfig


def of_family(group, family):
    return replace(group, problem=replace(group.problem, family=family))


def pool(*groups, temperature=0.7):
    return Pool(PromptConfig(), SamplingConfig(temperature=temperature), 2, groups, 1.0)


def problems(count, family):
    return [Problem.make(f"{family} {number}", family=family) for number in range(count)]


def test_a_problem_gets_the_groups_of_its_family_in_turn():
    sums = [of_family(make_group(f"sum {n}", "RW"), "sum") for n in range(2)]
    other = of_family(make_group("gcd", "WW"), "gcd")
    dealt = list(pool(other, *sums).deal([*problems(3, "sum"), *problems(1, "gcd"), *problems(1, "new")]))
    assert dealt == [sums[0], sums[1], sums[0], other, other]


def test_a_pool_counts_its_responses():
    found = pool(make_group("a", "RW", finish="sl"), make_group("b", "WR", finish="ss"))
    assert (found.responses, found.finished, found.right, found.tokens) == (4, 3, 2, 8)
    assert not found.never_right


def test_one_is_taken_for_right_where_none_was():
    found = pool(*with_one_right([make_group("a", "WW"), make_group("b", "WW")]))
    assert found.never_right
    assert found.right == 0
    assert [len(group.right) for group in found.groups] == [1, 0]
    told = [make_group("a", "WR")]
    assert with_one_right(told) == tuple(told)


def test_greedy_responses_and_fewer_of_them_are_served():
    found, prompt = pool(make_group("a", "RW")), PromptConfig()
    assert found.serves(prompt, SamplingConfig(temperature=0.7), 2)
    assert found.serves(prompt, SamplingConfig(temperature=0), 1)
    assert not found.serves(prompt, SamplingConfig(temperature=0.7), 3)
    assert not found.serves(prompt, SamplingConfig(temperature=0.9), 2)
    assert not found.serves(prompt, SamplingConfig(temperature=0.7, max_tokens=9), 2)
    assert not found.serves(PromptConfig(system="x"), SamplingConfig(temperature=0.7), 2)
    assert not pool(temperature=0).serves(prompt, SamplingConfig(temperature=0.7), 2)


def test_families_take_turns():
    asked = [*problems(5, "sum"), *problems(5, "gcd")]
    mixed = batches(asked, 4, 2, by_family=False)
    assert [Counter(p.family for p in batch) for batch in mixed] == [{"sum": 2, "gcd": 2}] * 2
    apart = batches(asked, 4, 3, by_family=True)
    assert [Counter(p.family for p in batch) for batch in apart] == [{"sum": 4}, {"gcd": 4}, {"sum": 1}] or [
        Counter(p.family for p in batch) for batch in apart
    ] == [{"gcd": 4}, {"sum": 4}, {"gcd": 1}]
    assert batches(asked, 4, 3, by_family=True) == batches(asked[::-1], 4, 3, by_family=True)
    assert [len(batch) for batch in batches(asked, 8, 9, by_family=False)] == [8, 2]
