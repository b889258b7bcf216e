"""Checkpoints: the folder of a resumable training, in which only whole checkpoints count."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from selftrain.errors import WorkspaceError
from selftrain.files import sync

MARKER = "complete"
KEEP = 2


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints `checkpoint-STEP` in `folder` of the one training that `key` names.

    A checkpoint is written file by file and may be torn by a crash. It counts once it is sealed: everything
    in it is on disk, and then the marker, which holds `key`, is.
    """

    folder: Path
    key: str

    def newest(self) -> Path | None:
        """The newest whole checkpoint or None; torn ones are deleted.

        Raises WorkspaceError if a whole checkpoint belongs to another training.
        """
        for path in self._paths():
            if not (path / MARKER).exists():
                _remove(path)
        paths = self._paths()
        if any((path / MARKER).read_text() != self.key for path in paths):
            raise WorkspaceError(
                f"{self.folder} holds checkpoints of a training with other rows or settings: remove it"
            )
        return paths[-1] if paths else None

    def seal(self, step: int) -> None:
        """Declare the checkpoint of `step` whole, then delete all but the newest `KEEP`."""
        path = self.folder / f"checkpoint-{step}"
        for item in [*path.rglob("*"), path, self.folder]:
            sync(item)
        unnamed = path / f"{MARKER}.part"
        unnamed.write_text(self.key)
        sync(unnamed)
        unnamed.replace(path / MARKER)
        sync(path)
        for old in self._paths()[:-KEEP]:
            _remove(old)

    def _paths(self) -> list[Path]:
        found = [(re.fullmatch(r"checkpoint-(\d+)", path.name), path) for path in self.folder.glob("checkpoint-*")]
        return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]


def _remove(path: Path) -> None:
    # The marker goes first: a half-deleted checkpoint must not look whole.
    (path / MARKER).unlink(missing_ok=True)
    sync(path)
    shutil.rmtree(path)
