"""The page: complete, bounded, and text from models and data files is never markup."""

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from make_run import make_run
from markupsafe import escape

from selftrain.audit.words import sentences
from selftrain.report import write_report
from selftrain.report.page import LARGEST, embedded, page
from selftrain.report.record import read_run
from selftrain.report.views import LONGEST
from selftrain.report.words import clipped, one_line
from selftrain.training_set import Labelled, Pair

HOSTILE = {
    "script": "<script>document.title='owned'</script>",
    "end of script": "</script><script>document.title='owned'</script>",
    "comment": "<!-- <script>",
    "image": "<img src=x onerror=alert(1)>",
    "template": "{{7*7}}{% raw %}",
    "null": "a\0b",
    "terminal": "\x1b[2J\x1b]0;owned\x07",
    "bidi": "\u202eevil\u2069",
    "lines": "a\u2028b\u2029c",
    "address": "javascript:alert(1)",
    "attribute": '" onclick="alert(1)" x="',
}


class Reader(HTMLParser):
    """The tags, attributes and scripts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.scripts, self.styles = [], [], [], []
        self._open = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag in ("script", "style"):
            self._open = self.scripts if tag == "script" else self.styles
            self._open.append((dict(attrs).get("type"), ""))

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open is not None:
            self._open[-1] = (self._open[-1][0], self._open[-1][1] + data)


def data_of(text):
    """The data that a page carries."""
    return json.loads(carried(text)[0])


def carried(text):
    """What a page carries squeezed: its data, and plotly."""
    squeezed = [script for kind, script in Reader(text).scripts if kind]
    return [gzip.decompress(base64.b64decode(json.loads(one))).decode() for one in squeezed]


def policy_of(text):
    return re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#39;", "'")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return page(read_run(make_run(tmp_path_factory.mktemp("runs"), rounds=2)))


def test_the_page_tells_its_parts_in_order(plain):
    parts = [
        "Figures", "Solved within k responses", "Gains and losses", "Weights of the training rows",
        "From samples to training rows", "Time and tokens by stage", "What the run was made with",
        "Problems and responses",
    ]  # fmt: skip
    places = [plain.rindex(f">{part}") for part in parts]
    assert places == sorted(places)
    assert "Round 1: promoted" in plain
    assert "Round 2: promoted" in plain


@pytest.mark.parametrize(("kind", "noun"), [(Pair, "pairs"), (Labelled, "labelled responses")])
def test_the_page_calls_preferences_by_their_name(tmp_path, kind, noun):
    found = page(read_run(make_run(tmp_path, kind=kind)))
    for words in (f">Weights of the {noun}, round 1<", f">From samples to {noun}, round 1<", f" {noun}, weights 0.5"):
        assert words in found
    assert "training rows" not in found


def test_the_figures_have_their_level_and_their_problems(tmp_path):
    run = read_run(make_run(tmp_path))
    found = page(run)
    assert found.count("Intervals are at 95 %.") == 2  # the final table and that of the round
    for figure in run.audit.figures:
        assert f'<th scope="row">{figure.name}</th>\n<td class="n">{figure.problems}</td>' in found


def test_what_makes_no_verdict_is_folded(tmp_path):
    run = read_run(make_run(tmp_path))
    found = page(run)
    shown, folded = found.split('<details class="beside">')[:2]
    folded = folded[: folded.index("</details>")]
    for figure in run.audit.figures:
        assert f'<th scope="row">{figure.name}</th>' in (folded if figure.role == "secondary" else shown)
    last = folded[folded.index("Neither way is better: after minus before.") :]
    assert 'class="n">change</th>' in last
    assert not re.search("state-(up|down|held)|better by", last)


def test_what_else_was_found_is_told_once_with_its_split(tmp_path):
    run = read_run(make_run(tmp_path, rounds=2, level=lambda i: f"<b>{i % 2}</b>"))
    found = page(run)
    for line in sentences(run.audit):
        assert found.count(f"<li>{escape(line)}</li>") == 1
    assert "the models of all rounds on the select split. The null is" in found
    assert "pass@1 of the 3 models in order, 12 problems: " in found
    assert "pass@1 by level: &lt;b&gt;0&lt;/b&gt; 0." in found


def test_the_page_carries_every_problem_and_response(plain):
    views = data_of(plain)["views"]
    assert [view["title"] for view in views] == [
        "test problems, before and after",
        "round 1: training problems",
        "round 2: training problems",
    ]
    assert [len(view["items"]) for view in views] == [24, 12, 12]
    assert all(len(side) == 4 for view in views for item in view["items"] for side in item[6])
    assert views[0]["items"][0][6][0][0][0] == "text 0 of problem 0"


def test_the_page_loads_nothing(plain):
    names = {name for name, _ in Reader(plain).attributes}
    assert not names & {"src", "href", "action", "srcset", "style", "onclick", "onload"}
    assert "default-src 'none'" in policy_of(plain)
    assert "unsafe" not in policy_of(plain)


def test_the_policy_names_exactly_the_scripts_and_styles_there_are(plain):
    reader, policy = Reader(plain), policy_of(plain)

    def hashes(texts):
        return {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts}

    scripts, styles = re.search(r"script-src (.*?); style-src (.*?);", policy).groups()
    assert set(re.findall(r"sha256-([^']*)", scripts)) == hashes(
        [carried(plain)[1], *(text for kind, text in reader.scripts if not kind)]
    )
    assert set(re.findall(r"sha256-([^']*)", styles)) == hashes(text for _, text in reader.styles)


@pytest.fixture(scope="module")
def harmless(tmp_path_factory):
    return Reader(page(read_run(make_run(tmp_path_factory.mktemp("runs"), family=lambda i: "x"))))


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_text(tmp_path, harmless, kind):
    bad = HOSTILE[kind]
    folder = make_run(
        tmp_path, text=lambda i, k: bad, question=lambda name: f"{name} {bad}", family=lambda i: bad + "x"
    )
    found = page(read_run(folder))
    assert Reader(found).tags == harmless.tags
    assert {name for name, _ in Reader(found).attributes} == {name for name, _ in harmless.attributes}
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u202e\u2069]", found[: found.index("<script")])
    texts = {r[0] for view in data_of(found)["views"] for item in view["items"] for side in item[6] for r in side}
    assert texts == {clipped(bad, LONGEST)}


def test_names_from_data_are_no_markup_for_plotly(tmp_path):
    folder = make_run(tmp_path, family=lambda i: "<b>bold</b> <a href='javascript:alert(1)'>x</a>")
    labels = data_of(page(read_run(folder)))["charts"]["gains"]["layout"]["yaxis"]["ticktext"]
    assert not [label for label in labels if "<" in label.replace("<br>", "")]
    assert labels[0].startswith("&lt;b&gt;bold&lt;/b&gt;")


def test_embedded_json_cannot_leave_its_element():
    value = {"<a>": "</script><!-- & \u2028 \u2029 \ud800 \0"}
    text = embedded(value)
    assert not set("<>&\u2028\u2029\0") & set(text)
    assert json.loads(text) == value


def test_a_long_text_is_cut_in_its_middle():
    text = "a" * 500_000 + "b" * 500_000
    shown = clipped(text, LONGEST)
    assert len(shown) < LONGEST + 60
    assert shown.startswith("a" * 5_000)
    assert shown.endswith("b" * 5_000)
    assert "990,000 characters left out" in shown
    assert clipped("short", LONGEST) == "short"


def test_controls_are_shown_as_escapes():
    assert clipped("\0 \x1b[2J \u202e \ud800", 100) == r"\x00 \x1b[2J \u202e \ud800"
    assert one_line("a\nb\tc\x07 " + "d" * 99, 12) == r"a b c\x07..."


def test_a_response_of_a_megabyte_is_cut(tmp_path):
    found = page(read_run(make_run(tmp_path, count=3, text=lambda i, k: f"{i} {k} " + "x" * 1_000_000)))
    assert len(found) < 3_000_000
    response = data_of(found)["views"][0]["items"][0][6][0][0][0]
    assert "990,004 characters left out" in response


def test_where_there_is_no_room_fewer_problems_are_shown_and_counted(tmp_path):
    import random

    words = random.Random(0)
    folder = make_run(tmp_path, count=60, text=lambda i, k: words.randbytes(400).hex())
    run = read_run(folder)
    whole = len(page(run))
    small = page(run, whole - 100_000)
    assert len(small) <= whole - 100_000
    for view in data_of(small)["views"]:
        assert 0 < len(view["items"]) < view["all"]
    assert data_of(page(run, 100))["views"][0]["items"] == []


def test_an_unfinished_run_says_so(tmp_path):
    found = page(read_run(make_run(tmp_path, decided=False, finished=False)))
    assert "not finished</span> This run has not come to its end" in found
    assert "Round 1: not decided yet" in found
    assert "There is no final comparison." in found
    assert [view["title"] for view in data_of(found)["views"]] == ["round 1: training problems"]


def test_a_run_that_only_began_has_a_page(tmp_path):
    folder = make_run(tmp_path, rounds=1, decided=False, finished=False)
    for path in (folder / "rounds" / "01").iterdir():
        path.unlink()
    (folder / "metrics.jsonl").unlink()
    (folder / "problems.parquet").unlink()
    found = page(read_run(folder))
    assert "There are no responses to show yet" in found
    assert data_of(found) == {"charts": {}, "views": []}


def test_a_refused_run_keeps_the_base(tmp_path):
    found = page(read_run(make_run(tmp_path, promoted=False, rise=0.0)))
    assert "base kept</span> No candidate was promoted" in found
    assert "Round 1: not promoted" in found
    assert data_of(found)["views"][0]["title"] == "select problems, before and after"


def test_the_page_is_written_where_it_is_wanted(tmp_path):
    folder = make_run(tmp_path)
    assert write_report(folder) == folder / "report.html"
    assert write_report(folder, tmp_path / "x.html").read_bytes() == (folder / "report.html").read_bytes()
    assert (folder / "report.html").stat().st_size < LARGEST


def test_a_plan_stands_beside_what_came_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr("selftrain.plan.planned_and_true", lambda folder: ["stage  planned <s>", "train  30"])
    found = page(read_run(make_run(tmp_path)))
    assert "Planned, and what it came to</h2>" in found
    assert "stage  planned &lt;s&gt;\ntrain  30" in found
