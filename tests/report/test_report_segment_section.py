"""Segments on a page, in its lists and in the terminal: what the file says, and nothing else."""

import json
import re
import shutil
from itertools import pairwise

import numpy as np
import pytest
from make_run import make_run
from make_segment_run import BETA, make_segment_run
from test_report_page import HOSTILE, Reader, data_of

from selftrain.errors import WorkspaceError
from selftrain.report.page import page
from selftrain.report.record import read_run
from selftrain.report.segment_pieces import MARKS, characters, shown_pieces
from selftrain.report.segment_section import BARS, WIDTH, segment_section
from selftrain.report.segment_words import segments_line
from selftrain.report.views import LONGEST, segmented
from selftrain.report.words import clipped, round_lines
from selftrain.segments.chains import Chain, save_chains
from selftrain.story import story

FILE = "rounds/01/segments.parquet"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_segment_run(tmp_path_factory.mktemp("runs"), count=60)


@pytest.fixture(scope="module")
def run(folder):
    return read_run(folder)


@pytest.fixture(scope="module")
def chains(run):
    return run.rounds[0].chains


@pytest.fixture(scope="module")
def section(run):
    return segment_section(run.rounds[0], run.options(run.rounds[0]))


@pytest.fixture(scope="module")
def html(run):
    return page(run)


def flat(chains, label):
    """Pieces of a label with their scores and the means of their chains."""
    return [
        (piece, score, np.mean(chain.scores))
        for chain in chains
        for piece, score, own in zip(chain.pieces, chain.scores, chain.labels, strict=True)
        if own == label
    ]


def test_the_sentence_holds_what_the_file_says(chains, section):
    pieces = [piece for chain in chains for piece in chain.pieces]
    segments = sum(len(set(chain.segments)) for chain in chains)
    share, words = np.mean([own == "A" for c in chains for own in c.labels]), len(" ".join(pieces).split())
    assert section.sentence == (
        f"120 chains in {len(pieces)} pieces, {len(pieces) / 120:.1f} a chain, of which {share:.0%} are abstractive. "
        f"They make {segments} segments of {words / segments:.1f} words on average."
    )
    assert section.notes[0].endswith(
        "The recipe's strategy is entropy. A piece is abstractive if it scores above 1.4 times the mean of its own "
        "chain."
    )
    assert section.notes[1] == (
        "Written by the model: 96; by people: 24. Of all of them 17 are left out of the training set."
    )


def test_the_table_by_label_holds_what_the_file_says(chains, section):
    (table,) = section.tables
    whole = sum(len(piece) for chain in chains for piece in chain.pieces)
    many = sum(len(chain.pieces) for chain in chains)
    for label, cells in zip("EA", table.rows, strict=True):
        own = flat(chains, label)
        segments = sum(len({s for s, at in zip(c.segments, c.labels, strict=True) if at == label}) for c in chains)
        assert cells == (
            {"E": "extractive", "A": "abstractive"}[label],
            f"{len(own)}",
            f"{len(own) / many:.1%}",
            f"{np.mean([score for _, score, _ in own]):.4g}",
            f"{segments}",
            f"{sum(len(piece.split()) for piece, _, _ in own) / segments:.1f}",
            f"{sum(len(piece) for piece, _, _ in own) / whole:.1%}",
        )
    assert all(len(cells) == len(table.columns) for cells in table.rows)


def test_the_chart_counts_every_piece_on_its_side_of_the_cut(chains, section):
    chart = section.chart
    assert [trace["name"] for trace in chart.traces] == ["extractive", "abstractive"]
    for label, trace in zip("EA", chart.traces, strict=True):
        times = [score / mean for _, score, mean in flat(chains, label)]
        upper = WIDTH * np.arange(1, BARS) + 1e-9  # a bar holds its upper end
        wanted = np.bincount(np.searchsorted(upper, times), minlength=BARS)
        drawn = np.zeros(BARS, dtype=int)
        drawn[np.floor(np.array(trace["x"]) / WIDTH).astype(int)] = trace["y"]
        assert drawn.tolist() == wanted.tolist()
        assert all((x > BETA) == (label == "A") for x in trace["x"])
    (line,) = chart.layout["shapes"]
    assert line["x0"] == line["x1"] == BETA
    assert chart.layout["xaxis"]["range"][1] > max(chart.traces[1]["x"])
    assert sum(int(cell) for row in chart.rows for cell in row[1:]) == sum(len(c.pieces) for c in chains)
    assert [trace["marker"]["pattern"] != {} for trace in chart.traces] == [False, True]


def scored(scores, labels, **more):
    """A chain of one word a piece."""
    made = {"problem": "p", "response": "r", "source": "response", "scores": scores, "labels": labels, "trained": True}
    each = {"pieces": ("word",) * len(labels), "segments": tuple(range(len(labels)))}
    return Chain(**(made | each | more))


def section_of(tmp_path, chains, options=None):
    folder = make_segment_run(tmp_path, count=3, options=options or {})
    save_chains(folder / FILE, chains)
    run = read_run(folder)
    assert page(run)
    return segment_section(run.rounds[0], run.options(run.rounds[0]))


def test_a_piece_at_the_cut_is_left_of_it(tmp_path):
    """As it is extractive; and what is far above all others is in the last bar."""
    section = section_of(tmp_path, [scored((1.4, 0.6), "EE"), scored((49.0,) + (0.0,) * 48 + (1.0,), "A" + "E" * 49)])
    low, high = section.chart.traces
    assert low["x"] == [0.05, 0.55, 0.95, 1.35]
    assert high["x"] == [round((BARS - 0.5) * WIDTH, 4)]
    assert section.chart.rows[-1] == ("above 3.9", "0", "1")
    assert "Dashed: the cut at 1.4;" in section.chart.note


def test_no_cut_is_told_where_scores_did_not_decide(tmp_path):
    section = section_of(tmp_path, [scored((1.0, 2.0, 3.0), "EAE")])
    assert "shapes" not in section.chart.layout
    assert "Dashed" not in section.chart.note
    assert "scores above" not in section.notes[0]


def test_without_scores_there_is_no_chart_and_no_cut(tmp_path):
    folder = make_segment_run(tmp_path, scored=False, options={"strategy": "location", "beta": 1.4})
    run = read_run(folder)
    section = segment_section(run.rounds[0], run.options(run.rounds[0]))
    assert section.chart is None
    assert [row[3] for row in section.tables[0].rows] == ["-", "-"]
    assert section.notes[0].endswith("The recipe's strategy is location.")
    found = page(run)
    assert 'id="c-segments-1"' not in found
    (view,) = [view for view in data_of(found)["views"] if view["chains"]]
    assert {one[4] for item in view["items"] for r in item[6][0] for one in r[0]} == {None}
    assert {tuple(r[6][2:4]) for item in view["items"] for r in item[6][0]} == {(None, None)}


def test_chains_without_pieces_are_told(tmp_path):
    assert section_of(tmp_path, [scored((), "")] * 2).sentence == "2 chains without any piece."


def test_the_page_has_the_section_after_the_results(html):
    parts = ["How varied the responses", "Segments, round 1", "Scores of the pieces", "From samples to"]
    places = [html.rindex(f">{part}") for part in parts]
    assert places == sorted(places)
    assert "segments-1" in data_of(html)["charts"]
    assert len(re.findall('id="segments-in-1"', html)) == 1


def test_every_round_with_segments_has_its_section(tmp_path):
    folder = make_segment_run(tmp_path, rounds=3, count=3)
    (folder / "rounds" / "02" / "segments.parquet").unlink()
    found = page(read_run(folder))
    assert [f">Segments, round {i}<" in found for i in (1, 2, 3)] == [True, False, True]
    titles = [view["title"] for view in data_of(found)["views"] if view["chains"]]
    assert titles == ["round 1: segments", "round 3: segments"]


def test_other_runs_say_nothing_of_segments(tmp_path):
    run = read_run(make_run(tmp_path, count=3))
    found = page(run)
    assert not re.search("segment|abstractive", found[found.index("<body>") : found.index("<script")])
    assert not any(view["chains"] for view in data_of(found)["views"])
    assert "segment" not in " ".join(story(run))


def test_the_story_has_its_line(run, chains):
    (found,) = run.rounds
    line = f"round 1: {segments_line(chains)}"
    assert line in list(round_lines(found))
    assert line in " ".join(story(run))


def test_the_list_shows_every_chain_piece_by_piece(run, chains):
    items = segmented(run, run.rounds[0]).items(999)
    assert [item[0] for item in items] == list(dict.fromkeys(chain.problem for chain in chains))
    shown = [response for item in items for response in item[6][0]]
    assert len(shown) == len(chains) == 120
    for (pieces, mark, answer, _, _, uses, facts), chain in zip(shown, chains, strict=True):
        assert (mark, answer, uses) == ("", None, [])
        assert [one[0] for one in pieces] == list(chain.pieces)
        assert "".join(one[1] for one in pieces) == chain.labels
        assert tuple(one[2] for one in pieces) == chain.segments
        assert [one[3] for one in pieces] == list(range(len(chain.pieces)))
        assert [one[4] for one in pieces] == pytest.approx(chain.scores, rel=1e-3)
        assert [one[5] for one in pieces] == pytest.approx(chain.scores / np.mean(chain.scores), rel=1e-3)
        counts = [len(chain.pieces), chain.segments[-1] + 1, chain.labels.count("A")]
        assert (bool(facts[0]), facts[1], facts[4:]) == (chain.trained, chain.source, counts)
        assert facts[2:4] == pytest.approx([np.mean(chain.scores), BETA * np.mean(chain.scores)], rel=1e-3)


def test_the_size_of_a_list_counts_its_pieces(run, chains):
    pieces = [piece for chain in chains for piece in chain.pieces]
    assert segmented(run, run.rounds[0]).characters() == sum(map(len, pieces)) + MARKS * len(pieces) + 40 * len(chains)


def test_a_long_chain_is_cut_in_its_middle():
    many = scored((1.0,) * 5000, "EA" * 2500, pieces=tuple(f"{i:04d}" + "x" * 96 for i in range(5000)))
    shown = shown_pieces(many, LONGEST)
    (place,) = [i for i, one in enumerate(shown) if type(one) is int]
    assert len(shown) - 1 + shown[place] == 5000
    assert sum(len(one[0]) + MARKS for one in shown if type(one) is list) <= LONGEST
    assert sum(len(one[0]) + MARKS for one in shown if type(one) is list) > LONGEST - 3 * 120
    places = [one[3] for one in shown if type(one) is list]
    assert (places[0], places[-1]) == (0, 4999)
    assert [b - a for a, b in pairwise(places) if b - a != 1] == [shown[place] + 1]
    assert characters(many, LONGEST) == LONGEST


@pytest.mark.parametrize("count", [1, 3])
def test_a_long_piece_is_cut_in_its_middle(count):
    chain = scored((1.0,) * count, "E" * count, pieces=("a" * 500_000 + "b" * 500_000,) * count)
    shown = shown_pieces(chain, LONGEST)
    assert [one[0] for one in shown] == [clipped("a" * 500_000 + "b" * 500_000, LONGEST // 4)] * count
    assert "characters left out" in shown[0][0]


def test_a_page_is_bounded_with_many_long_chains(tmp_path):
    folder = make_segment_run(tmp_path, count=40, piece=lambda i, k: np.random.default_rng([i, k]).bytes(900).hex())
    run = read_run(folder)
    whole = page(run)
    small = page(run, len(whole) - 300_000)
    assert len(small) <= len(whole) - 300_000
    (view,) = [view for view in data_of(small)["views"] if view["chains"]]
    assert 0 < len(view["items"]) < view["all"] == 40


def test_hostile_pieces_and_options_are_text(tmp_path, run, html):
    bad = list(HOSTILE.values())
    options = {"strategy": bad[1] + bad[3], "beta": "<b>"}
    hostile = read_run(
        make_segment_run(tmp_path, count=60, piece=lambda i, k: bad[(i + k) % len(bad)], options=options)
    )
    found, harmless = page(hostile), Reader(html)
    assert Reader(found).tags == harmless.tags
    assert {name for name, _ in Reader(found).attributes} == {name for name, _ in harmless.attributes}
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u202e\u2069]", found[: found.index("<script")])
    assert "strategy is &lt;/script&gt;" in found
    (view,) = [view for view in data_of(found)["views"] if view["chains"]]
    pieces = {one[0] for item in view["items"] for r in item[6][0] for one in r[0]}
    assert pieces == {clipped(text, LONGEST) for text in bad}


@pytest.mark.parametrize("options", [None, [1], "x", {"beta": {}, "strategy": 3}])
def test_options_that_are_none_cost_nothing(tmp_path, options):
    folder = make_segment_run(tmp_path, count=3, options=options)
    text = (folder / "run.yaml").read_text()
    if options is None:
        (folder / "run.yaml").write_text(re.sub("\n    options:\n(      .*\n)+", "\n    options: null\n", text))
    assert "Segments, round 1" in page(read_run(folder))


def test_chains_of_problems_that_are_not_known_are_counted_and_not_listed(tmp_path):
    folder = make_segment_run(tmp_path, count=3)
    save_chains(folder / FILE, [scored((1.0,), "E", problem="elsewhere")])
    run = read_run(folder)
    assert segments_line(run.rounds[0].chains).startswith("1 chain in 1 piece")
    (view,) = [view for view in data_of(page(run))["views"] if view["chains"]]
    assert (view["items"], view["all"]) == ([], 0)


def test_extreme_scores_leave_the_page_whole(tmp_path):
    """Infinity is no JSON that a browser reads."""
    chains = [scored((1e308, 1e308, 5e-324), "EAE"), scored((1e308, -1e308, 5e-324), "EAE", response="s")]
    folder = make_segment_run(tmp_path, count=3)
    problem = read_run(folder).rounds[0].chains[0].problem
    save_chains(folder / FILE, [scored(c.scores, c.labels, problem=problem, response=c.response) for c in chains])
    (view,) = [view for view in data_of(page(read_run(folder)))["views"] if view["chains"]]
    values = [v for item in view["items"] for r in item[6][0] for one in (*r[0], r[6]) for v in one]
    assert len(view["items"][0][6][0]) == 2
    assert all(np.isfinite(value) for value in values if type(value) is float)


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "halved": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "scrambled": lambda path: path.write_bytes(path.read_bytes()[:40] + bytes(360) + path.read_bytes()[400:]),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_one_line(folder, tmp_path, kind):
    broken = shutil.copytree(folder, tmp_path / "run")
    DAMAGE[kind](broken / FILE)
    with pytest.raises(WorkspaceError, match=r"segments\.parquet is damaged: ") as found:
        read_run(broken)
    assert "\n" not in str(found.value)


def test_what_a_round_noted_of_its_options_is_told(tmp_path):
    """Those that the run does not name, too: no cut is guessed then."""
    folder = make_segment_run(tmp_path, count=3, options={})
    funnel = folder / "rounds" / "01" / "funnel.json"
    funnel.write_text(json.dumps({**json.loads(funnel.read_text()), "options": {"beta": 1.4, "strategy": "loss"}}))
    run = read_run(folder)
    notes = " ".join(segment_section(run.rounds[0], run.options(run.rounds[0])).notes)
    assert "The recipe's strategy is loss." in notes
    assert "above 1.4 times" in notes
