"""Where what can be made again is kept: materialised models and the digests of model folders."""

import os
from pathlib import Path


def default_cache() -> Path:
    """`$SELFTRAIN_CACHE`, else `selftrain` in `$XDG_CACHE_HOME` or `~/.cache`."""
    if own := os.environ.get("SELFTRAIN_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "selftrain"
