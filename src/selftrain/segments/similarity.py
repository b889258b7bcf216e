"""How unlike the question each piece of a chain is: the similarity strategy."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

from selftrain.overlap import bleu, rouge_l

Likeness = Literal["rouge", "bleu"]


def similarity_scores(question: str, pieces: Sequence[str], measure: Likeness = "rouge") -> list[float]:
    """1 minus the likeness of each piece to the question, in [0, 1], one a piece: what is not in the question is high.

    rouge: the F1 of ROUGE-L. bleu: sentence BLEU / 100 with the piece as hypothesis and the question as reference (the
    published code has them swapped). Both as `selftrain.overlap` has them, bounds included.
    Raises ValueError for another measure, MissingExtraError without the libraries. Source: AS-ES, arXiv 2403.01969.
    """
    if measure not in get_args(Likeness):
        raise ValueError(f"measure must be one of {', '.join(get_args(Likeness))}, got {measure!r}")
    likeness: Callable[[str, str], float] = rouge_l if measure == "rouge" else _bleu_share
    return [1 - likeness(piece, question) for piece in pieces]


def _bleu_share(candidate: str, reference: str) -> float:
    return bleu(candidate, reference) / 100
