"""Worker processes that do not import the program's main script, so that a plain script may start a run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any


class _Process(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:  # noqa: N802 - the name multiprocessing calls
        from multiprocessing.popen_spawn_posix import Popen

        with _hidden_main():
            return Popen(process_obj)


class MainlessContext(SpawnContext):
    """The `spawn` start method; without it a script needs `if __name__ == "__main__"` around its run."""

    Process = _Process


@contextmanager
def _hidden_main() -> Iterator[None]:
    """What a worker is told of `__main__` is read while it starts; meanwhile it is an empty module."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
