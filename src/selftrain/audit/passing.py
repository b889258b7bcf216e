"""From counts of right responses to pass@k, pass^k, majority@k and the k where two models cross."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selftrain.audit.detail import Votes
from selftrain.audit.votes import majority_curve


def pass_at_k(n: int, c: int, k: int) -> float:
    """Chance that k of n responses, drawn without replacement, hold a right one when c of n are right.

    `1 - C(n-c, k) / C(n, k)`, unbiased for any k up to n. Source: HumanEval, arXiv 2107.03374, Eq. 1.
    Raises ValueError for c outside [0, n] and k outside [1, n].
    """
    _check(n, c, k)
    return float(pass_curve([n], [c], k)[0, -1])


def pass_hat_k(n: int, c: int, k: int) -> float:
    """Chance that all of k responses, drawn without replacement, are right: `C(c, k) / C(n, k)`, pass^k.

    Source: tau-bench, arXiv 2406.12045. Raises ValueError as `pass_at_k`.
    """
    _check(n, c, k)
    return float(1 - pass_curve([n], [n - c], k)[0, -1])


def pass_curve(n: ArrayLike, c: ArrayLike, k_max: int) -> NDArray[np.float64]:
    """pass@1 to pass@k_max of every problem, shape [problems, k_max].

    n and c have shape [problems], and every n is at least k_max. `C(n-c, k) / C(n, k)` is the product of
    `(n-c-j) / (n-j)` over j < k: every factor lies in [0, 1], so nothing overflows and a sample that cannot
    fail gives exactly 1.
    """
    sizes, right = np.asarray(n, dtype=np.float64)[:, None], np.asarray(c, dtype=np.float64)[:, None]
    step = np.arange(k_max)
    factors = np.maximum(sizes - right - step, 0) / (sizes - step)
    return np.asarray(1 - np.cumprod(factors, axis=1))


def majority_at_k(answers: Sequence[str | None], gold: str, k: int) -> float:
    """Chance that the majority of k responses, drawn without replacement, answers `gold`.

    The exact mean over all k-subsets. A tie is shared evenly; None (no answer) does not vote, and a subset
    without votes is wrong. Source: self-consistency, arXiv 2203.11171, its vote taken exactly rather than
    by sampling. Raises ValueError for k outside [1, len(answers)].
    """
    if not 1 <= k <= len(answers):
        raise ValueError(f"k must be between 1 and the {len(answers)} answers, got {k}")
    votes = Counter(answers)
    silent = votes.pop(None, 0)
    right = np.array([answer == gold for answer in votes], dtype=np.bool_)
    one = Votes(np.array(list(votes.values()), dtype=np.int64), right, np.array([len(votes)]))
    return float(majority_curve(one, [silent], [k])[0, 0])


def crossover_k(ks: Sequence[int], base: Sequence[float], new: Sequence[float]) -> int | None:
    """The smallest k at which the base's pass@k exceeds the new model's; None when there is none.

    Excess by rounding is none. Source: arXiv 2504.13837. Raises ValueError when the three lengths differ.
    """
    if not len(ks) == len(base) == len(new):
        raise ValueError(f"ks, base and new must be equally long, got {len(ks)}, {len(base)} and {len(new)}")
    return min((k for k, b, a in zip(ks, base, new, strict=True) if b > a + 1e-12), default=None)


def _check(n: int, c: int, k: int) -> None:
    if not 0 <= c <= n:
        raise ValueError(f"c must be between 0 and n={n}, got {c}")
    if not 1 <= k <= n:
        raise ValueError(f"k must be between 1 and n={n}, got {k}")
