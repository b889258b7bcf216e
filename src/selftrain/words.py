"""The words of a text in any script: those that write no spaces are read character by character."""

import re
from unicodedata import category

_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u303c\u3040-\u30ff"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff])"
)
"""Characters of Thai, Lao, Burmese, Khmer, Chinese and Japanese."""
_PARTS = "LMN"
"""Letters, marks and numbers make words; `\\w` would drop the vowel signs of Devanagari and Thai."""


def spaced(text: str) -> str:
    """The text with a space on either side of every character of a script that writes none between words."""
    return _UNSPACED.sub(r" \1 ", text)


def words(text: str) -> list[str]:
    """Lowercased runs of letters, marks and digits; linear in the text. In ASCII these are rouge-score's own tokens."""
    return "".join(char if category(char)[0] in _PARTS else " " for char in spaced(text.lower())).split()
