"""What a cache knows of prompts, against a plain second computation."""

from hypothesis import given
from hypothesis import strategies as st

from selftrain.engines.prefixes import Prefixes

BLOCK = 4
PROMPTS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=14).map(tuple), max_size=6)


def read(prompts):
    prefixes = Prefixes(BLOCK)
    for prompt in prompts:
        prefixes.add(prompt)
    return prefixes


@given(PROMPTS, st.lists(st.integers(0, 1), min_size=1, max_size=14).map(tuple))
def test_whole_blocks_that_another_prompt_began_with_are_shared(prompts, new):
    common = [sum(1 for _ in takewhile_equal(prompt, new)) for prompt in prompts]
    assert read(prompts).shared(new) == max((length // BLOCK * BLOCK for length in common), default=0)


@given(PROMPTS, st.lists(st.integers(0, 1), min_size=1, max_size=14).map(tuple))
def test_a_prompt_continues_those_it_is_longer_than_and_begins_with(prompts, new):
    assert read(prompts).continues(new) == any(new[: len(p)] == p and len(new) > len(p) for p in prompts)


def takewhile_equal(one, other):
    for a, b in zip(one, other, strict=False):
        if a != b:
            return
        yield a
