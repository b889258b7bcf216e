"""The words in which a run is told: on its page and in the terminal."""

from collections.abc import Iterator

from selftrain.audit import verdict_line
from selftrain.audit.words import MEANINGS
from selftrain.progress import printable
from selftrain.report.pseudo_words import pseudo_line
from selftrain.report.record import RoundRecord, RunRecord
from selftrain.report.segment_words import segments_line


def headline(run: RunRecord) -> tuple[str, str]:
    """The verdict's word (`progress`, ..., `base kept`, `not finished`) and what it means in one sentence."""
    if not run.finished:
        return "not finished", "This run has not come to its end: what follows is what there is so far."
    if run.audit is None:
        return "base kept", "No candidate was promoted: the base model is kept, and the test split was not read."
    return run.audit.verdict, MEANINGS[run.audit.verdict]


def told(run: RunRecord) -> str:
    """The final verdict in one sentence, with what it rests on; empty without a final audit."""
    return f"{verdict_line(run.audit)} (final model against the base, {run.split})" if run.audit else ""


def base_lines(run: RunRecord) -> Iterator[str]:
    """pass@1 of the base under each prompt."""
    count = sum(row["part"] == "select" for row in run.problems)
    on = f"select ({count:,} problems)" if count else "select"
    for name, value in run.baseline.get("pass@1", {}).items():
        yield f"base, {name}: pass@1 {value:.3f} on {on}"


def round_lines(found: RoundRecord) -> Iterator[str]:
    """What became of a round: its funnel, its rows, its audit, its promotion."""
    start, funnel = f"round {found.number}:", found.funnel
    if funnel:
        judged = f", {funnel['right']:,} right" if found.judged else ""
        unjudged = f", {funnel['unjudged']:,} unjudged" if funnel["unjudged"] else ""
        if funnel["responses"]:
            yield f"{start} {funnel['responses']:,} responses to {funnel['questions']:,} questions{judged}{unjudged}"
        yield from (f"{start} {printable(note)}" for note in funnel.get("notes", ()))
        if found.pseudo_labels:
            yield f"{start} {pseudo_line(found.pseudo_labels)}"
        if found.chains:
            yield f"{start} {segments_line(found.chains)}"
        dropped = "".join(f"; dropped {count:,}: {reason}" for reason, count in funnel["dropped"].items())
        weights = [row["weight"] for row in found.rows]
        spread = f"{len(weights):,} {found.noun}, weights {min(weights):.2f} to {max(weights):.2f}" if weights else ""
        yield f"{start} {spread or 'nothing to train on'}{dropped}"
    if found.audit:
        yield f"{start} {verdict_line(found.audit)} (select)"
    if found.facts:
        yield f"{start} {found.facts['reason']}"
    elif funnel:
        yield f"{start} not decided yet"


def clipped(text: str, limit: int) -> str:
    """Text of any origin, visible and at most `limit` characters long; what is cut from its middle is counted."""
    left_out = len(text) - limit
    if left_out <= 0:
        return printable(text)
    head, tail = text[: limit // 2], text[-(limit - limit // 2) :]
    return printable(f"{head}\n[... {left_out:,} characters left out ...]\n{tail}")


def one_line(text: str, width: int) -> str:
    """Text of any origin as one visible line of at most `width` characters."""
    # Twice the width is enough to look at, however long the text is.
    line = printable(" ".join(text[: 4 * width].split()))
    return line if len(line) <= width and len(text) <= 4 * width else line[: width - 3] + "..."
