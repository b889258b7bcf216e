"""Which problems were gained and lost for sure: an exact test a problem, with the false-discovery rate controlled."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from selftrain.audit.cells import Cell, judged
from selftrain.audit.detail import Floats
from selftrain.audit.settings import AuditSettings
from selftrain.audit.significance import benjamini_hochberg


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemTests:
    """Problems whose share of right responses changed, each by Fisher's exact test, by Benjamini and Hochberg.

    Among those named, a share of at most `alpha` is expected to be chance. A frozen model against itself
    shows how many that is: see `null`. Source: arXiv 2608.20290.
    """

    tested: int
    gained: list[str]
    lost: list[str]
    null: int | None
    """How many the same test names between the parent and its fresh samples; None without them."""


def problem_tests(before: Cell, after: Cell, null: Cell | None, settings: AuditSettings) -> ProblemTests:
    """Tests every problem of two cells over the same problems; `null`: the parent again, freshly sampled."""
    sure = _sure(before, after, settings)
    rose = after.right * before.n > before.right * after.n
    return ProblemTests(
        tested=len(before.problems),
        gained=[before.problems[i] for i in np.flatnonzero(sure & rose)],
        lost=[before.problems[i] for i in np.flatnonzero(sure & ~rose)],
        null=None if null is None else int(_sure(*judged(before, null), settings).sum()),
    )


def fisher_exact(right: ArrayLike, n: ArrayLike, other_right: ArrayLike, other_n: ArrayLike) -> Floats:
    """Two-sided p of Fisher's exact test of two shares, for each problem; all of shape [problems].

    The summed chance of all tables with the same margins that are no likelier than the one seen.
    Source: Fisher, 1922. Raises ValueError for counts outside [0, n].
    """
    table = np.stack([np.asarray(x, dtype=np.int64) for x in (right, n, other_right, other_n)], axis=-1)
    if (table[..., (0, 2)] < 0).any() or (table[..., (0, 2)] > table[..., (1, 3)]).any():
        raise ValueError("right and other_right must be between 0 and n and other_n")
    kinds, places = np.unique(table, axis=0, return_inverse=True)
    return np.array([_fisher(*kind) for kind in kinds.tolist()])[places]


def _sure(before: Cell, after: Cell, settings: AuditSettings) -> np.ndarray:
    p = fisher_exact(before.right, before.n, after.right, after.n)
    return np.asarray(benjamini_hochberg(p) <= settings.alpha)


def _fisher(right: int, n: int, other_right: int, other_n: int) -> float:
    from scipy.special import gammaln

    total = right + other_right
    x = np.arange(max(0, total - other_n), min(n, total) + 1)
    logs = -(gammaln(x + 1) + gammaln(n - x + 1) + gammaln(total - x + 1) + gammaln(other_n - total + x + 1))
    chances = np.exp(logs - logs.max())
    # What is exactly as likely as the table seen may differ from it in the last digits.
    extreme = chances <= chances[right - x[0]] * (1 + 1e-9)
    return float(min(1.0, chances[extreme].sum() / chances.sum()))
