"""What the cache of an engine holds of the prompts that were read into it."""

from itertools import takewhile

TOKENS_PER_REQUEST = 512
"""Room in the cache for each request that is decoded together; longer ones leave room for fewer."""


class Prefixes:
    """Prompts by their beginnings; a cache finds again what fills whole blocks of `block` tokens."""

    def __init__(self, block: int) -> None:
        self._block = block
        self._beginnings: set[int] = set()
        self._prompts: dict[int, set[int]] = {}

    def shared(self, prompt: tuple[int, ...]) -> int:
        """Tokens at the beginning of a prompt that other prompts began with, in whole blocks."""
        return self._block * sum(1 for _ in takewhile(self._beginnings.__contains__, self._cut(prompt)))

    def continues(self, prompt: tuple[int, ...]) -> bool:
        """Whether a prompt begins with another one, from its first to its last token."""
        return any(
            length < len(prompt) and hash(prompt[:length]) in prompts for length, prompts in self._prompts.items()
        )

    def add(self, prompt: tuple[int, ...]) -> None:
        """Takes note of a prompt that is read."""
        self._beginnings.update(self._cut(prompt))
        self._prompts.setdefault(len(prompt), set()).add(hash(prompt))

    def _cut(self, prompt: tuple[int, ...]) -> list[int]:
        return [hash(prompt[:end]) for end in range(self._block, len(prompt) + 1, self._block)]
