"""How much of one text is found in another: ROUGE-L and BLEU, as the libraries of the field count them.

Both are bounded in time whatever they are given: BLEU looks at the first 20,000 characters of a text, and ROUGE-L,
which is quadratic, at the first 1,000 words of these.
"""

from functools import lru_cache
from typing import Any

from selftrain.errors import MissingExtraError
from selftrain.words import spaced, words

EXTRA = "summaries"
LONGEST = 20_000
MOST_WORDS = 1_000


def rouge_l(candidate: str, reference: str) -> float:
    """F1 of the longest common subsequence of words, in [0, 1]; 0 where either text has no word.

    Words are those of `selftrain.words`, so other scripts than Latin count; nothing is stemmed. It is symmetric.
    Raises MissingExtraError without rouge-score. Source: Lin, ROUGE, 2004, as rouge-score has it.
    """
    return float(_rouge().score(target=reference, prediction=candidate)["rougeL"].fmeasure)


def bleu(candidate: str, reference: str) -> float:
    """Sentence BLEU of the candidate (the hypothesis), 0 to 100: sacrebleu's own settings for sentences.

    That is its 13a tokenization, exponential smoothing and effective order; it is case-sensitive. Characters of scripts
    without spaces are set apart first. It is not symmetric. Raises MissingExtraError without sacrebleu.
    Source: Papineni et al., BLEU, 2002; Post, 2018.
    """
    hypothesis, wanted = (spaced(text[:LONGEST]) for text in (candidate, reference))
    score = float(_bleu().sentence_score(hypothesis, [wanted]).score)
    _forget()
    return min(100.0, score)  # equal texts come out at 100.00000000000004


@lru_cache(maxsize=1)
def _rouge() -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise MissingExtraError("rouge-score", EXTRA) from None
    return RougeScorer(["rougeL"], tokenizer=_Tokenizer())


class _Tokenizer:
    """What rouge-score asks of a tokenizer; its own drops all that is not Latin."""

    def tokenize(self, text: str) -> list[str]:
        return words(text[:LONGEST])[:MOST_WORDS]


@lru_cache(maxsize=1)
def _bleu() -> Any:
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise MissingExtraError("sacrebleu", EXTRA) from None
    return BLEU(effective_order=True)


def _forget() -> None:
    """Its tokenizers remember their last 65,536 texts, which a process with a memory limit cannot afford."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

    for kind in (Tokenizer13a, TokenizerRegexp):
        kind.__call__.cache_clear()
