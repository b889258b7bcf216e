"""The segments of a round in words, a table and a chart."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from selftrain.report.charts import Chart, Trace
from selftrain.report.record import RoundRecord
from selftrain.report.section import Section, Table
from selftrain.report.segment_words import many
from selftrain.report.segments import NAMES, SegmentCounts, cut_of, relative_scores, segment_counts
from selftrain.report.words import one_line

WHAT_THEY_ARE = (
    "Extractive pieces repeat what is given, abstractive ones infer something new. Pieces of one segment follow each "
    "other and have one label."
)
WIDTH, BARS = 0.1, 40
"""Of the bars of the chart, in means of a chain; the last one holds all that is above the others."""


def segment_section(found: RoundRecord, options: Mapping[str, Any]) -> Section | None:
    """The section of a round, whose recipe had these options; None for a round without segments."""
    if not found.chains:
        return None
    counts, relative = segment_counts(found.chains), relative_scores(found.chains)
    cut = cut_of(options, relative)
    return Section(
        name=f"segments-in-{found.number}",
        title=f"Segments, round {found.number}",
        sentence=_sentence(counts),
        notes=(f"{WHAT_THEY_ARE} {_scored(options, cut)}".strip(), _chains(counts)),
        tables=(_by_label(counts),),
        chart=_chart(found.number, relative, cut) if any(relative.values()) else None,
    )


def _sentence(c: SegmentCounts) -> str:
    if not c.pieces:
        return f"{many(c.chains, 'chain')} without any piece."
    return (
        f"{many(c.chains, 'chain')} in {many(c.pieces, 'piece')}, {c.pieces / c.chains:.1f} a chain, of which "
        f"{c.share('A'):.0%} are abstractive. They make {many(c.segments, 'segment')} of {c.words / c.segments:.1f} "
        "words on average."
    )


def _scored(options: Mapping[str, Any], cut: float) -> str:
    strategy = options.get("strategy")
    by = f"The recipe's strategy is {one_line(strategy, 30)}." if isinstance(strategy, str) else ""
    above = f"A piece is abstractive if it scores above {cut:.4g} times the mean of its own chain."
    return " ".join(part for part in (by, "" if math.isnan(cut) else above) if part)


def _chains(c: SegmentCounts) -> str:
    left_out = f"{c.untrained:,} {'is' if c.untrained == 1 else 'are'}" if c.untrained else "none is"
    return (
        f"Written by the model: {c.chains - c.rationales:,}; by people: {c.rationales:,}. Of all of them {left_out} "
        "left out of the training set."
    )


def _by_label(c: SegmentCounts) -> Table:
    rows = [(NAMES[label], one.pieces, one.segments, one.words, one.characters) for label, one in c.by_label.items()]
    means = [f"{one.mean:.4g}" if one.scored else "-" for one in c.by_label.values()]
    return Table(
        "By label",
        ("", "pieces", "share of pieces", "mean score", "segments", "words a segment", "share of characters"),
        [
            (
                name,
                f"{pieces:,}",
                _share(pieces, c.pieces),
                mean,
                f"{segments:,}",
                f"{words / segments:.1f}" if segments else "-",
                _share(characters, c.characters),
            )
            for (name, pieces, segments, words, characters), mean in zip(rows, means, strict=True)
        ],
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _chart(number: int, relative: Mapping[str, Sequence[float]], cut: float) -> Chart:
    """How many pieces of each label score how many times the mean of their chain."""
    counts = {label: Counter(map(_bar, values)) for label, values in relative.items()}
    used = sorted({bar for of in counts.values() for bar in of})
    total = sum(map(len, relative.values()))
    means = [f"{name} {sum(of) / len(of):.2f}" for label, name in NAMES.items() if (of := relative[label])]
    return Chart(
        name=f"segments-{number}",
        title=f"Scores of the pieces, round {number}",
        sentence=f"Mean score of the pieces, as a multiple of the mean of their chain: {', '.join(means)}.",
        note=f"{many(total, 'piece')} with a score, as a multiple of the mean score of their own chain."
        + ("" if math.isnan(cut) else f" Dashed: the cut at {cut:.4g}; a piece to its right is abstractive."),
        traces=list(_bars(counts)),
        layout={
            "height": 320,
            "barmode": "stack",
            "bargap": 0.08,
            "xaxis": {
                "title": {"text": "score over the mean of the chain"},
                "range": [0, round(max(used[-1] * WIDTH, 0 if math.isnan(cut) else cut) + WIDTH, 4)],
                "zeroline": False,
            },
            "yaxis": {"title": {"text": "pieces", "standoff": 10}, "rangemode": "tozero"},
            **({} if math.isnan(cut) else _line(cut)),
        },
        columns=("score over the mean", *NAMES.values()),
        rows=[(_span(bar), *(f"{counts[label][bar]:,}" for label in NAMES)) for bar in used],
    )


def _bar(value: float) -> int:
    """Its bar, 1 the first; one holds its upper end, as extractive pieces do the cut."""
    return max(1, min(BARS, math.ceil(round(value / WIDTH, 6))))


def _span(bar: int) -> str:
    low = f"{(bar - 1) * WIDTH:.1f}"
    return f"above {low}" if bar == BARS else f"{low} to {bar * WIDTH:.1f}"


def _bars(counts: Mapping[str, Counter[int]]) -> Iterator[Trace]:
    """Abstractive ones are hatched, so that they are told apart without colours."""
    for label, name in NAMES.items():
        bars = sorted(counts[label])
        if bars:
            hatched = {"shape": "/", "size": 6, "solidity": 0.35, "fillmode": "replace"} if label == "A" else {}
            yield {
                "type": "bar",
                "name": name,
                "x": [round((bar - 0.5) * WIDTH, 4) for bar in bars],
                "y": [counts[label][bar] for bar in bars],
                "width": [0.92 * WIDTH] * len(bars),
                "marker": {"color": f"@{name}", "pattern": hatched, "line": {"color": f"@{name}", "width": 1}},
                "customdata": [_span(bar) for bar in bars],
                "hovertemplate": f"%{{customdata}} times the mean: %{{y}} {name}<extra></extra>",
            }


def _line(cut: float) -> dict[str, Any]:
    line = {"color": "@ink", "width": 1.5, "dash": "dash"}
    place = {"x0": cut, "x1": cut, "yref": "paper", "y0": 0, "y1": 1}
    return {"shapes": [{"type": "line", **place, "line": line}]}
