"""What became of pseudo-labels, in words: for the story of a run as it happens, its page and the terminal."""

import math
from collections.abc import Sequence

from selftrain.report.pseudo import Label, PseudoAccuracy, pseudo_accuracy


def pseudo_line(rows: Sequence[Label]) -> str:
    """How many of a round's pseudo-labels were kept, up to where, and how right they are where a probe tells.

    `rows` as `pseudo_labels.read_pseudo_labels` gives them; without any the line is empty.
    """
    if not rows:
        return ""
    a = pseudo_accuracy(rows)
    parts = (("before selection", a.before), ("kept", a.after), ("dropped", a.dropped))
    told = [f"{name} {one.share:.3f} ({one.right:,} of {one.judged:,})" for name, one in parts if one.judged]
    probed = f"; right on the probe: {', '.join(told)}" if told else ""
    return f"{a.labels:,} pseudo-labels: {ranked_line(a)}{probed}"


def ranked_line(a: PseudoAccuracy) -> str:
    """How many pseudo-labels could be ranked, which of them were kept, and why the others could not be."""
    counts = ((a.unstated, "without an answer"), (a.unsure, "without a finite confidence"))
    unranked = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    return "; ".join(part for part in (_kept(a), unranked) if part)


def _kept(a: PseudoAccuracy) -> str:
    if not a.ranked:
        return "none can be ranked"
    kept = f"{a.kept_ranked:,} of the {a.ranked:,} that can be ranked were kept ({a.kept_ranked / a.ranked:.1%})"
    if math.isnan(a.threshold):
        return kept
    tied = f", where {a.tied:,} tie" if a.tied > 1 else ""
    return f"{kept}, those with a mean negative log-likelihood of at most {a.threshold:.4g} nats a token{tied}"
