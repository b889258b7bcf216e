"""What majorities and entropies of answers come to when only some of the responses are looked at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selftrain.audit.detail import Counts, Floats, Votes

_HELD = 1 << 16
"""Numbers of one array held at once: half a megabyte, which a core's cache takes."""


def majority_curve(votes: Votes, silent: ArrayLike, ks: Sequence[int]) -> Floats:
    """Chance that the majority of k judged responses, drawn without replacement, is right; shape [problems, ks].

    The exact mean over all k-subsets: a tie is shared evenly, the `silent` responses (shape [problems]: judged,
    without an answer) do not vote, and a subset without votes is wrong. nan where a problem has fewer than k.
    Source: self-consistency, arXiv 2203.11171. Raises ValueError for k below 1 and for another shape of `silent`.
    """
    if min(ks, default=1) < 1:
        raise ValueError(f"k must be 1 or more, got {min(ks)}")
    ballots = _Ballots(votes, _silent(votes, silent))
    curve = np.full((len(votes.ends), len(ks)), np.nan)
    for column, k in enumerate(ks):
        able = ballots.n >= k
        curve[able, column] = ballots.won(k)[able]
    return curve


def majority_share(votes: Votes, silent: ArrayLike) -> tuple[Floats, Floats]:
    """Confidence and correctness of the majority vote over all judged responses, each of shape [problems].

    Confidence: the majority answer's share of the judged responses, `silent` ones (shape [problems]) included.
    Correctness: the chance that the majority answer is right, a tie shared evenly; 0 without votes. Both are nan
    without judged responses. Source: arXiv 2203.11171. Raises ValueError for another shape of `silent`.
    """
    quiet = _silent(votes, silent)
    owner = _owners(votes)
    most = np.zeros(len(votes.ends), dtype=np.int64)
    np.maximum.at(most, owner, votes.counts)
    wins = (votes.counts == most[owner]) & (votes.counts > 0)
    tied = np.bincount(owner, wins, len(most))
    hits = np.bincount(owner, wins & votes.right, len(most))
    n = quiet + _totals(votes)
    confidence = np.divide(most, n, out=np.full(len(most), np.nan), where=n > 0)
    return confidence, np.where(n > 0, hits / np.maximum(tied, 1), np.nan)


def expected_answer_entropy(votes: Votes, m: ArrayLike) -> Floats:
    """Expected entropy (bits) of the answers of m voting responses, drawn without replacement; shape [problems].

    `-sum over answers of E[(x/m) log2(x/m)]`, x hypergeometric: exact rarefaction, so logs with different numbers
    of responses compare at a common one. m is a number or has shape [problems]; nan where fewer than m voted.
    Source: rarefaction, Hurlbert, 1971. Raises ValueError for m below 1.
    """
    drawn = np.broadcast_to(np.asarray(m, dtype=np.int64), votes.ends.shape)
    if (drawn < 1).any():
        raise ValueError(f"m must be 1 or more, got {drawn.min()}")
    total, owner = _totals(votes), _owners(votes)
    able = total >= drawn
    use = able[owner]
    # Answers of one size in problems of one size have one expectation.
    kinds, which = np.unique(
        np.column_stack([total[owner], drawn[owner], votes.counts])[use], axis=0, return_inverse=True
    )
    of_kind = np.empty(len(kinds))
    step = max(1, _HELD // int(drawn.max(initial=1)))
    for start in range(0, len(kinds), step):
        of_kind[start : start + step] = _expected_term(*kinds[start : start + step].T)
    sums = np.bincount(owner[use], of_kind[which.ravel()], len(total))
    return np.where(able, sums, np.nan)


def _expected_term(total: Counts, drawn: Counts, count: Counts) -> Floats:
    """`-E[(x/m) log2(x/m)]` of an answer with `count` of `total` votes when m = `drawn` are drawn."""
    x = np.arange(1, int(drawn.max()) + 1)
    rest = (total - count)[:, None]
    left = drawn[:, None] - x
    possible = (x <= count[:, None]) & (left >= 0) & (left <= rest)
    logs = _log_choose(count[:, None], x) + _log_choose(rest, left) - _log_choose(total, drawn)[:, None]
    share = x / drawn[:, None]
    return np.asarray(-np.where(possible, np.exp(logs) * share * np.log2(share), 0.0).sum(axis=1))


class _Ballots:
    """The votes of all problems, arranged to ask for the chance of a right majority."""

    def __init__(self, votes: Votes, silent: Counts) -> None:
        owner = _owners(votes)
        problems = len(votes.ends)
        self.n = _totals(votes) + silent
        self.right = np.bincount(owner, np.where(votes.right, votes.counts, 0), problems).astype(np.int64)
        rival = ~votes.right
        owner, counts = owner[rival], votes.counts[rival]
        order = np.lexsort((-counts, owner))
        self.owner = owner[order]
        self.rivals = np.append(counts[order], 0)
        """Votes of wrong answers, the most voted of each problem first, and a 0 that ends the list."""
        self.start = np.searchsorted(self.owner, np.arange(problems))

    def won(self, k: int) -> Floats:
        """Chance of a right majority among k responses, shape [problems]; of no meaning where k > n.

        Summed over the votes s that the right answer gets. Rivals that cannot get more than s are, with the silent
        responses, one heap; each of the others is a polynomial in x, the votes it gets, cut off at s. Ties are
        broken by lot: with the right answer's lot at y a tied rival loses with chance y, and the integral over y
        (Gauss-Legendre, exact) shares a tie of t rivals as 1/(1+t). Every weight is a binomial probability at p near
        k/n, which cancels: nothing overflows, and nothing is subtracted.
        """
        others = self.n - self.right
        chance = np.zeros(len(self.n))
        for s in range(1, min(k, int(self.right.max(initial=0))) + 1):
            at = np.flatnonzero((self.right >= s) & (s + others >= k) & (self.n >= k))
            big = self.rivals[:-1] >= s
            number = np.bincount(self.owner, big, len(self.n)).astype(np.int64)
            votes = np.bincount(self.owner, np.where(big, self.rivals[:-1], 0), len(self.n)).astype(np.int64)
            at = at[np.argsort(-number[at], kind="stable")]
            while at.size:
                size = self._fitting(k, s, int(number[at[0]]))
                now, at = at[:size], at[size:]
                p = k / (self.n[now] + 1)
                beaten = self._beaten(k - s, s, now, number[now], others[now] - votes[now], p)
                chance[now] += _binomial(self.right[now], np.array([s]), p)[:, 0] * beaten
        whole = _binomial(self.n, np.array([k]), k / (np.maximum(self.n, k) + 1))[:, 0]
        # Rounding may lift a sure majority above 1.
        return np.minimum(np.divide(chance, whole, out=chance, where=self.n >= k), 1)

    def _fitting(self, k: int, s: int, rivals: int) -> int:
        """Problems, none with more such rivals, that are dealt with at once."""
        lots = len(_lots(rivals, k - s, s)[0])
        return max(1, _HELD // (lots * (max(s, min(k - s, rivals * s)) + 1)))

    def _beaten(self, rest: int, s: int, at: NDArray[np.intp], number: Counts, heap: Counts, p: Floats) -> Floats:
        """Chance that `rest` others are drawn, no rival above s; ties shared.

        All of shape [problems]: `number` of rivals with s votes or more, most first, and size of the `heap`.
        """
        rivals = int(number[0])
        y, weight = _lots(rivals, rest, s)
        top = min(rest, rivals * s)
        ways = np.zeros((len(at), len(y), top + 1))
        ways[..., 0] = 1
        for j in range(rivals):
            some = int(np.count_nonzero(number > j))
            terms = _binomial(self.rivals[self.start[at[:some]] + j], np.arange(s + 1), p[:some])
            _multiply(ways[:some], min(top, j * s), terms, y)
        heaps = _binomial(heap, rest - np.arange(top + 1), p)
        if s == 1:
            heaps /= 1 + np.arange(top + 1)
        return np.asarray(np.einsum("pyd,pd,y->p", ways, heaps, weight))


def _multiply(ways: Floats, degree: int, terms: Floats, y: Floats) -> None:
    """Multiply polynomials of this degree, shape [problems, lots, .], by others, [problems, .], in place."""
    old = ways[..., : degree + 1].copy()
    ways[..., : degree + 1] *= terms[:, None, :1]
    s, size = terms.shape[1] - 1, ways.shape[2]
    for d in range(1, min(s, size - 1) + 1):
        factor = terms[:, d, None] * (y if d == s else np.ones_like(y))
        ways[..., d : d + degree + 1] += old[..., : size - d] * factor[..., None]


def _lots(rivals: int, rest: int, s: int) -> tuple[Floats, Floats]:
    """Points and weights that share the ties of these rivals exactly: as many tie as have s of the `rest`."""
    if s == 1:
        # Every vote drawn is a tie: the degree in x tells their number, and no lot is needed.
        return np.ones(1), np.ones(1)
    points, weights = np.polynomial.legendre.leggauss(min(rivals, rest // s) // 2 + 1)
    return (points + 1) / 2, weights / 2


def _binomial(n: Counts, x: Counts, p: Floats) -> Floats:
    """Binomial probabilities of x, shape [draws], in n trials at chance p, shape [problems]; [problems, draws]."""
    trials, chance = n[:, None], p[:, None]
    possible = (x >= 0) & (x <= trials)
    logs = _log_choose(trials, x) + x * np.log(chance) + (trials - x) * np.log1p(-chance)
    return np.where(possible, np.exp(np.where(possible, logs, 0.0)), 0.0)


def _log_choose(n: Counts, x: Counts) -> Floats:
    """Logarithm of "n choose x"; of no meaning outside 0 <= x <= n."""
    from scipy.special import gammaln

    return np.asarray(gammaln(n + 1.0) - gammaln(x + 1.0) - gammaln(np.maximum(n - x, 0) + 1.0))


def _owners(votes: Votes) -> NDArray[np.intp]:
    """The problem of each answer."""
    return np.repeat(np.arange(len(votes.ends)), np.diff(votes.ends, prepend=0))


def _totals(votes: Votes) -> Counts:
    """Voting responses of each problem."""
    return np.bincount(_owners(votes), votes.counts, len(votes.ends)).astype(np.int64)


def _silent(votes: Votes, silent: ArrayLike) -> Counts:
    found = np.asarray(silent, dtype=np.int64)
    if found.shape != votes.ends.shape:
        raise ValueError(f"silent must have shape {votes.ends.shape}, one number a problem, got {found.shape}")
    return found
