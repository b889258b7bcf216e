"""The charts of a page: each a plotly figure in plain JSON, one sentence to read it by, and its numbers as a table.

Colours are names such as `@after`; the page puts in those of the light or the dark scheme.
"""

import html
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selftrain.audit import Audit, Figure
from selftrain.audit.detail import TEXTS
from selftrain.audit.words import level, written
from selftrain.progress import duration, printable
from selftrain.report.changes import Change, by_group
from selftrain.report.record import RoundRecord
from selftrain.report.responses import Drawn, cluster_key
from selftrain.signals import answer_entropy

Trace = dict[str, Any]
LABEL = 24
"""Characters of a line in a label."""
_SYMBOLS = {"before": "diamond", "after": "circle"}
_DIVERSITY = {
    "distinct-n": "share of different runs of 1 to 5 words",
    "equations": "share of different equations",
    "semantic": "1 minus the mean cosine of their embeddings",
}
"""Measures of diversity."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart."""

    name: str
    title: str
    sentence: str
    """What to see in it."""
    note: str
    """What it rests on: n, interval, units."""
    traces: list[Trace]
    layout: dict[str, Any]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_json(self) -> dict[str, Any]:
        """What plotly draws."""
        return {"data": self.traces, "layout": self.layout}


def curve_chart(audit: Audit, split: str) -> Chart:
    """pass@k of both models for every k."""
    curve = audit.curves["pass@k"]
    last = curve.ks[-1]
    rests_on = next(figure.problems for figure in audit.figures if figure.name == f"pass@{last}")
    many = f", and {curve.after[-1]:.0%} with {last} (before {curve.before[-1]:.0%})" if last > 1 else ""
    crossing = f" At k = {curve.crossover} the model before is ahead, at no smaller k." if curve.crossover else ""
    traces = [
        *_banded("before", "@before", "dash", curve.ks, curve.before, curve.before_low, curve.before_high),
        *_banded("after", "@after", "solid", curve.ks, curve.after, curve.after_low, curve.after_high),
    ]
    ends = zip(
        curve.ks, curve.before, curve.before_low, curve.before_high, curve.after, curve.after_low, curve.after_high,
        strict=True,
    )  # fmt: skip
    return Chart(
        name="curve",
        title="Solved within k responses",
        sentence=f"With one response the model solves {curve.after[0]:.0%} of the problems "
        f"(before {curve.before[0]:.0%}){many}.{crossing}",
        note=f"{audit.labels['before']['model']} (before) and {audit.labels['after']['model']} (after) on "
        f"{_problems(rests_on, split, last)}; bands: {level(audit)} intervals, by resampling problems.",
        traces=traces,
        layout={
            "height": 340,
            "xaxis": {"title": {"text": "k, responses a problem"}, "tickvals": _ticks(last), "range": _reach(last)},
            "yaxis": {"title": {"text": "pass@k, share of problems"}, "range": [0, 1], "tickformat": ".0%"},
        },
        columns=("k", "before", "interval", "after", "interval"),
        rows=[
            (str(k), f"{b:.3f}", f"{bl:.3f} to {bh:.3f}", f"{a:.3f}", f"{al:.3f} to {ah:.3f}")
            for k, b, bl, bh, a, al, ah in ends
        ],
    )


def gains_chart(found: Sequence[Change], beside: Sequence[Change], audit: Audit, split: str) -> Chart:
    """Problems whose share of right responses rose or fell, by group."""
    rose, fell = sum(c.difference > 1e-9 for c in found), sum(c.difference < -1e-9 for c in found)
    groups = [*by_group(found), *by_group(beside)]
    names = [_label(g.name, g.problems) for g in groups]
    reach = next(r for r in (10, 25, 50, 100) if 100 * max(max(g.rose, g.fell) / g.problems for g in groups) <= r)
    each = audit.labels["after"]["samples"]
    return Chart(
        name="gains",
        title="Gains and losses by kind of problem",
        sentence=f"{rose:,} of {len(found):,} {split} problems are answered right more often than before, "
        f"{fell:,} less often, {len(found) - rose - fell:,} as often.",
        note=f"Share of a group's problems whose share of right responses rose or fell, {each} responses a problem "
        "and model. Sampling alone moves problems both ways.",
        traces=[
            _bars("fell", "@loss", [-100 * g.fell / g.problems for g in groups], [f"{g.fell}" for g in groups]),
            _bars("rose", "@gain", [100 * g.rose / g.problems for g in groups], [f"{g.rose}" for g in groups]),
        ],
        layout={
            **_rows_layout(names, 54),
            "barmode": "relative",
            "xaxis": {
                "title": {"text": "problems of the group, %"},
                "range": [-reach, reach],
                "tickvals": [-reach, -reach / 2, 0, reach / 2, reach],
                "ticktext": [f"{abs(share):g}" for share in (reach, reach / 2, 0, reach / 2, reach)],
                "zeroline": True,
            },
        },
        columns=("group", "problems", "rose", "as before", "fell"),
        rows=[(printable(g.name), str(g.problems), str(g.rose), str(g.same), str(g.fell)) for g in groups],
    )


def support_chart(audit: Audit, split: str) -> Chart:
    """Problems solved before, after, by both or neither; beside it the parent against itself."""
    chance = audit.null.support if audit.null and audit.null.kind == "fresh" else None
    bars = {"after training": audit.support, **({"chance alone": chance} if chance else {})}
    kinds = {"kept": "@kept", "gained": "@gain", "lost": "@loss", "neither": "@neither"}
    k = audit.counts["largest common k"]
    counts = {name: round(sum(b[kind] for kind in kinds)) for name, b in bars.items()}
    fresh = f" ({counts['chance alone']:,} problems)" if chance else ""
    again = " (sampling the same model again gains {gained:.0f} and loses {lost:.0f})"
    return Chart(
        name="support",
        title="Which problems are solved at all",
        sentence=f"{audit.support['gained']:.0f} problems are solved that were not before and "
        f"{audit.support['lost']:.0f} are lost{again.format(**chance) if chance else ''}.",
        note=f"Solved: at least one right answer in {k} responses; {_problems(counts['after training'], split, k)}. "
        f"Chance alone: the model before, sampled a second time{fresh}.",
        traces=[
            _bars(kind, colour, [b[kind] for b in bars.values()], [f"{b[kind]:.0f}" for b in bars.values()])
            for kind, colour in kinds.items()
        ],
        layout={**_rows_layout(list(bars)), "barmode": "stack", "xaxis": {"title": {"text": "problems"}}},
        columns=("", *kinds),
        rows=[(name, *(f"{b[kind]:.0f}" for kind in kinds)) for name, b in bars.items()],
    )


def diversity_chart(audit: Audit, split: str) -> Chart | None:
    """How varied right and wrong responses to a problem are, before and after."""
    found = sorted((f for f in audit.figures if f.name.partition(" ")[0] in _DIVERSITY), key=lambda f: f.name)
    if not found:
        return None
    sides = {"before": [f.before for f in found], "after": [f.after for f in found]}
    links = [end for pair in zip(*sides.values(), strict=True) for end in (*pair, None)]
    places = [place for place in range(len(found)) for _ in range(3)]
    kinds = list(dict.fromkeys(f.name.partition(" ")[0] for f in found))
    return Chart(
        name="diversity",
        title="How varied the responses to a problem are",
        sentence=_varied(found[0]),
        note=f"Means over {split} problems, of the first responses of each, at most {TEXTS}, as many of both models. "
        + "; ".join(f"{kind}: {_DIVERSITY[kind]}" for kind in kinds)
        + ".",
        traces=[
            {"type": "scatter", "mode": "lines", "x": links, "y": places, "hoverinfo": "skip",
             "line": {"color": "@neither", "width": 3}},
            *(
                {"type": "scatter", "mode": "markers", "name": side, "x": values, "y": list(range(len(found))),
                 "marker": {"color": f"@{side}", "size": 11, "symbol": _SYMBOLS[side]}, "cliponaxis": False,
                 "hovertemplate": f"{side}: %{{x:.3f}}<extra></extra>"}
                for side, values in sides.items()
            ),
        ],
        layout={
            **_rows_layout([f.name for f in found]),
            "xaxis": {"title": {"text": "diversity"}, "rangemode": "tozero"},
        },
        columns=("measure", "problems", "before", "after", "difference", "interval"),
        rows=[(f.name, f"{f.problems:,}", *written(f)[:3], f"{written(f).low} to {written(f).high}") for f in found],
    )  # fmt: skip


def weights_chart(found: RoundRecord, drawn: Drawn, clusters: Mapping[str, Sequence[int]]) -> Chart | None:
    """Weight of each training row against the entropy of the answers to its problem."""
    points: Counter[tuple[float, float]] = Counter()
    for row in found.rows:
        shown = drawn.get(row["problem"], ())
        groups = clusters.get(cluster_key(row["problem"], (one.answer for one in shown)))
        if groups:
            judged = [c for c, one in zip(groups, shown, strict=True) if one.mark != "unjudged"]
            stated = [c for c, one in zip(groups, shown, strict=True) if one.answer is not None]
            counts = Counter(judged or stated)  # a recipe that reads no gold answers has none of the former
            points[round(answer_entropy(list(counts.values())), 3), round(row["weight"], 3)] += 1
    if not points:
        return None
    seen = sorted(points)
    weights = [row["weight"] for row in found.rows]
    even = max(weights) - min(weights) < 1e-6
    said = "All weigh the same." if even else f"Weights run from {min(weights):.2f} to {max(weights):.2f}."
    return Chart(
        name=f"weights-{found.number}",
        title=f"Weights of the {found.noun}, round {found.number}",
        sentence=f"{said} An entropy of 0 means that all answers of the model to the question agreed.",
        note=f"{sum(points.values()):,} {found.noun}; a larger dot stands for more of them.",
        traces=[
            {
                "type": "scatter",
                "mode": "markers",
                "cliponaxis": False,
                "x": [entropy for entropy, _ in seen],
                "y": [weight for _, weight in seen],
                "customdata": [points[point] for point in seen],
                "marker": {
                    "color": "@after",
                    "opacity": 0.75,
                    "sizemode": "area",
                    "size": [points[point] for point in seen],
                    "sizeref": 2 * max(points.values()) / 30**2,
                    "sizemin": 3,
                },
                "hovertemplate": "entropy %{x:.2f} bits, weight %{y:.2f}: %{customdata} "
                + f"{found.noun}<extra></extra>",
            }
        ],
        layout={
            "height": 320,
            "xaxis": {"title": {"text": "answer entropy of the question, bits"}, "range": _room(e for e, _ in seen)},
            "yaxis": {"title": {"text": "weight, mean 1"}, "range": _room(w for _, w in seen)},
        },
        columns=("entropy, bits", "weight", found.noun),
        rows=[(f"{e:.3f}", f"{w:.3f}", str(points[e, w])) for e, w in seen],
    )


def funnel_chart(found: RoundRecord) -> Chart | None:
    """From the questions asked to the training rows."""
    f = found.funnel
    if not f:
        return None
    responses, questions, rows = (
        {"responses drawn": f["responses"]},
        {"questions asked": f["questions"]},
        {found.noun: f["rows"]},
    )
    if found.judged:
        responses |= {"judged": f["right"] + f["wrong"], "judged right": f["right"]}
        questions |= {"with a right response": f["groups_right"]}
    kinds = (
        ("responses", "@before", responses, 0),
        ("questions", "@kept", questions, len(responses)),
        (found.noun, "@after", rows, len(responses) + len(questions)),
    )
    dropped = [(f"dropped: {reason}", f"{count:,}") for reason, count in f["dropped"].items()]
    unjudged = {"unjudged": f["unjudged"]} if found.judged else {}
    counts = {**responses, **unjudged, **questions, **rows}
    came = f"{f['right']:,} were right" if found.judged else "none was judged"
    return Chart(
        name=f"funnel-{found.number}",
        title=f"From samples to {found.noun}, round {found.number}",
        sentence=f"Of {f['responses']:,} responses to {f['questions']:,} questions {came}; "
        f"the round made {f['rows']:,} {found.noun}.",
        note="; ".join(f"{count} {name}" for name, count in dropped) or "No question and no row was dropped.",
        traces=[
            _bars(kind, colour, list(values.values()), [f"{v:,}" for v in values.values()], "outside", first)
            for kind, colour, values, first in kinds
        ],
        layout={
            **_rows_layout([*responses, *questions, *rows]),
            "barmode": "stack",
            "xaxis": {"title": {"text": "number"}},
        },
        columns=("", "number"),
        rows=[*((name, f"{count:,}") for name, count in counts.items()), *dropped],
    )


def stages_chart(stages: Mapping[str, Mapping[str, float]]) -> Chart | None:
    """Seconds, and tokens, of each stage."""
    if not stages:
        return None
    total = sum(stage["seconds"] for stage in stages.values())
    longest = max(stages, key=lambda name: stages[name]["seconds"])
    words = [duration(stage["seconds"]) for stage in stages.values()]
    return Chart(
        name="stages",
        title="Time and tokens by stage",
        sentence=f"The run took {duration(total)}; the longest stage was {longest} "
        f"({stages[longest]['seconds'] / (total or 1):.0%}).",
        note="Over all sessions of the run. What was read back from an earlier run took no time, what a killed "
        "process was at is not counted.",
        traces=[_bars("seconds", "@after", [s["seconds"] for s in stages.values()], words, "outside")],
        layout={**_rows_layout(list(stages)), "xaxis": {"title": {"text": "seconds"}}},
        columns=("stage", "seconds", "rows made", "tokens", "tokens a second"),
        rows=[
            (
                name,
                f"{s['seconds']:,.1f}",
                f"{s['rows']:,.0f}",
                f"{s['tokens']:,.0f}",
                f"{s['tokens'] / s['seconds']:,.0f}" if s["tokens"] and s["seconds"] else "",
            )
            for name, s in stages.items()
        ],
    )


def _varied(figure: Figure) -> str:
    kind, _, mark = figure.name.partition(" ")
    vary = "vary less than" if figure.high < 0 else "vary more than" if figure.low > 0 else "vary about as much as"
    n = written(figure)
    return f"{mark.capitalize()} responses to a problem {vary} before: {kind} {n.before} to {n.after}."


def _banded(
    name: str, colour: str, dash: str, ks: list[int], line: list[float], low: list[float], high: list[float]
) -> list[Trace]:
    edge = {"type": "scatter", "x": ks, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    point: Trace = {
        "type": "scatter",
        "name": name,
        "x": ks,
        "y": line,
        "mode": "lines+markers",
        "line": {"color": colour, "width": 2.5, "dash": dash},
        "marker": {"color": colour, "size": 7, "symbol": _SYMBOLS[name]},
        "customdata": ks,
        "hovertemplate": f"{name}, k=%{{customdata}}: %{{y:.1%}}<extra></extra>",
    }
    if len(ks) == 1:
        error = {"array": [high[0] - line[0]], "arrayminus": [line[0] - low[0]]}
        return [{**point, "x": [0.95 if dash == "dash" else 1.05], "error_y": error}]
    return [{**edge, "y": low}, {**edge, "y": high, "fill": "tonexty", "fillcolor": f"{colour}-band"}, point]


def _bars(
    name: str, colour: str, values: Sequence[float], texts: Sequence[str], place: str = "auto", first: int = 0
) -> Trace:
    """Bars at the places `first`, `first` + 1, ...: by number, since two labels may read the same."""
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "y": list(range(first, first + len(values))),
        "x": list(values),
        "text": [text if value else "" for text, value in zip(texts, values, strict=True)],
        "textposition": place,
        "textangle": 0,
        "cliponaxis": False,
        "marker": {"color": colour},
        "hovertemplate": f"{name} %{{text}}<extra></extra>",
    }


def _rows_layout(labels: Sequence[str], each: int = 34) -> dict[str, Any]:
    return {
        "height": 70 + each * len(labels),
        "uniformtext": {"minsize": 9, "mode": "hide"},
        "bargap": 0.3,
        "yaxis": {
            "range": [len(labels) - 0.5, -0.5],
            "tickvals": list(range(len(labels))),
            "ticktext": list(labels),
            "showgrid": False,
            "zeroline": False,
        },
    }


def _label(name: str, count: int) -> str:
    """A name from data as plotly may draw it: short lines, since they share a narrow window with the bars, and
    escaped, since plotly reads some markup in labels."""
    short = printable(name) if len(name) <= 50 else printable(name[:47]) + "..."
    lines = textwrap.wrap(f"{short} n={count}", LABEL, max_lines=3, placeholder=" ...")
    return "<br>".join(html.escape(line, quote=False) for line in lines)


def _problems(count: int, split: str, k: int) -> str:
    """The problems that a chart of k responses rests on: those with fewer judged ones are left out."""
    return f"{count:,} {split} problems with {f'{k} judged responses or more' if k > 1 else 'a judged response'}"


def _ticks(last: int) -> list[int]:
    if last <= 8:
        return list(range(1, last + 1))
    powers = [2**i for i in range(last.bit_length()) if 2**i <= last]
    return [*(p for p in powers if p <= 0.75 * last), last]


def _reach(last: int) -> list[float]:
    return [0.7, last + 0.3] if last <= 8 else [1 - 0.02 * last, 1.02 * last]


def _room(values: Iterable[float]) -> list[float]:
    """An axis from 0 with some room for the dots at its ends."""
    most = max(values) or 1.0
    return [-0.05 * most, 1.08 * most]
