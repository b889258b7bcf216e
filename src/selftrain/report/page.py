"""The page: everything in one HTML file, in which what models and data files say is never markup."""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from selftrain.audit.words import level, sentences
from selftrain.progress import printable
from selftrain.report import charts
from selftrain.report.charts import Chart
from selftrain.report.figures import tables
from selftrain.report.pseudo_section import pseudo_section
from selftrain.report.record import RoundRecord, RunRecord
from selftrain.report.responses import Drawn, Responses
from selftrain.report.section import Section
from selftrain.report.segment_section import segment_section
from selftrain.report.views import (
    Compared,
    View,
    compared_responses,
    drawn_for_training,
    pseudo_labelled,
    segmented,
    trained,
)
from selftrain.report.words import base_lines, headline, round_lines, told

LARGEST = 15_000_000
"""Bytes of a page."""
ROOMY = 40_000_000
"""Characters of responses that are looked at before they are compressed; bounds memory and time."""
CHARTED = 2
"""Rounds, the last ones, whose weights and funnel are drawn; of the others the numbers are told."""
ORDER = ("curve", "gains", "support", "diversity", "weights", "funnel")
"""Of the charts, by the first word of their names."""
_SHEET = re.compile(r'document\.getElementById\("([0-9a-f]{64})"\)')
"""Plotly adds a style sheet for maps, which the policy forbids, unless an element has the sheet's id."""
_PLAIN = json.JSONEncoder(separators=(",", ":"))
_ESCAPED = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def page(run: RunRecord, largest: int = LARGEST) -> str:
    """The page of a run, at most `largest` bytes: problems that find no room are counted on it."""
    responses = Responses(run)
    found = compared_responses(run, responses)
    views = [found.view] if found else []
    results, making = _charts(run, found), list[Chart]()
    for one in run.rounds:
        drawn = drawn_for_training(run, one, responses)
        if drawn:
            views.append(trained(run, one, drawn))
        if one.pseudo_labels:
            views.append(pseudo_labelled(run, one))
        if one.chains:
            views.append(segmented(run, one))
        if one in run.rounds[-CHARTED:]:
            making += _round_charts(one, drawn, responses)
    told_of = [part for one in run.rounds for part in (pseudo_section(one), segment_section(one, run.options(one)))]
    sections = [part for part in told_of if part]
    shown: list[Chart | Section] = [*_ordered(results), *sections, *_ordered(making)]
    if stages := charts.stages_chart(run.stages):
        shown.append(stages)
    empty = _render(run, views, shown, "")
    data = _fitting(views, _drawn(shown), largest - len(empty.encode()))
    return _render(run, views, shown, data)


def embedded(value: Any) -> str:
    """JSON as it may stand inside a script element."""
    return _PLAIN.encode(value).translate(_ESCAPED)


def _ordered(made: Sequence[Chart]) -> list[Chart]:
    return sorted(made, key=lambda chart: ORDER.index(chart.name.split("-")[0]))


def _drawn(shown: Sequence[Chart | Section]) -> list[Chart]:
    found = (part.chart if isinstance(part, Section) else part for part in shown)
    return [chart for chart in found if chart]


def _charts(run: RunRecord, found: Compared | None) -> list[Chart]:
    if run.latest is None:
        return []
    audit, split = run.latest
    made = [charts.curve_chart(audit, split), charts.support_chart(audit, split), charts.diversity_chart(audit, split)]
    if found and found.changes:
        made.append(charts.gains_chart(found.changes, found.beside, audit, split))
    return [chart for chart in made if chart]


def _round_charts(found: RoundRecord, drawn: Drawn, responses: Responses) -> list[Chart]:
    clusters = {key: c for step in found.funnel.get("draws", {}) for key, c in responses.clusters(step).items()}
    # The answers that a pseudo-label was chosen from are few and of several prompts: they have no entropy to speak of.
    weights = None if found.pseudo_labels else charts.weights_chart(found, drawn, clusters)
    return [chart for chart in (weights, charts.funnel_chart(found)) if chart]


def _fitting(views: Sequence[View], drawn: Sequence[Chart], room: int) -> str:
    """The data of the page, embedded: as large a share of every view's problems as there is room for."""
    share = min(1.0, ROOMY / max(1, sum(view.characters() for view in views)))
    while True:
        data = _packed(views, drawn, share)
        if len(data) <= room or share == 0:
            return data
        share = 0.9 * share * room / len(data) if room > 0 and share > 0.001 else 0


def _packed(views: Sequence[View], drawn: Sequence[Chart], share: float) -> str:
    listed = []
    for view in views:
        items = view.items(int(share * len(view)))
        sides = [printable(side) for side in view.sides]
        named = {"title": view.title, "sides": sides, "pseudo": bool(view.labels), "chains": bool(view.chains)}
        listed.append({**named, "items": items, "all": len(view)})
    value = {"charts": {chart.name: chart.to_json() for chart in drawn}, "views": listed}
    return _squeezed(_PLAIN.encode(value))


def _render(run: RunRecord, views: Sequence[View], shown: Sequence[Chart | Section], data: str) -> str:
    from selftrain.plan import planned_and_true

    scripts = [_part("charts.js"), _part("segments.js"), _part("explorer.js")]
    plotly, packed = _plotly()
    style = _part("style.css")
    word, meaning = headline(run)
    text: str = _template().render(
        policy=_policy([plotly, *scripts], [style, ""]),
        scripts=scripts,
        plotly=packed,
        sheets=_SHEET.findall(plotly),
        style=style,
        data=data or '""',
        run=run,
        word=word,
        meaning=meaning,
        told=told(run),
        base=list(base_lines(run)),
        rounds=[(one, list(round_lines(one)), tables(one.audit) if one.audit else []) for one in run.rounds],
        audit=run.audit,
        level=level,
        figures=tables(run.audit) if run.audit else [],
        found=list(sentences(run.audit)) if run.audit else [],
        shown=shown,
        planned=planned_and_true(run.folder),
        views=views,
        settings=yaml.safe_dump(dict(run.config), sort_keys=False, allow_unicode=True),
    )
    return text


def _policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Nothing may be loaded, and nothing may run but the scripts that this page was written with."""
    return (
        f"default-src 'none'; script-src {_hashes(scripts)}; style-src {_hashes(styles)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hashes(texts: Sequence[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def _squeezed(text: str) -> str:
    """Text as `charts.js` unpacks it, embedded."""
    # mtime: the same run makes the same bytes.
    return embedded(base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode())


@cache
def _plotly() -> tuple[str, str]:
    """Plotly's script, plain and squeezed to two fifths of its size."""
    from plotly.offline import get_plotlyjs

    script = get_plotlyjs()
    return script, _squeezed(script)


@cache
def _part(name: str) -> str:
    return (files("selftrain.report") / "parts" / name).read_text(encoding="utf-8")


@cache
def _template() -> Any:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_part), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.finalize = lambda value: printable(value) if type(value) is str else value
    environment.filters["verbatim"] = _verbatim
    return environment.get_template("page.html")


def _verbatim(text: str) -> Any:
    """Our own scripts and styles, and data that `embedded` made: the only text that is not escaped."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704
