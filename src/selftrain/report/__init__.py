"""The report of a run: one page that opens from disk, made from the run's folder and its workspace's steps alone."""

from pathlib import Path

NAME = "report.html"


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Writes the page of a run, beside the run's files if no place is given; returns where.

    Raises WorkspaceError if the folder is not that of a run or a file in it is damaged.
    """
    from selftrain.report.page import page
    from selftrain.report.record import read_run
    from selftrain.store import write_text

    target = out or folder / NAME
    write_text(target, page(read_run(folder)))
    return target
