"""The step of rewards: how what a reward model gives responses is cut and kept."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from selftrain.blocks import Blocks
from selftrain.digest import digest
from selftrain.records import Question
from selftrain.reward_model import RewardScorer
from selftrain.store import Row

RATED_AT_ONCE = 16
"""Responses that a reward model rates together."""

Said = tuple[Question, str]
"""A question and a response to it."""


def rewarded(blocks: Blocks, pairs: Sequence[Said], load: Callable[[], RewardScorer]) -> tuple[list[float], int]:
    """The reward of each response, nan where it is no finite number, and how many tokens are read for them.

    `load` is called if one is missing.
    """
    keys = [digest([question.messages, response]) for question, response in pairs]
    scorer = cache(load)

    def make(block: Sequence[Said]) -> Iterator[Row]:
        encoded = [scorer().encode(*pair) for pair in block]
        for reward, item in zip(scorer().scores(encoded), encoded, strict=True):
            yield {"reward": reward if math.isfinite(reward) else None, "tokens": len(item["input_ids"])}

    items = dict(zip(keys, pairs, strict=True))
    rows = blocks.rows(items, make, order=_longest_first, size=RATED_AT_ONCE, tokens=lambda row: int(row["tokens"]))
    rewards = [math.nan if rows[key]["reward"] is None else rows[key]["reward"] for key in keys]
    return rewards, sum(row["tokens"] for row in rows.values())


def _longest_first(item: tuple[str, Said]) -> tuple[Any, ...]:
    """Where a keyed response stands among those rated together."""
    key, (question, response) = item
    return -sum(len(message.content) for message in question.messages) - len(response), key
