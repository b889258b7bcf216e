"""Votes made from lists of answers, for the audit's tests."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from selftrain.audit.detail import Counts, Votes


def voted(problems: Sequence[Sequence[str | None]], gold: str = "A") -> tuple[Votes, Counts]:
    """The votes and silent responses of problems given as lists of answers; `gold` is right, None is silent."""
    found = [Counter(answer for answer in answers if answer is not None) for answers in problems]
    votes = Votes(
        np.array([count for counter in found for count in counter.values()], dtype=np.int64),
        np.array([answer == gold for counter in found for answer in counter], dtype=np.bool_),
        np.cumsum([len(counter) for counter in found], dtype=np.int64),
    )
    silent = np.array([list(answers).count(None) for answers in problems], dtype=np.int64)
    return votes, silent
