"""An audit for the terminal: a short table and one sentence."""

from typing import TYPE_CHECKING

from selftrain.audit.figures import Figure
from selftrain.audit.verdict import Audit

if TYPE_CHECKING:
    from rich.table import Table

_WORDS = {"up": "rose", "down": "fell", "unknown": "changed"}


def table(audit: Audit) -> "Table":
    """Every figure with before, after, gain with interval (positive is better) and state; fits 80 columns."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    result.add_column("figure", overflow="fold")
    for heading in ("before", "after", "better by", "interval"):
        result.add_column(heading, justify="right", no_wrap=True)
    result.add_column("state", no_wrap=True)
    for f in audit.figures:
        cells = (f"{f.before:.3f}", f"{f.after:.3f}", f"{f.difference:+.3f}", f"{f.low:+.3f} {f.high:+.3f}")
        # Text, since a suite's name may hold what rich would read as markup.
        result.add_row(Text(f.name), *cells, f.state)
    return result


def verdict_line(audit: Audit) -> str:
    """The verdict in one sentence: the gain, its interval, the problems and the figures that made it."""
    f = audit.primary
    level = f"{100 * (1 - audit.settings.alpha):g} %"
    gain = (
        f"{audit.verdict}: {f.name} {_WORDS[f.state]} by {f.difference:+.3f} "
        f"from {f.before:.3f} to {f.after:.3f} "
        f"({level} interval {f.low:+.3f} to {f.high:+.3f}, {f.problems} problems)"
    )
    others = _others(audit, [g for g in audit.figures if g.name in audit.because and g.role == "guard"])
    needed = f"; about {audit.problems_needed} problems would settle it" if audit.problems_needed else ""
    return gain + others + needed


def _others(audit: Audit, guards: list[Figure]) -> str:
    if not guards:
        return ""
    word = {"progress": "held", "inconclusive": "unknown"}.get(audit.verdict, "down")
    return f"; {word}: {', '.join(guard.name for guard in guards)}"
