"""From logged responses, one at a time and in any order, to a cell with its detail."""

import hashlib
import math
from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import Any

import numpy as np

from selftrain.audit.cells import Cell
from selftrain.audit.detail import TEXTS, Counts, Detail, Floats, Marks, Votes
from selftrain.audit.diversity import Embed, distinct_prefixes, equation_prefixes, semantic_prefixes
from selftrain.audit.row import Row, read_row
from selftrain.audit.texts import repetition
from selftrain.errors import DataError
from selftrain.scores import MOST

_Name = int | str | bytes | None
"""What tells an answer, or a cluster of them, from others."""
_CHARACTERS = 4_096
"""Of a text that is kept: its beginning, which bounds memory and time."""
_LONG = 64
"""Characters of an answer above which its digest is kept in its place."""
_LAST = 1 << 62
"""Responses without an index come after those with one."""
_PARTLY = {
    "response": "figures of texts are left out",
    "answer": "figures of answers are left out",
    "cluster": "answers are compared as texts",
    "finish": "figures of truncated responses are left out",
    "tokens": "lengths in tokens are left out",
    "nll": "figures of likelihood are left out",
    "index": "these count as the last of their problem",
}
"""What is done when some rows have a key and some do not."""


def tally(rows: Iterable[Mapping[str, Any]], labels: Mapping[str, Any], embed: Embed | None = None) -> Cell:
    """The cell of logged responses: see `Tally`."""
    responses = Tally(embed)
    for row in rows:
        responses.add(row)
    return responses.cell(labels)


class Tally:
    """Counts logged responses; holds numbers and, of each problem, its first TEXTS right and wrong texts.

    Of those texts the first 4,096 characters are looked at; lengths in words are of the whole text. An answer that was
    judged both right and wrong in one problem is right if half of its responses are or more.

    Rows are mappings with `problem` (id) and `judgement` (right, wrong, unjudged) and, where the log says,
    `response`, `answer` (None: none was found), `cluster`, `finish` (stop, length), `tokens`, `nll`, `level`,
    `question`, `index` and `scores` (numbers by name): see `Row`. None says as little as no key, except for `answer`.
    What only some rows say, or of scores some judged rows, is left out, and `notes` tells so.
    """

    def __init__(self, embed: Embed | None = None) -> None:
        """`embed` makes embeddings of texts, shape [texts, dimensions]; without it there is no semantic diversity."""
        self._embed = embed
        self._problems: dict[str, _Problem] = {}
        self._read = self._repeated = 0
        self._said = dict.fromkeys(_PARTLY, 0)
        self._judged = 0
        self._scored: dict[str, int] = {}
        """Judged rows by the score that they have."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one response, unless its problem had one of this index; DataError when it cannot be used."""
        self._read += 1
        found = read_row(row, self._read)
        problem = self._problems.get(found.problem)
        if problem is None:
            problem = self._problems[found.problem] = _Problem()
        if found.position in problem.seen:
            self._repeated += 1
            return
        said = self._said
        said["response"] += found.response is not None
        said["answer"] += found.answered
        said["cluster"] += found.cluster is not None
        said["finish"] += found.truncated is not None
        said["tokens"] += found.tokens is not None
        said["nll"] += found.nll is not None
        said["index"] += found.position is not None
        if found.mark >= 0:
            self._count_scores(found)
        problem.add(found, _LAST + self._read if found.position is None else found.position)

    @property
    def notes(self) -> list[str]:
        """What was left out or does not agree, and what came of it, a line each."""
        lines = [f"{self._repeated} repeated rows were left out"] if self._repeated else []
        rows = self._read - self._repeated
        missing = {key: rows - said for key, said in self._said.items() if 0 < said < rows}
        lines += [f"{key} is missing in {count} of {rows} rows: {_PARTLY[key]}" for key, count in missing.items()]
        absent = {name: self._judged - count for name, count in self._scored.items() if count < self._judged}
        told = f"of {self._judged} judged rows: its figure is left out"
        lines += [f"the score {name} is missing in {count} {told}" for name, count in absent.items()]
        by_cluster = self._says("cluster")
        torn = [count for p in self._problems.values() if (count := p.torn(by_cluster))] if self._says("answer") else []
        if torn:
            lines.append(
                f"{sum(torn)} answers of {len(torn)} problems were judged both right and wrong: "
                "each counts as most of its responses do"
            )
        return lines

    def cell(self, labels: Mapping[str, Any]) -> Cell:
        """The cell of the responses so far; problems keep the order in which they first appeared."""
        problems = list(self._problems.values())
        answers = self._says("answer")
        return Cell(
            labels=dict(labels),
            problems=tuple(self._problems),
            right=_counts(p.right for p in problems),
            wrong=_counts(p.wrong for p in problems),
            unjudged=_counts(p.responses - p.right - p.wrong for p in problems),
            unparsed=_counts(p.unparsed for p in problems) if answers else None,
            truncated=_counts(p.truncated for p in problems) if self._says("finish") else None,
            detail=Detail(
                questions=tuple(p.question or "" for p in problems),
                levels=tuple(p.level for p in problems),
                first=_marks(p.first[1] for p in problems),
                likeliest=_marks(p.likeliest[2] if self._says("nll") else -1 for p in problems),
                votes=_votes([p.votes(self._says("cluster")) for p in problems]) if answers else None,
                means=self._means(problems),
                diversity=self._diversity(problems),
                scores=self._scores(problems),
            ),
        )

    def _count_scores(self, row: Row) -> None:
        self._judged += 1
        for name in row.scores:
            if name not in self._scored and len(self._scored) == MOST:
                raise DataError(f"row {self._read} has the score {name} beside {MOST} others: keep {MOST} in a log")
            self._scored[name] = self._scored.get(name, 0) + 1

    def _says(self, key: str) -> bool:
        return self._said[key] == self._read - self._repeated > 0

    def _means(self, problems: "Sequence[_Problem]") -> dict[str, Floats]:
        """The means of `Detail`."""
        responses = np.array([p.responses for p in problems], dtype=np.float64)
        sums = {
            "words": [p.words if self._says("response") else math.nan for p in problems],
            "tokens": [p.tokens if self._says("tokens") else math.nan for p in problems],
            "nll": [p.nll if self._says("nll") else math.nan for p in problems],
        }
        texts = self._says("response")
        return {
            **{name: np.array(values, dtype=np.float64) / responses for name, values in sums.items()},
            "repetition": np.array([p.repetition() if texts else math.nan for p in problems]),
            "right words": np.array([p.right_words / p.right if texts and p.right else math.nan for p in problems]),
        }

    def _scores(self, problems: "Sequence[_Problem]") -> dict[str, Floats]:
        """The scores of `Detail`: those that all judged rows have."""
        told = [name for name, count in self._scored.items() if count == self._judged]
        judged = _counts(p.right + p.wrong for p in problems)
        sums = {name: np.array([p.scores.get(name, math.nan) for p in problems]) for name in told}
        return {name: values / np.maximum(judged, 1) for name, values in sums.items()}

    def _diversity(self, problems: "Sequence[_Problem]") -> dict[str, Floats]:
        """The diversity of `Detail`."""
        found = {}
        for mark, name in enumerate(("wrong", "right")):
            sets = [self._kept(p)[mark] for p in problems]
            unknown = np.full((len(sets), TEXTS - 1), math.nan)
            found[f"distinct-n {name}"] = distinct_prefixes(sets)
            found[f"equations {name}"] = equation_prefixes(sets)
            found[f"semantic {name}"] = semantic_prefixes(sets, self._embed) if self._embed else unknown
        return found

    def _kept(self, problem: "_Problem") -> tuple[list[str], list[str]]:
        """The wrong texts of a problem and the right ones; none where the log does not have all."""
        if not self._says("response"):
            return [], []
        wrong, right = problem.texts
        return [text for _, text in wrong], [text for _, text in right]


@dataclass(slots=True)
class _Problem:
    """What is known of one problem so far."""

    responses: int = 0
    right: int = 0
    wrong: int = 0
    unparsed: int = 0
    truncated: int = 0
    words: int = 0
    right_words: int = 0
    tokens: float = 0
    nll: float = 0
    question: str | None = None
    level: str | None = None
    first: tuple[int, int] = (2 * _LAST, -1)
    """Place and mark of the first response."""
    likeliest: tuple[float, int, int] = (math.inf, 0, -1)
    """NLL, place and mark of the judged response with the lowest."""
    seen: set[int | None] = field(default_factory=set)
    """Indices."""
    answers: dict[tuple[_Name, _Name], tuple[int, int]] = field(default_factory=dict)
    """Judged responses, and the right ones of them, by cluster and answer."""
    scores: dict[str, float] = field(default_factory=dict)
    """Sums over judged responses."""
    texts: tuple[list[tuple[int, str]], list[tuple[int, str]]] = field(default_factory=lambda: ([], []))
    """Places and texts of the first wrong and the first right responses."""

    def add(self, row: Row, place: int) -> None:
        """Count a response, whose place in the problem's order this is."""
        self.responses += 1
        self.truncated += row.truncated is True
        self.tokens += row.tokens or 0
        self.nll += row.nll or 0
        self.question = self.question or row.question
        self.level = self.level or row.level
        if row.position is not None:
            self.seen.add(row.position)
        if place < self.first[0]:
            self.first = (place, row.mark)
        if row.response is not None:
            words = len(row.response.split())
            self.words += words
            self.right_words += words if row.mark > 0 else 0
        if row.mark >= 0:
            self._add_judged(row, place)

    def _add_judged(self, row: Row, place: int) -> None:
        self.right += row.mark
        self.wrong += 1 - row.mark
        for name, value in row.scores.items():
            self.scores[name] = self.scores.get(name, 0.0) + value
        if row.answer is None:
            self.unparsed += row.answered
        else:
            vote = (_name(row.cluster), _name(row.answer))
            count, right = self.answers.get(vote, (0, 0))
            self.answers[vote] = (count + 1, right + row.mark)
        if row.nll is not None and (row.nll, place) < self.likeliest[:2]:
            self.likeliest = (row.nll, place, row.mark)
        kept = self.texts[row.mark]
        if row.response is not None and (len(kept) < TEXTS or place < kept[-1][0]):
            insort(kept, (place, row.response[:_CHARACTERS]))
            del kept[TEXTS:]

    def votes(self, by_cluster: bool) -> list[tuple[int, bool]]:
        """Votes of each answer, and whether it is right; all that are right are one answer."""
        answers = self._answers(by_cluster)
        right = sum(count for count, right in answers if 2 * right >= count)
        return [(right, True)] * (right > 0) + [(count, False) for count, right in answers if 2 * right < count]

    def torn(self, by_cluster: bool) -> int:
        """How many answers were judged both right and wrong."""
        return sum(0 < right < count for count, right in self._answers(by_cluster))

    def repetition(self) -> float:
        """Mean repetition of the texts of the first TEXTS judged responses; nan for none."""
        found = [repetition(text) for _, text in islice(merge(*self.texts), TEXTS)]
        return sum(found) / len(found) if found else math.nan

    def _answers(self, by_cluster: bool) -> list[tuple[int, int]]:
        """Of each answer the judged responses, and the right ones of them."""
        votes: Counter[_Name] = Counter()
        right: Counter[_Name] = Counter()
        for names, (count, of_these) in self.answers.items():
            name = names[0 if by_cluster else 1]
            votes[name] += count
            right[name] += of_these
        return [(count, right[name]) for name, count in votes.items()]


def _name(text: int | str | None) -> _Name:
    """The same for equal answers, and short."""
    if isinstance(text, str) and len(text) > _LONG:
        return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
    return text


def _votes(found: Sequence[Sequence[tuple[int, bool]]]) -> Votes:
    return Votes(
        _counts(count for votes in found for count, _ in votes),
        np.fromiter((right for votes in found for _, right in votes), dtype=np.bool_),
        np.cumsum([len(votes) for votes in found], dtype=np.int64),
    )


def _counts(values: Iterable[int]) -> Counts:
    return np.fromiter(values, dtype=np.int64)


def _marks(values: Iterable[int]) -> Marks:
    return np.fromiter(values, dtype=np.int8)
