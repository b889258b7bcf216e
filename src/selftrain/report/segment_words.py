"""What chains were cut into, in one line: for the story of a run as it happens, its page and the terminal."""

from collections.abc import Sequence

from selftrain.report.segments import NAMES, segment_counts
from selftrain.segments.chains import Chain


def segments_line(chains: Sequence[Chain]) -> str:
    """How many pieces and segments a round's chains have, by label; without any chain the line is empty."""
    if not chains:
        return ""
    found = segment_counts(chains)
    share = f", {found.share('A'):.0%} abstractive" if found.pieces else ""
    each = ", ".join(f"{found.by_label[label].segments:,} {name}" for label, name in NAMES.items())
    untrained = f"; {many(found.untrained, 'chain')} not trained" if found.untrained else ""
    return (
        f"{many(found.chains, 'chain')} in {many(found.pieces, 'piece')}{share}; "
        f"{many(found.segments, 'segment')}: {each}{untrained}"
    )


def many(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
