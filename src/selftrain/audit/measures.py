"""What is measured on two cells: for every figure one value a problem and model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from selftrain.audit.calibration import squared_distance
from selftrain.audit.cells import Cell, votes_of
from selftrain.audit.detail import Detail, Floats
from selftrain.audit.passing import pass_curve
from selftrain.audit.significance import mcnemar_exact
from selftrain.audit.votes import expected_answer_entropy, majority_curve, majority_share
from selftrain.scores import KNOWN

Role = Literal["primary", "guard", "secondary"]
Better = Literal["higher", "lower", "neither"]

_REACHED = 0.75
"""Share of problems that must have k judged responses, so that a few short ones do not lower k for all."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """One figure before it is estimated; arrays have shape [problems], the same problems in the same order."""

    name: str
    before: Floats
    after: Floats
    """nan where not known: the problem is then left out."""
    role: Role = "secondary"
    better: Better = "higher"
    weights: Floats | None = None
    """Of problems, for a ratio `sum(w v) / sum(w)`; None is a mean."""
    span: float | None = 1.0
    """Largest minus smallest value that is possible, 1 for shares; None: not known, what was seen has to bound it."""
    exact_p: float | None = None
    """p of an exact test that replaces the estimate's."""


def common_k(*cells: Cell) -> int:
    """The largest k that at least three quarters of the problems have judged responses for in every cell."""
    return int(np.sort(_smallest_n(*cells))[int((1 - _REACHED) * len(cells[0].problems))])


def with_k(k: int, *cells: Cell) -> list[Cell]:
    """The cells cut to the problems that have k judged responses in each of them."""
    keep = np.flatnonzero(_smallest_n(*cells) >= k)
    return [cell.take([cells[0].problems[i] for i in keep]) for cell in cells]


def solved(cell: Cell, k: int) -> Floats:
    """pass@k of every problem, shape [problems]; at k = n it is 1 for a problem ever solved and else 0."""
    return np.asarray(pass_curve(cell.n, cell.right, k)[:, -1])


def passing(name: str, before: Cell, after: Cell, k: int) -> Measured:
    """pass@k of two cells over the same problems; at one response a problem the test is McNemar's."""
    b, a = solved(before, k), solved(after, k)
    single = int(before.n.max()) == int(after.n.max()) == 1
    p = mcnemar_exact(int(((b == 1) & (a == 0)).sum()), int(((b == 0) & (a == 1)).sum())) if single else None
    return Measured(name=name, before=b, after=a, exact_p=p)


def all_passing(before: Cell, after: Cell, k: int) -> Measured:
    """pass^k of two cells over the same problems."""
    b, a = (1 - pass_curve(cell.n, cell.wrong, k)[:, -1] for cell in (before, after))
    return Measured(name=f"pass^{k}", before=b, after=a)


def retention(before: Cell, after: Cell, null: Cell, k: int) -> Measured:
    """Share of the problems the parent solves at k that the candidate solves too, against the null's share.

    The parent loses some to chance alone, so its fresh samples (the null) set the mark. Source: arXiv
    2507.14843 (retention), arXiv 2608.20290 (the null).
    """
    return Measured(name=RETENTION, before=solved(null, k), after=solved(after, k), weights=solved(before, k))


def split_retention(before: Cell, after: Cell, k: int) -> Measured:
    """Retention with a null from the parent's own responses: one half of them, k, against the other.

    Exact means over all ways to draw two disjoint halves, so no draw of ours adds noise: with p(m) = pass@m,
    a half solves the problem with chance p(k) and both do with `2 p(k) - p(2k)`. Wants 2k responses.
    """
    one, both = solved(before, k), solved_twice(before, k)
    again = np.divide(both, one, out=np.zeros_like(one), where=one > 0)
    return Measured(name=RETENTION, before=again, after=solved(after, k), weights=one)


def solved_twice(cell: Cell, k: int) -> Floats:
    """Chance that two disjoint draws of k responses both hold a right one, shape [problems]."""
    # Rounding could leave a residue below 0.
    return np.asarray(np.maximum(2 * solved(cell, k) - solved(cell, 2 * k), 0.0))


def lost_shares(before: Cell, after: Cell) -> Iterator[Measured]:
    """Share of unparsed (of judged) and of truncated (of all) responses, where both logs tell them."""
    if before.unparsed is not None and after.unparsed is not None:
        b, a = before.unparsed / before.n, after.unparsed / after.n
        yield Measured(name="unparsed", before=b, after=a, better="lower")
    if before.truncated is not None and after.truncated is not None:
        b, a = before.truncated / before.responses, after.truncated / after.responses
        yield Measured(name="truncated", before=b, after=a, better="lower")


def diversity(before: Cell, after: Cell) -> Iterator[Measured]:
    """Diversity by measure and judgement, of as many texts of each problem as both models have.

    Source: arXiv 2407.05013; the common number is ours, since distinct-n falls as a set grows.
    """
    if before.detail and after.detail:
        one, other = before.detail.diversity, after.detail.diversity
        for name in [name for name in one if name in other]:
            b, a = _at_common_number(one[name], other[name])
            yield Measured(name=name, before=b, after=a, span=2.0 if name.startswith("semantic") else 1.0)


def of_answers(before: Cell, after: Cell, k: int) -> Iterator[Measured]:
    """What answers tell: the vote of k responses, its confidence, and how spread out they are."""
    votes = votes_of(before, after)
    if not votes:
        return
    majority = [majority_curve(*vote, [k])[:, 0] for vote in votes]
    yield Measured(name=f"majority@{k}", before=majority[0], after=majority[1])
    gaps = [won - solved(cell, 1) for won, cell in zip(majority, (before, after), strict=True)]
    yield Measured(name="gap of the vote", before=gaps[0], after=gaps[1], span=2.0)
    brier = [squared_distance(*majority_share(*vote)) for vote in votes]
    yield Measured(name="Brier score of the vote", before=brier[0], after=brier[1], better="lower")
    voting = np.minimum(before.n - votes[0][1], after.n - votes[1][1])
    entropies = [expected_answer_entropy(vote, np.maximum(voting, 1)) for vote, _ in votes]
    entropies = [np.where(voting > 1, values, np.nan) for values in entropies]
    bits = float(np.log2(max(2, voting.max(initial=0))))
    yield Measured(name="answer entropy", before=entropies[0], after=entropies[1], better="neither", span=bits)


def of_likelihoods(before: Cell, after: Cell) -> Iterator[Measured]:
    """The gap of choosing by likelihood: accuracy of the likeliest response minus pass@1."""
    if before.detail and after.detail:
        gaps = [_likeliest(cell.detail) - solved(cell, 1) for cell in (before, after) if cell.detail]
        if all(np.isfinite(gap).any() for gap in gaps):
            yield Measured(name="gap of the likeliest", before=gaps[0], after=gaps[1], span=2.0)


def means(before: Cell, after: Cell) -> Iterator[Measured]:
    """Means over responses: length, mean NLL of sampled tokens (token entropy), repetition."""
    if before.detail and after.detail:
        for name, label in MEANS.items():
            b, a = before.detail.means.get(name), after.detail.means.get(name)
            if b is not None and a is not None:
                share = name == "repetition"
                better: Better = "lower" if share else "neither"
                yield Measured(name=label, before=b, after=a, better=better, span=1.0 if share else None)


def scores(before: Cell, after: Cell) -> Iterator[Measured]:
    """Mean of each graded score that both logs have; of those without a known range neither way is better."""
    if before.detail and after.detail:
        b, a = before.detail.scores, after.detail.scores
        for name in sorted(b.keys() & a.keys()):
            if known := KNOWN.get(name):
                yield Measured(name=known.label, before=b[name], after=a[name], span=known.most)
            else:
                yield Measured(name=f"score {name}", before=b[name], after=a[name], better="neither", span=None)


RETENTION = "retention over null"
MEANS = {"words": "words", "tokens": "tokens", "nll": "token entropy", "repetition": "repetition"}
"""Figures that are means over responses, by their name in `Detail.means`."""


def _likeliest(detail: Detail) -> Floats:
    return np.where(detail.likeliest < 0, np.nan, detail.likeliest)


def _at_common_number(before: Floats, after: Floats) -> tuple[Floats, Floats]:
    both = np.isfinite(before) & np.isfinite(after)
    last = both.shape[1] - 1 - both[:, ::-1].argmax(axis=1)
    rows = np.arange(len(both))
    known = both.any(axis=1)
    return tuple(np.where(known, values[rows, last], np.nan) for values in (before, after))  # type: ignore[return-value]


def _smallest_n(*cells: Cell) -> np.ndarray:
    return np.asarray(np.min([cell.n for cell in cells], axis=0))
