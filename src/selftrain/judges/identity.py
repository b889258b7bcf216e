"""What a judge is, for the key of a step: judged again when the judge is another."""

from pathlib import Path

from selftrain.digest import files_digest
from selftrain.imports import is_import_path

REVISION = 1
"""Raised when a judge of this package changes what it says."""


def judge_identity(spec: str) -> str:
    """The judge's name with its revision, or with the content of the file it is in."""
    if not is_import_path(spec):
        return f"{spec}@{REVISION}"
    source = Path(spec.rpartition(":")[0])
    return f"{spec}@{files_digest([source])}" if source.is_file() else spec
