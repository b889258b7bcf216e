"""Measurements, each in a process of its own, kept in a file so that what was cut short goes on where it stopped."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Measurement = dict[str, Any]
WIDTH = 120
"""Of a table in characters, in a file, too."""


class Record:
    """The measurements in a file, all taken with the same settings.

    Exits where the file holds measurements with other settings.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.settings = settings
        self._path = path
        self._measured: list[Measurement] = []
        if path.exists():
            held = json.loads(path.read_text())
            if held["settings"] != settings:
                sys.exit(f"{path} holds measurements with {held['settings']}, now it is {settings}: name another file")
            self._measured = held["measured"]

    def of(self, **labels: Any) -> list[Measurement]:
        """The measurements with these labels, in the order they were taken."""
        return [item for item in self._measured if labels.items() <= item.items()]

    def take(self, measure: Callable[[], Measurement], **labels: Any) -> Measurement:
        """The measurement with these labels; measured, and kept, if the file lacks it."""
        if not self.of(**labels):
            self._measured.append({**labels, **measure()})
            self._path.write_text(json.dumps({"settings": self.settings, "measured": self._measured}, indent=1))
        return self.of(**labels)[0]

    def show(self, table: Table) -> None:
        """Prints a table and the settings it was measured with."""
        console = Console(width=WIDTH)
        console.print(table)
        console.print(", ".join(f"{key} {value}" for key, value in self.settings.items()), highlight=False)


def in_own_process(script: str, arguments: Sequence[object]) -> Measurement:
    """What a script, told `--out FILE`, writes to the file. Exits with its last words if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "measured.json"
        command = [sys.executable, script, *map(str, arguments), "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command[1:])} failed:\n{done.stderr[-2000:]}")
        found: Measurement = json.loads(out.read_text())
    return found


def machine(*libraries: str) -> dict[str, Any]:
    """What of the machine and the installed libraries must be equal for measurements to be put beside each other."""
    import torch

    return {
        "threads": torch.get_num_threads(),
        "bf16_units": "amx" if torch.cpu._is_amx_tile_supported() else "no amx",
        **{library: version(library) for library in libraries},
    }
