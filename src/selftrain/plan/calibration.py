"""The calibration of a model that is loaded anew for every call, such as an embedder or a reward model."""

import time
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


class Calibration(NamedTuple, Generic[Found]):
    """What a few items took, and what was found of them."""

    loading: float
    """Seconds."""
    rate: float
    """Seconds an item."""
    items: int
    found: Found

    def seconds(self, items: int) -> float:
        """Seconds of a call with so many items."""
        return self.loading + self.rate * items


def calibrate(call: Callable[[Sequence[Item]], Found], items: Sequence[Item], most: int) -> Calibration[Found]:
    """Times two calls: one with the first item, one with at most so many others, if there are any."""
    start = time.monotonic()
    call(items[:1])
    loaded = time.monotonic()
    few = items[1 : 1 + most] or items
    found = call(few)
    loading = loaded - start
    rate = max(0.0, time.monotonic() - loaded - loading) / len(few)
    return Calibration(loading, rate, len(few), found)
