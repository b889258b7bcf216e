"""Chains in segments: cut into pieces, scored, labelled and merged; pure functions, and no torch."""

from selftrain.segments.cutting import split_pieces
from selftrain.segments.labels import label_pieces, merge_pieces, position_labels, segment_rows
from selftrain.segments.similarity import similarity_scores

__all__ = [
    "label_pieces",
    "merge_pieces",
    "position_labels",
    "segment_rows",
    "similarity_scores",
    "split_pieces",
]
