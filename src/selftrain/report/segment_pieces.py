"""What the explorer shows of a chain, as plain JSON values."""

import math
from itertools import accumulate
from typing import Any

from selftrain.report.segments import mean_score
from selftrain.report.words import clipped
from selftrain.segments.chains import Chain

MARKS = 20
"""Characters that a piece counts for besides its text: what is said of it."""


def shown_pieces(chain: Chain, longest: int) -> list[Any]:
    """Of each piece its text, label, segment, place, score (None: it has none) and score over the mean of the chain.

    The pieces come to `longest` characters or little more; those left out of the middle are one number, their count.
    """
    mean = mean_score(chain)
    sizes = [min(len(piece), longest // 4) + MARKS for piece in chain.pieces]
    if sum(sizes) <= longest:
        return [_shown(chain, place, mean, longest) for place in range(len(sizes))]
    head = sum(size <= longest // 2 for size in accumulate(sizes))
    tail = sum(size <= longest // 2 for size in accumulate(reversed(sizes)))
    last = len(sizes) - tail
    return [
        *(_shown(chain, place, mean, longest) for place in range(head)),
        last - head,
        *(_shown(chain, place, mean, longest) for place in range(last, len(sizes))),
    ]


def chain_facts(chain: Chain, cut: float) -> list[Any]:
    """Whether it was trained, who wrote it, its mean score, above which score a piece of it is abstractive, and how
    many pieces, segments and abstractive pieces it has.

    `cut` is that score as a multiple of the mean; nan if it is not known.
    """
    mean, pieces = mean_score(chain), len(chain.pieces)
    counts = [pieces, len(set(chain.segments)), chain.labels.count("A")]
    return [int(chain.trained), chain.source, _finite(mean), _finite(mean * cut), *counts]


def characters(chain: Chain, longest: int) -> int:
    """Characters of the chain's pieces, as shown: an estimate."""
    return min(sum(map(len, chain.pieces)) + MARKS * len(chain.pieces), longest)


def _shown(chain: Chain, place: int, mean: float, longest: int) -> list[Any]:
    score = chain.scores[place]
    relative = score / mean if mean > 0 else math.nan
    text = clipped(chain.pieces[place], longest // 4)
    return [text, chain.labels[place], chain.segments[place], place, _finite(score), _finite(relative)]


def _finite(value: float) -> float | None:
    """Four digits, enough to be shown."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
