"""Numbers about responses and groups: pure functions on arrays, numpy only."""

from selftrain.signals.answers import answer_entropy, east_weights, majority_answer, normalized_answer_entropy
from selftrain.signals.losses import clipped_ratio, ds_weight, mean_nll
from selftrain.signals.selection import keep_confident, keep_lowest, nearest_neighbours

__all__ = [
    "answer_entropy",
    "clipped_ratio",
    "ds_weight",
    "east_weights",
    "keep_confident",
    "keep_lowest",
    "majority_answer",
    "mean_nll",
    "nearest_neighbours",
    "normalized_answer_entropy",
]
