"""Pseudo-labels on a page, in its lists and in the terminal: what the files say, and nothing else."""

import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from make_pseudo_run import ASKED, SOURCES, make_pseudo_run
from make_run import make_run
from test_report_page import HOSTILE, Reader, data_of

from selftrain.errors import WorkspaceError
from selftrain.pseudo_labels import LARGEST, PSEUDO_LABELS, read_pseudo_labels
from selftrain.report.page import page
from selftrain.report.pseudo import pseudo_accuracy
from selftrain.report.pseudo_section import NO_PROBE, pseudo_section
from selftrain.report.pseudo_words import pseudo_line
from selftrain.report.record import read_run
from selftrain.report.responses import Responses
from selftrain.report.views import LONGEST, drawn_for_training, pseudo_labelled, trained
from selftrain.report.words import clipped, round_lines
from selftrain.store import read_parquet, write_parquet
from selftrain.story import LINES, story

FILE = "rounds/01/pseudo_labels.parquet"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_pseudo_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def run(folder):
    return read_run(folder)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A run whose training problems have no gold answers."""
    return read_run(make_pseudo_run(tmp_path_factory.mktemp("runs"), probe=0.0))


@pytest.fixture(scope="module")
def section(run):
    return pseudo_section(run.rounds[0])


def shares(rows):
    """Judged, right and accuracy as a table has them, counted one by one."""
    right = sum(row["judgement"] == "right" for row in rows)
    judged = right + sum(row["judgement"] == "wrong" for row in rows)
    return (f"{judged}", f"{right}", f"{right / judged:.3f}" if judged else "-")


def test_the_table_of_the_selection_holds_what_the_file_says(folder, section):
    rows = pq.read_table(folder / FILE).to_pylist()
    stated = [row for row in rows if row["answer"] is not None]
    parts = [stated, [r for r in stated if r["kept"]], [r for r in stated if not r["kept"]]]
    assert [cells[1:5] for cells in section.tables[0].rows] == [(f"{len(p)}", *shares(p)) for p in parts]
    for cells in section.tables[0].rows:
        low, high = map(float, cells[5].split(" to "))
        assert 0 <= low < float(cells[4]) < high <= 1
    assert f"{float(shares(parts[1])[2]):.0%} of the kept" in section.sentence
    assert f"Of 60 pseudo-labels {len(parts[1])} were kept." in section.sentence


def test_the_table_by_configuration_holds_what_the_file_says(folder, section):
    rows = pq.read_table(folder / FILE).to_pylist()
    assert [cells[0] for cells in section.tables[1].rows] == sorted({row["source"] for row in rows})
    for cells in section.tables[1].rows:
        own = [row for row in rows if row["source"] == cells[0]]
        kept = [row for row in own if row["kept"]]
        assert cells[1:3] == (f"{len(own)}", f"{len(kept)}")
        assert cells[3:5] == shares([row for row in own if row["answer"] is not None])[::2]
        assert cells[6:8] == shares(kept)[::2]
    assert all(len(cells) == len(section.tables[1].columns) for cells in section.tables[1].rows)


def test_what_could_not_be_ranked_and_what_a_probe_is_are_told(folder, section):
    rows = pq.read_table(folder / FILE).to_pylist()
    unsure = sum(row["answer"] is not None and row["nll"] is None for row in rows)
    ranked = [row for row in rows if row["answer"] is not None and row["nll"] is not None]
    kept = [row for row in ranked if row["kept"]]
    said = f"{len(kept)} of the {len(ranked)} that can be ranked were kept ({len(kept) / len(ranked):.1%}), those with "
    assert section.notes[0].startswith(said)
    assert f"of at most {max(row['nll'] for row in kept):.4g} nats a token" in section.notes[0]
    assert section.notes[0].endswith(f"; 6 without an answer, {unsure} without a finite confidence.")
    assert "the probe: 30 training problems whose gold answer the task knows" in section.notes[1]
    assert " 1 of them could not be judged" in section.notes[1]


def test_a_mass_of_ties_at_the_threshold_is_told(tmp_path):
    """Then more is kept than the percentile asks for."""
    (one,) = read_run(make_pseudo_run(tmp_path, tied=0.8)).rounds
    found = pseudo_accuracy(one.pseudo_labels)
    assert found.kept_ranked / found.ranked > 0.6
    assert found.tied == found.kept_ranked
    note = pseudo_section(one).notes[0]
    assert f"({found.kept_ranked / found.ranked:.1%}), those with a mean negative log-likelihood of at most 0 " in note
    assert f" nats a token, where {found.tied} tie; " in note


def test_the_chart_draws_the_tenths(run, section):
    found, chart = pseudo_accuracy(run.rounds[0].pseudo_labels), section.chart
    assert [trace["name"] for trace in chart.traces] == ["kept", "kept in part", "dropped"]
    bars = sorted(
        (x, width, y, up, down)
        for trace in chart.traces
        for x, width, y, up, down in zip(
            trace["x"], trace["width"], trace["y"], trace["error_y"]["array"], trace["error_y"]["arrayminus"],
            strict=True,
        )
    )  # fmt: skip
    judged = sum(tenth.accuracy.judged for tenth in found.tenths)
    place = 0
    for (x, width, y, up, down), tenth in zip(bars, found.tenths, strict=True):
        wide = 100 * tenth.accuracy.judged / judged
        assert x == pytest.approx(place + wide / 2, abs=1e-3)
        assert width == pytest.approx(wide - 0.4, abs=1e-3)
        assert y == pytest.approx(tenth.accuracy.share, abs=1e-4)
        assert (y - down, y + up) == pytest.approx(tenth.accuracy.interval(), abs=2e-4)
        place += wide
    assert len(chart.rows) == len(bars) == len([row for t in chart.traces for row in t["customdata"]])
    (line,) = chart.layout["shapes"]
    kept = sum(tenth.kept for tenth in found.tenths)
    assert line["x0"] == line["x1"] == pytest.approx(100 * kept / judged, abs=1e-3)
    first, last = found.tenths[0].accuracy.share, found.tenths[-1].accuracy.share
    assert re.search(rf"right in {first:.0%} of cases.* in {last:.0%}\.", chart.sentence)


def test_no_threshold_is_drawn_where_confidence_did_not_decide(tmp_path, run):
    rows = [dict(row) for row in run.rounds[0].pseudo_labels]
    for i, row in enumerate(rows):
        row["kept"] = i % 2 == 0
    folder = make_pseudo_run(tmp_path)
    write_parquet(folder / FILE, rows, PSEUDO_LABELS)
    section = pseudo_section(read_run(folder).rounds[0])
    assert "shapes" not in section.chart.layout
    assert "Dashed" not in section.chart.note
    assert "at most" not in section.notes[0]


def test_without_a_probe_all_but_accuracies_is_told(bare):
    section = pseudo_section(bare.rounds[0])
    assert section.notes[1] == NO_PROBE
    assert section.chart is None
    assert section.tables[0].columns == ("", "pseudo-labels")
    assert section.tables[1].columns == ("configuration", "written", "kept")
    found = page(bare)
    assert "give the task a probe, by the option `probe` of `files`" in found
    assert 'id="c-pseudo-1"' not in found
    assert "right on the probe" not in " ".join(round_lines(bare.rounds[0]))


def test_the_page_has_the_section_after_the_results(run):
    found = page(run)
    parts = ["How varied the responses", "Pseudo-labels, round 1", "Accuracy by confidence", "From samples to"]
    places = [found.rindex(f">{part}") for part in parts]
    assert places == sorted(places)
    assert ">Weights of the" not in found
    assert set(data_of(found)["charts"]) >= {"pseudo-1", "funnel-1"}


def test_other_runs_say_nothing_of_pseudo_labels(tmp_path):
    assert "seudo-label" not in page(read_run(make_run(tmp_path, count=3))).split("<script>")[0]


def test_every_round_with_pseudo_labels_has_its_section(tmp_path):
    folder = make_pseudo_run(tmp_path, rounds=3)
    shutil.copy(folder / FILE, folder / "rounds" / "03")
    found = page(read_run(folder))
    assert [f">Pseudo-labels, round {i}<" in found for i in (1, 2, 3)] == [True, False, True]
    titles = [view["title"] for view in data_of(found)["views"] if view["pseudo"]]
    assert titles == ["round 1: pseudo-labels", "round 3: pseudo-labels"]


def test_the_story_tells_both_accuracies(run):
    (found,) = run.rounds
    a = pseudo_accuracy(found.pseudo_labels)
    text = " ".join(round_lines(found))
    assert f"round 1: {pseudo_line(found.pseudo_labels)}" in text
    assert f"round 1: 60 pseudo-labels: {a.kept_ranked} of the {a.ranked} that can be ranked were kept (" in text
    assert (
        f"; right on the probe: before selection {a.before.share:.3f} ({a.before.right} of {a.before.judged}), kept "
        in text
    )
    assert f"kept {a.after.share:.3f} ({a.after.right} of {a.after.judged}), dropped {a.dropped.share:.3f} " in text
    lines = story(run)
    assert len(lines) <= LINES
    assert f"kept {a.after.share:.3f} ({a.after.right} of" in " ".join(lines)


def test_the_list_of_pseudo_labels_begins_with_the_most_confident(folder, run):
    rows = {row["problem"]: row for row in pq.read_table(folder / FILE).to_pylist()}
    items = pseudo_labelled(run, run.rounds[0]).items(99)
    assert {item[0] for item in items} == rows.keys()
    order = [rows[item[0]] for item in items]
    ranked = [row["nll"] for row in order if row["answer"] is not None and row["nll"] is not None]
    assert ranked == sorted(ranked)
    assert order[len(ranked) - 1]["answer"]
    assert all(row["answer"] is None or row["nll"] is None for row in order[len(ranked) :])
    for item, row in zip(items, order, strict=True):
        ((text, mark, answer, _, _, uses, (kept, nll, source)),) = item[6][0]
        assert (text, answer, bool(kept), source) == (row["text"], row["answer"], row["kept"], row["source"])
        assert mark == (row["judgement"] or "")[:1]
        assert nll == (None if row["nll"] is None else round(row["nll"], 4))
        assert bool(uses) == row["kept"]


def test_gathered_responses_are_found_in_all_their_steps(folder, run):
    (found,) = run.rounds
    drawn = drawn_for_training(run, found, Responses(run))
    assert len(drawn) == 60
    assert {len(group) for group in drawn.values()} == {ASKED}
    rows = {row["response"]: row for row in pq.read_table(folder / FILE).to_pylist()}
    for shown in (one for group in drawn.values() for one in group):
        row = rows.get(shown.id, {"answer": "other", "judgement": None})
        assert (shown.answer, shown.mark) == (row["answer"], row["judgement"] or "unjudged")
    uses = [r for item in trained(run, found, drawn).items(99) for r in item[6][0] if r[5]]
    assert len(uses) == sum(row["kept"] for row in rows.values())


def test_what_was_said_of_gathered_responses_is_loaded_once(run, monkeypatch):
    read = []
    monkeypatch.setattr(
        "selftrain.report.responses.read_parquet",
        lambda path, columns=None: read.append(path) or read_parquet(path, columns),
    )
    drawn_for_training(run, run.rounds[0], Responses(run))
    assert len(read) == len(set(read))
    assert sum(path.parent.name.startswith(("read-", "judge-")) for path in read) == 2


def test_hostile_sources_and_texts_are_text(tmp_path, run):
    bad = list(HOSTILE.values())
    sources = {name: f"{bad[i]} {bad[i + 3]}" for i, name in enumerate(SOURCES)}
    hostile = read_run(make_pseudo_run(tmp_path, source=sources.get, text=lambda i, k: bad[i % len(bad)]))
    found, harmless = page(hostile), Reader(page(run))
    assert Reader(found).tags == harmless.tags
    assert {name for name, _ in Reader(found).attributes} == {name for name, _ in harmless.attributes}
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u202e\u2069]", found[: found.index("<script")])
    (view,) = [view for view in data_of(found)["views"] if view["pseudo"]]
    labels = [r for item in view["items"] for r in item[6][0]]
    assert {r[0] for r in labels} == {clipped(text, LONGEST) for text in bad}
    assert {r[6][2] for r in labels} <= {clipped(name, LONGEST) for name in sources.values()}


def rewritten(path, change):
    rows = read_parquet(path)
    change(rows[3])
    write_parquet(path, rows, PSEUDO_LABELS)


def halved(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scrambled(path):
    data = bytearray(path.read_bytes())
    data[40:400] = bytes(360)
    path.write_bytes(data)


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "halved": halved,
    "scrambled": scrambled,
    "other columns": lambda path: write_parquet(path, [{"problem": "a"}]),
    "other types": lambda path: write_parquet(path, [dict.fromkeys(PSEUDO_LABELS.names, "x")]),
    "no problem": lambda path: rewritten(path, lambda row: row.update(problem=None)),
    "no text": lambda path: rewritten(path, lambda row: row.update(text=None)),
    "kept or not": lambda path: rewritten(path, lambda row: row.update(kept=None)),
    "another judgement": lambda path: rewritten(path, lambda row: row.update(judgement="perhaps")),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_one_line(folder, tmp_path, kind):
    broken = shutil.copytree(folder, tmp_path / "run")
    DAMAGE[kind](broken / FILE)
    with pytest.raises(WorkspaceError, match=r"pseudo_labels\.parquet is damaged: ") as found:
        read_run(broken)
    assert "\n" not in str(found.value)


def test_a_file_that_would_unpack_without_end_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "pseudo_labels.parquet"
    row = {"problem": "p", "response": "r", "text": "x" * 1000, "source": "s", "kept": True}
    write_parquet(path, [row] * 9, PSEUDO_LABELS)
    assert len(read_pseudo_labels(path)) == 9
    assert LARGEST > 10**9
    monkeypatch.setattr("selftrain.pseudo_labels.LARGEST", 100)
    with pytest.raises(WorkspaceError, match="is damaged"):
        read_pseudo_labels(path)


def test_unfinite_confidences_are_none(tmp_path):
    """What a file of another origin may hold."""
    folder = make_pseudo_run(tmp_path)
    rows = read_parquet(folder / FILE)
    for row, nll in zip(rows, (float("nan"), float("inf"), -float("inf")), strict=False):
        row["nll"] = nll
    pq.write_table(pa.Table.from_pylist(rows, schema=PSEUDO_LABELS), folder / FILE)
    run = read_run(folder)
    assert pseudo_accuracy(run.rounds[0].pseudo_labels).unsure >= 3
    (view,) = [view for view in data_of(page(run))["views"] if view["pseudo"]]
    assert all(r[6][1] is None or r[6][1] >= 0 for item in view["items"] for r in item[6][0])
