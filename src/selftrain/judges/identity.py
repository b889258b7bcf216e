"""What a judge is, for the key of a step: judged again when the judge is another."""

from selftrain.imports import source_digest

REVISION = 2
"""Raised when a judge of this package changes what it says."""


def judge_identity(spec: str) -> str:
    """The judge's name with its revision, or with the content of the file it is in."""
    return f"{spec}@{source_digest(spec) or REVISION}"
