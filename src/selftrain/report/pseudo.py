"""How right pseudo-labels are, as far as a probe tells: before selection, after it, by confidence and by source."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from selftrain.audit.statistics import Estimate

Label = Mapping[str, Any]
"""A row of pseudo_labels.parquet; its text is not read here."""
TENTHS = 10
MOST_SOURCES = 20
"""Sources that are told apart, those that wrote most."""
_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How many of some pseudo-labels are right, of those in the probe that could be judged."""

    labels: int
    """All of them, in the probe or not."""
    right: int
    judged: int

    @classmethod
    def of(cls, labels: Sequence[Label]) -> "Accuracy":
        """Of these pseudo-labels."""
        marks = Counter(label["judgement"] for label in labels)
        return cls(len(labels), marks["right"], marks["right"] + marks["wrong"])

    @property
    def share(self) -> float:
        """The share of right ones; nan if none was judged."""
        return self.right / self.judged if self.judged else math.nan

    def interval(self) -> tuple[float, float]:
        """95 % interval of the share, by the audit's rule; (nan, nan) if none was judged."""
        marks = np.repeat([1.0, 0.0], [self.right, self.judged - self.right])
        # The error of a share that the audit's resampling of problems comes to with ever more draws.
        error = math.sqrt(self.share * (1 - self.share) / (self.judged - 1)) if self.judged > 1 else math.nan
        return Estimate.of(marks, np.ones_like(marks), error, (0.0, 1.0)).interval(_ALPHA)


@dataclass(frozen=True, slots=True)
class Tenth:
    """Judged pseudo-labels of like confidence: a tenth of them, or several tenths that equal values keep together."""

    first: int
    last: int
    """Which tenths, 1 the most confident."""
    low: float
    high: float
    """The smallest and the largest mean negative log-likelihood among them, nats a token."""
    kept: int
    accuracy: Accuracy


@dataclass(frozen=True, slots=True)
class SourceAccuracy:
    """The pseudo-labels that one configuration wrote."""

    source: str
    written: int
    before: Accuracy
    """Of those that state an answer."""
    after: Accuracy
    """Of those that were kept."""


@dataclass(frozen=True, slots=True)
class PseudoAccuracy:
    """What pseudo-labels came to, in numbers."""

    labels: int
    unstated: int
    """Those that state no answer."""
    unsure: int
    """Those that state an answer, and have no finite confidence."""
    ranked: int
    """Those that state an answer and have a finite confidence: what a selection by confidence chooses from."""
    kept_ranked: int
    """Those of them that were kept."""
    probe: int
    """Those whose gold answer the task knows."""
    unjudged: int
    """Those of the probe that could not be judged."""
    threshold: float
    """The largest mean negative log-likelihood that was kept; nan unless none that was dropped is below it."""
    tied: int
    """Ranked pseudo-labels exactly at the threshold."""
    before: Accuracy
    """Of those that state an answer."""
    after: Accuracy
    """Of those that were kept."""
    dropped: Accuracy
    """Of those that state an answer and were dropped."""
    tenths: tuple[Tenth, ...]
    """The judged ones that are ranked, the most confident first."""
    sources: tuple[SourceAccuracy, ...]
    """By name; at most `MOST_SOURCES`."""

    @property
    def told(self) -> bool:
        """Whether the probe tells anything."""
        return self.before.judged + self.after.judged > 0


def pseudo_accuracy(rows: Sequence[Label]) -> PseudoAccuracy:
    """The numbers of a round's pseudo-labels: rows of pseudo_labels.parquet, see `pseudo_labels.PSEUDO_LABELS`.

    A pseudo-label counts once for its problem, and an unjudged one for no accuracy.
    """
    stated = [row for row in rows if row["answer"] is not None]
    chosen_from = [row for row in rows if ranked(row)]
    kept = [row for row in rows if row["kept"]]
    threshold = _threshold(chosen_from)
    return PseudoAccuracy(
        labels=len(rows),
        unstated=len(rows) - len(stated),
        unsure=len(stated) - len(chosen_from),
        ranked=len(chosen_from),
        kept_ranked=sum(row["kept"] for row in chosen_from),
        probe=sum(row["judgement"] is not None for row in rows),
        unjudged=sum(row["judgement"] == "unjudged" for row in rows),
        threshold=threshold,
        tied=sum(row["nll"] == threshold for row in chosen_from),
        before=Accuracy.of(stated),
        after=Accuracy.of(kept),
        dropped=Accuracy.of([row for row in stated if not row["kept"]]),
        tenths=_tenths([row for row in chosen_from if row["judgement"] in ("right", "wrong")]),
        sources=_sources(rows),
    )


def ranked(row: Label) -> bool:
    """Whether a selection by confidence chooses from it: it states an answer and has a finite confidence."""
    return row["answer"] is not None and confident(row)


def confident(row: Label) -> bool:
    """Whether a pseudo-label has a finite confidence."""
    return row["nll"] is not None and math.isfinite(row["nll"])


def _threshold(ranked: Sequence[Label]) -> float:
    kept = max((row["nll"] for row in ranked if row["kept"]), default=math.nan)
    dropped = min((row["nll"] for row in ranked if not row["kept"]), default=math.inf)
    return kept if kept < dropped else math.nan


def _tenths(judged: Sequence[Label]) -> tuple[Tenth, ...]:
    """Cut at values that occur, so that what is equal, and what the threshold keeps together, is in one part."""
    if not judged:
        return ()
    nll = np.array([row["nll"] for row in judged])
    places = [-(-len(nll) * i // TENTHS) - 1 for i in range(1, TENTHS + 1)]
    ends, many = np.unique(np.sort(nll)[places], return_counts=True)
    lasts = np.cumsum(many).tolist()
    parts: list[list[Label]] = [[] for _ in ends]
    for row, place in zip(judged, np.searchsorted(ends, nll), strict=True):
        parts[place].append(row)
    return tuple(_tenth(part, last - int(n) + 1, last) for part, last, n in zip(parts, lasts, many, strict=True))


def _tenth(part: Sequence[Label], first: int, last: int) -> Tenth:
    nll = [row["nll"] for row in part]
    return Tenth(first, last, min(nll), max(nll), sum(row["kept"] for row in part), Accuracy.of(part))


def _sources(rows: Sequence[Label]) -> tuple[SourceAccuracy, ...]:
    wrote = Counter(row["source"] for row in rows).most_common(MOST_SOURCES)
    return tuple(_source(name, [row for row in rows if row["source"] == name]) for name, _ in sorted(wrote))


def _source(name: str, rows: Sequence[Label]) -> SourceAccuracy:
    kept = [row for row in rows if row["kept"]]
    before = Accuracy.of([row for row in rows if row["answer"] is not None])
    return SourceAccuracy(name, len(rows), before, Accuracy.of(kept))
