"""What the chains of a round came to, in numbers: pieces, segments and scores by label."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selftrain.segments.chains import Chain

NAMES = {"E": "extractive", "A": "abstractive"}
"""What the labels of pieces are called."""
MOST_BETA = 1000
"""A larger option is none that a run was made with."""


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """The pieces of one label."""

    pieces: int
    segments: int
    words: int
    characters: int
    scored: int
    """Those that have a score."""
    mean: float
    """Mean score of these; nan if there is none."""


@dataclass(frozen=True, slots=True)
class SegmentCounts:
    """The chains of a round."""

    chains: int
    rationales: int
    """Those that a person wrote."""
    untrained: int
    by_label: Mapping[str, LabelCounts]
    """By `E` and `A`."""

    @property
    def pieces(self) -> int:
        """Of all chains."""
        return sum(one.pieces for one in self.by_label.values())

    @property
    def segments(self) -> int:
        """Of all chains."""
        return sum(one.segments for one in self.by_label.values())

    @property
    def words(self) -> int:
        """Of all chains, parted by white space."""
        return sum(one.words for one in self.by_label.values())

    @property
    def characters(self) -> int:
        """Of all chains."""
        return sum(one.characters for one in self.by_label.values())

    def share(self, label: str) -> float:
        """The share of pieces with a label; nan without pieces."""
        return self.by_label[label].pieces / self.pieces if self.pieces else math.nan


def segment_counts(chains: Sequence[Chain]) -> SegmentCounts:
    """The numbers of a round's chains."""
    return SegmentCounts(
        chains=len(chains),
        rationales=sum(chain.source == "rationale" for chain in chains),
        untrained=sum(not chain.trained for chain in chains),
        by_label={label: _of(label, chains) for label in NAMES},
    )


def _of(label: str, chains: Sequence[Chain]) -> LabelCounts:
    pieces, scores, segments = list[str](), list[float](), 0
    for chain in chains:
        places = [place for place, own in enumerate(chain.labels) if own == label]
        pieces += [chain.pieces[place] for place in places]
        scores += [chain.scores[place] for place in places if math.isfinite(chain.scores[place])]
        segments += len({chain.segments[place] for place in places})
    return LabelCounts(
        pieces=len(pieces),
        segments=segments,
        words=sum(len(piece.split()) for piece in pieces),
        characters=sum(map(len, pieces)),
        scored=len(scores),
        mean=_mean(scores),
    )


def mean_score(chain: Chain) -> float:
    """The mean score of a chain's pieces, of those that have one; nan if none has."""
    return _mean([score for score in chain.scores if math.isfinite(score)])


def relative_scores(chains: Sequence[Chain]) -> dict[str, list[float]]:
    """By label, the scores of pieces over the mean of their own chain, where that is above 0."""
    found: dict[str, list[float]] = {label: [] for label in NAMES}
    for chain in chains:
        mean = mean_score(chain)
        if mean > 0:
            for label, score in zip(chain.labels, chain.scores, strict=True):
                if math.isfinite(score / mean):
                    found[label].append(score / mean)
    return found


def cut_of(options: Mapping[str, Any], relative: Mapping[str, Sequence[float]]) -> float:
    """Above how many times the mean of its chain a piece is abstractive; nan where no piece has a score.

    The recipe's option `beta`; where the run does not name it, the largest score of an extractive piece over the mean
    of its chain; nan if that does not part the labels.
    """
    if not any(relative.values()):
        return math.nan
    beta = options.get("beta")
    if isinstance(beta, int | float) and 0 < beta < MOST_BETA:
        return float(beta)
    low, high = max(relative["E"], default=math.nan), min(relative["A"], default=math.nan)
    return low if low < high else math.nan


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores) if scores else math.nan
