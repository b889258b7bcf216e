"""What is read together: pairs cut by what they take of memory, completions of like lengths side by side."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

Pair = tuple[Sequence[int], Sequence[int]]
"""The token ids of a prompt and of a completion."""

PAIRS_AT_ONCE = 512
"""Pairs sorted by length together."""
TOKENS_AT_ONCE = 2048
"""Tokens of a forward pass, padding included; a single row may have more."""
CACHED_AT_ONCE = 2**14
"""Tokens that the rows of a forward pass see, each row with a copy of its prompt; a single row may see more."""
LOGITS_AT_ONCE = 2**27
"""Logits of a forward pass; a single row may have more."""


def tokens_at_once(vocabulary: int) -> int:
    """Tokens of a forward pass, padding included, for a model with so many logits a token."""
    return max(1, min(TOKENS_AT_ONCE, LOGITS_AT_ONCE // vocabulary))


def begun_alike(prompts: Sequence[tuple[int, ...]]) -> int:
    """Tokens that all prompts begin with; each has at least one more."""
    columns = zip(*(prompt[:-1] for prompt in prompts), strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def chunks(pairs: Iterable[Pair], limit: int) -> Iterator[list[tuple[tuple[int, ...], tuple[int, ...]]]]:
    """Consecutive pairs whose prompts are read in one pass of at most `limit` tokens."""
    chunk: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    prompts: dict[tuple[int, ...], None] = {}
    for prompt, completion in pairs:
        own = tuple(prompt)
        room = own in prompts or _fit([*prompts, own], limit)
        if chunk and (len(chunk) == PAIRS_AT_ONCE or not room):
            yield chunk
            chunk, prompts = [], {}
        chunk.append((own, tuple(completion)))
        prompts[own] = None
    if chunk:
        yield chunk


def batches(lengths: Sequence[int], seen: int, limit: int) -> Iterator[list[int]]:
    """Places of rows with a length above 0, the longest first: each batch, padded, at most `limit` tokens.

    Each row sees `seen` tokens before its own.
    """
    places = sorted((place for place, length in enumerate(lengths) if length > 0), key=lambda place: -lengths[place])
    while places:
        longest = lengths[places[0]]
        size = max(1, min(limit // longest, CACHED_AT_ONCE // (seen + longest)))
        yield places[:size]
        places = places[size:]


def _fit(prompts: Sequence[tuple[int, ...]], limit: int) -> bool:
    """Whether prompts, padded to the longest, are read together; what all begin with is read once."""
    longest = max(map(len, prompts))
    unshared = longest - begun_alike(prompts)
    return len(prompts) * unshared <= limit and len(prompts) * longest <= CACHED_AT_ONCE
