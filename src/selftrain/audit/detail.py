"""What a log tells beyond counts, problem by problem: votes, lengths, likelihoods and diversity."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Marks = NDArray[np.int8]
"""1 right, 0 wrong, -1 unjudged or not known."""
TEXTS = 8
"""Texts of each problem, right and wrong apart, that are looked at: the beginnings of the first ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """The judged responses of each problem by answer; those without an answer do not vote.

    The answers of problem i are entries `ends[i - 1]` (0 for the first) to `ends[i]` of `counts` and `right`.
    """

    counts: Counts
    """Responses that gave the answer, shape [answers]."""
    right: NDArray[np.bool_]
    """Whether the answer is right, shape [answers]; at most one answer of a problem is."""
    ends: Counts
    """Shape [problems]."""

    def take(self, index: NDArray[np.intp]) -> "Votes":
        """The votes of some problems, in the order given."""
        starts = np.concatenate([[0], self.ends[:-1]]).astype(np.int64)[index]
        sizes = self.ends[index] - starts
        ends = np.cumsum(sizes)
        places = np.repeat(starts - (ends - sizes), sizes) + np.arange(int(sizes.sum()))
        return Votes(self.counts[places], self.right[places], ends)


@dataclass(frozen=True, slots=True, eq=False)
class Detail:
    """Of every problem of a cell, in its order."""

    questions: tuple[str, ...]
    """Text of the question, "" where the log has none."""
    levels: tuple[str | None, ...]
    """Difficulty, where the log has it."""
    first: Marks
    """Judgement of the first response."""
    likeliest: Marks
    """Judgement of the judged response with the lowest mean NLL; -1 where the log has none."""
    votes: Votes | None
    """None if the log has no answers."""
    means: Mapping[str, Floats]
    """Means over responses, shape [problems], nan where not known: `words` and `tokens` (length), `nll` (mean NLL a
    token, nats), `repetition` (of the first TEXTS judged responses, in their first 4,096 characters), `right words`
    (length of right responses). Words are counted in whole texts."""
    diversity: Mapping[str, Floats]
    """By measure (`distinct-n`, `equations`, `semantic`) and judgement, such as `distinct-n right`: the diversity of
    the first 2, 3, ... TEXTS such responses, in their first 4,096 characters, shape [problems, TEXTS - 1], nan where
    there are fewer."""
    scores: Mapping[str, Floats] = field(default_factory=dict)
    """Means of graded scores over judged responses, by the score's name, shape [problems], nan where none is judged."""

    def take(self, index: NDArray[np.intp]) -> "Detail":
        """The same of some problems, in the order given."""
        return replace(
            self,
            questions=tuple(self.questions[i] for i in index),
            levels=tuple(self.levels[i] for i in index),
            first=self.first[index],
            likeliest=self.likeliest[index],
            votes=self.votes and self.votes.take(index),
            means={name: values[index] for name, values in self.means.items()},
            diversity={name: values[index] for name, values in self.diversity.items()},
            scores={name: values[index] for name, values in self.scores.items()},
        )
