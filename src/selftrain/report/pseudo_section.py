"""The pseudo-labels of a round in words, tables and a chart."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from selftrain.report.charts import Chart, Trace
from selftrain.report.pseudo import Accuracy, PseudoAccuracy, Tenth, pseudo_accuracy
from selftrain.report.pseudo_words import ranked_line
from selftrain.report.record import RoundRecord
from selftrain.report.section import Section, Table
from selftrain.report.words import one_line

NO_PROBE = (
    "How many are right is not known: none could be compared with a gold answer. To learn it, give the task a probe, "
    "by the option `probe` of `files` or gold answers in the training file; the recipe is never shown them."
)
WHAT_A_PROBE_IS = (
    "Accuracies are told from the probe: {probe:,} training problems whose gold answer the task knows. No recipe sees "
    "these answers, this report alone compares with them.{unjudged}"
)
_GAP = 0.4
"""Percent of the chart's width between two bars."""


def pseudo_section(found: RoundRecord) -> Section | None:
    """The section of a round; None for a round without pseudo-labels."""
    if not found.pseudo_labels:
        return None
    a = pseudo_accuracy(found.pseudo_labels)
    unjudged = f" {a.unjudged:,} of them could not be judged and are left out." if a.unjudged else ""
    probe = WHAT_A_PROBE_IS.format(probe=a.probe, unjudged=unjudged) if a.told else NO_PROBE
    ranked = ranked_line(a)
    return Section(
        name=f"pseudo-labels-{found.number}",
        title=f"Pseudo-labels, round {found.number}",
        sentence=_sentence(a),
        notes=(f"{ranked[0].upper()}{ranked[1:]}.", probe),
        tables=(_selection(a), _by_source(a)),
        chart=_chart(found.number, a) if a.tenths else None,
    )


def _sentence(a: PseudoAccuracy) -> str:
    kept = f"Of {a.labels:,} pseudo-labels {a.after.labels:,} were kept."
    if not a.told:
        return kept
    parts = (("of those that state an answer", a.before), ("of the kept", a.after), ("of the dropped", a.dropped))
    return f"{kept} Right are {', '.join(f'{one.share:.0%} {name}' for name, one in parts if one.judged)}."


def _selection(a: PseudoAccuracy) -> Table:
    parts = (
        ("before selection: all that state an answer", a.before),
        ("after selection: kept", a.after),
        ("dropped", a.dropped),
    )
    told = ("judged", "right", "accuracy", "95 % interval") if a.told else ()
    return Table(
        "Before and after selection",
        ("", "pseudo-labels", *told),
        [(name, f"{one.labels:,}", *(_written(one) if a.told else ())) for name, one in parts],
    )


def _by_source(a: PseudoAccuracy) -> Table:
    each = ("judged {}", "accuracy {}", "95 % interval")
    told = [name.format(when) for when in ("before", "after") for name in each if a.told]
    left = f"; only the {len(a.sources)} that wrote most" if sum(s.written for s in a.sources) < a.labels else ""
    return Table(
        f"By the configuration that wrote them{left}",
        ("configuration", "written", "kept", *told),
        [
            (
                one_line(s.source, 60),
                f"{s.written:,}",
                f"{s.after.labels:,}",
                *(cell for one in (s.before, s.after) for cell in _briefly(one) if a.told),
            )
            for s in a.sources
        ],
    )


def _briefly(one: Accuracy) -> tuple[str, str, str]:
    judged, _, accuracy, interval = _written(one)
    return judged, accuracy, interval


def _written(one: Accuracy) -> tuple[str, str, str, str]:
    """Judged, right, share and interval; `-` where there is none."""
    if not one.judged:
        return "0", "0", "-", "-"
    low, high = one.interval()
    return f"{one.judged:,}", f"{one.right:,}", f"{one.share:.3f}", f"{low:.3f} to {high:.3f}"


def _chart(number: int, a: PseudoAccuracy) -> Chart:
    """Accuracy of each tenth as a bar as wide as its share of the probe."""
    judged = sum(tenth.accuracy.judged for tenth in a.tenths)
    ends = [0.0]
    for tenth in a.tenths:
        ends.append(ends[-1] + 100 * tenth.accuracy.judged / judged)
    line = _threshold(a, judged)
    return Chart(
        name=f"pseudo-{number}",
        title=f"Accuracy by confidence, round {number}",
        sentence=_steepness(a.tenths, judged),
        note=f"{judged:,} judged pseudo-labels with a finite confidence, in tenths from the most to the least "
        "confident; equal ones stay together, so that a bar may be wider than a tenth. Confidence is the mean negative "
        "log-likelihood under the warm model, in nats a token: less is surer. Lines on the bars: 95 % intervals."
        + (" Dashed: the threshold, with the kept to its left." if line else ""),
        traces=list(_bars(a.tenths, ends)),
        layout={
            "height": 340,
            "barmode": "overlay",
            "xaxis": {
                "title": {"text": "judged pseudo-labels, the most confident first, %"},
                "range": [-1, 101],
                "tickvals": list(range(0, 101, 20)),
                "zeroline": False,
            },
            "yaxis": {"title": {"text": "accuracy", "standoff": 10}, "range": [0, 1.02], "tickformat": ".0%"},
            **line,
        },
        columns=("tenths", "nats a token", "judged", "right", "accuracy", "95 % interval", "kept", "share kept"),
        rows=[_row(tenth) for tenth in a.tenths],
    )


def _row(tenth: Tenth) -> tuple[str, ...]:
    kept = f"{tenth.kept / tenth.accuracy.judged:.3f}"
    nats = f"{tenth.low:.4f} to {tenth.high:.4f}"
    return _name(tenth), nats, *_written(tenth.accuracy), f"{tenth.kept:,}", kept


def _name(tenth: Tenth) -> str:
    return str(tenth.first) if tenth.first == tenth.last else f"{tenth.first} to {tenth.last}"


def _steepness(tenths: Sequence[Tenth], judged: int) -> str:
    first, last = tenths[0].accuracy, tenths[-1].accuracy
    if len(tenths) == 1:
        return f"All are equally confident: {first.share:.0%} are right."
    return (
        f"The most confident ({first.judged / judged:.0%} of them) are right in {first.share:.0%} of cases, "
        f"the least confident ({last.judged / judged:.0%}) in {last.share:.0%}."
    )


def _bars(tenths: Sequence[Tenth], ends: Sequence[float]) -> Iterator[Trace]:
    """A trace for what was kept, dropped and kept in part, so that each has its colour."""
    kinds = {"kept": "@kept", "kept in part": "@after", "dropped": "@neither"}
    for kind, colour in kinds.items():
        of = [i for i, tenth in enumerate(tenths) if _kind(tenth) == kind]
        if of:
            yield _trace(kind, colour, [tenths[i] for i in of], [(ends[i], ends[i + 1]) for i in of])


def _kind(tenth: Tenth) -> str:
    if tenth.kept in (0, tenth.accuracy.judged):
        return "kept" if tenth.kept else "dropped"
    return "kept in part"


def _trace(kind: str, colour: str, tenths: Sequence[Tenth], places: Sequence[tuple[float, float]]) -> Trace:
    shares = [tenth.accuracy.share for tenth in tenths]
    lows, highs = zip(*(tenth.accuracy.interval() for tenth in tenths), strict=True)
    return {
        "type": "bar",
        "name": kind,
        "x": [round((start + end) / 2, 4) for start, end in places],
        "width": [round(max(end - start - _GAP, _GAP), 4) for start, end in places],
        "y": [round(value, 4) for value in shares],
        "marker": {"color": colour, "opacity": 0.7},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [round(high - value, 4) for high, value in zip(highs, shares, strict=True)],
            "arrayminus": [round(value - low, 4) for low, value in zip(lows, shares, strict=True)],
            "color": "@ink",
            "thickness": 1.3,
            "width": 3,
        },
        "customdata": [_row(tenth) for tenth in tenths],
        "hovertemplate": "tenth %{customdata[0]}, %{customdata[1]} nats a token<br>"
        "%{customdata[3]} of n=%{customdata[2]} right: %{customdata[4]} (%{customdata[5]})<br>"
        "%{customdata[6]} of them kept<extra></extra>",
    }


def _threshold(a: PseudoAccuracy, judged: int) -> dict[str, Any]:
    """A dashed line between what was kept and what was dropped; nothing where confidence did not part them."""
    if math.isnan(a.threshold):
        return {}
    place = round(100 * sum(tenth.kept for tenth in a.tenths) / judged, 4)
    line = {"color": "@ink", "width": 1.5, "dash": "dash"}
    return {
        "shapes": [{"type": "line", "x0": place, "x1": place, "yref": "paper", "y0": 0, "y1": 1, "line": line}],
    }
