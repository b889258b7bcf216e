"""Full disks, which the model libraries report each in its own way."""

from collections.abc import Iterator
from contextlib import contextmanager

from selftrain.errors import SelftrainError, WorkspaceError

_SIGNS = (
    "os error",
    "inline_container",
    "PytorchStreamWriter",
    "iostream error",
    "No space left",
    "File too large",
)
"""What safetensors and tokenizers, and torch, say when a file cannot be written."""


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn the libraries' errors over a failed write of `what` into a WorkspaceError of one line.

    An OSError says by itself what happened and passes through, as does everything else.
    """
    try:
        yield
    except (OSError, SelftrainError):
        raise
    except Exception as error:  # safetensors and tokenizers derive theirs from nothing narrower
        if not any(sign in str(error) for sign in _SIGNS):
            raise
        reason = str(error).splitlines()[0].strip()
        raise WorkspaceError(
            f"{what} cannot be written: {reason}; free some space and repeat the command, it goes on from here"
        ) from error
