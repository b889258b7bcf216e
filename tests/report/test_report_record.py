"""Reading a run back: whole, unfinished, refused, damaged."""

import json
import shutil
from dataclasses import replace

import pytest
from make_run import make_run

from selftrain.audit import Audit
from selftrain.errors import WorkspaceError
from selftrain.report import write_report
from selftrain.report.record import read_run
from selftrain.report.responses import Responses
from selftrain.report.views import compared_responses, drawn_for_training, trained
from selftrain.report.words import round_lines, told
from selftrain.training_set import Labelled, Pair, TrainingSet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs"), rounds=2)


@pytest.fixture(scope="module")
def run(folder):
    return read_run(folder)


def test_a_run_is_read_back(run):
    assert run.name == "run"
    assert run.finished
    assert [one.number for one in run.rounds] == [1, 2]
    assert run.audit.labels["after"]["model"] == "round-02"
    assert run.rounds[0].audit.primary.name == "pass@1"
    assert run.stages["train"] == {"seconds": 140.0, "rows": 18, "tokens": 8000}


def test_an_audit_survives_json(folder):
    values = json.loads((folder / "audit.json").read_text())
    again = Audit.from_json(values)
    assert again.to_json() == {**values, "because": list(values["because"])}
    assert again.primary.low < again.primary.difference < again.primary.high


def test_undefined_numbers_survive_json(folder):
    values = json.loads((folder / "audit.json").read_text())
    values["figures"]["pass@1"]["low"] = values["support"]["retention"] = None
    again = Audit.from_json(values)
    assert again.primary.low != again.primary.low
    assert again.to_json()["support"]["retention"] is None
    assert Audit.from_json({**values, "sets": None, "null": None}).null is None


def test_every_test_response_is_found_with_its_judgement(run):
    found = compared_responses(run, Responses(run))
    before, after = found.view.drawn
    assert len(before) == len(after) == 24  # 12 of the split, 12 of the suite
    assert {len(group) for group in before.values()} == {4}
    assert len(found.changes) == len(found.beside) == 12
    share = sum(change.after[0] / change.after[1] for change in found.changes) / 12
    assert share == pytest.approx(run.audit.primary.after)


def test_a_verdict_is_of_the_split_that_the_run_names(tmp_path):
    """Runs that were begun before there was a choice have test."""
    folder = make_run(tmp_path)
    assert read_run(folder).latest[1] == "test"
    assert told(read_run(folder)).endswith("(final model against the base, test)")
    settings = (folder / "run.yaml").read_text()
    (folder / "run.yaml").write_text(settings.replace("split: test", "split: select"))
    assert read_run(folder).latest[1] == "select"
    assert told(read_run(folder)).endswith("(final model against the base, select)")
    (folder / "run.yaml").write_text(settings.replace("    split: test\n", ""))
    assert read_run(folder).latest[1] == "test"


def test_rows_of_another_run_in_a_shared_step_are_left_out(folder, run):
    """Another run of the workspace asked more of the same model: more responses, and other problems."""
    make_run(folder.parent, name="other", each=6, count=15)
    before, _ = compared_responses(run, Responses(run)).view.drawn
    assert {len(group) for group in before.values()} == {4}
    assert len(before) == 24


def test_training_rows_have_their_weight(run):
    one = run.rounds[0]
    drawn = drawn_for_training(run, one, Responses(run))
    view = trained(run, one, drawn)
    uses = [use for item in view.items(99) for side in item[6] for r in side for use in r[5]]
    assert sorted(uses) == sorted(["", round(row["weight"], 4)] for row in one.rows)
    assert len(drawn) == 12


@pytest.mark.parametrize(
    ("kind", "noun", "sides"),
    [(Pair, "pairs", ["chosen", "rejected"]), (Labelled, "labelled responses", ["desirable", "undesirable"])],
)
def test_preferences_mark_responses_with_their_side(tmp_path, kind, noun, sides):
    folder = make_run(tmp_path, kind=kind)
    run, rows = read_run(folder), TrainingSet.load(folder / "rounds" / "01" / "training.parquet")
    (one,) = run.rounds
    assert one.noun == noun
    assert f"{len(rows)} {noun}, weights " in " ".join(round_lines(one))
    items = trained(run, one, drawn_for_training(run, one, Responses(run))).items(99)
    shown = {item[0]: [(r[1], *use) for side in item[6] for r in side for use in r[5]] for item in items}
    weights = {row.problem: round(row.weight, 4) for row in rows}
    assert len(weights) > 3
    for problem, uses in shown.items():
        weight = weights.get(problem)
        assert sorted(uses) == ([("r", sides[0], weight), ("w", sides[1], weight)] if weight else [])


def test_a_response_in_several_pairs_has_the_side_and_weight_of_each(run):
    drawn = drawn_for_training(run, run.rounds[0], Responses(run))
    name, (a, b, *_) = next(iter(drawn.items()))
    rows = [
        {"problem": name, "weight": w, "sides": {"chosen": c, "rejected": r}}
        for w, c, r in [(1.25, a.id, b.id), (0.75, b.id, a.id)]
    ]
    view = trained(run, replace(run.rounds[0], rows=tuple(rows)), drawn)
    (uses,) = [[r[5] for r in item[6][0]] for item in view.items(99) if item[0] == name]
    assert uses[:2] == [[["chosen", 1.25], ["rejected", 0.75]], [["rejected", 1.25], ["chosen", 0.75]]]
    assert not any(uses[2:])


def test_a_run_whose_steps_are_gone_is_told_without_responses(folder, tmp_path):
    alone = shutil.copytree(folder, tmp_path / "run")
    run = read_run(alone)
    found = compared_responses(run, Responses(run))
    assert found.changes == ()
    assert len(found.view) == 0


def test_an_unfinished_run_has_what_there_is(tmp_path):
    run = read_run(make_run(tmp_path, decided=False, finished=False))
    assert not run.finished
    assert run.latest is None
    assert run.rounds[0].facts == {}
    assert run.rounds[0].funnel["responses"] == 48
    assert len(drawn_for_training(run, run.rounds[0], Responses(run))) == 12


def test_a_refused_run_shows_its_last_audit(tmp_path):
    run = read_run(make_run(tmp_path, promoted=False, rise=0.0))
    assert run.finished
    assert run.audit is None
    audit, split = run.latest
    assert split == "select"
    assert audit.labels["after"]["model"] == "round-01"


def test_a_run_made_longer_is_told_without_its_old_verdict(tmp_path):
    run = read_run(make_run(tmp_path, longer=2))
    assert not run.finished
    assert run.audit is None
    assert run.latest[1] == "select"


def test_a_run_killed_while_it_ends_is_not_finished(folder, tmp_path):
    killed = shutil.copytree(folder, tmp_path / "run")
    (killed / "result.json").write_text('{"model": "m", "test_reads": 1}')
    run = read_run(killed)
    assert not run.finished
    assert run.audit is None


@pytest.mark.parametrize("text", ["{", "[]", "", '{"inputs": {}}'])
def test_a_damaged_step_is_one_line(tmp_path, text):
    folder = make_run(tmp_path)
    step = next(tmp_path.glob(".steps/judge-*/step.json"))
    step.write_text(text)
    with pytest.raises(WorkspaceError, match=r"step\.json is damaged: ") as found:
        write_report(folder)
    assert "\n" not in str(found.value)


def test_a_damaged_metrics_line_is_left_out(tmp_path):
    folder = make_run(tmp_path)
    before = read_run(folder).stages
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('3\n{"event": "stage", "stage": "train"}\n')
    assert read_run(folder).stages == before


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(WorkspaceError, match="is not the folder of a run"):
        read_run(tmp_path)


@pytest.mark.parametrize("name", ["run.yaml", "result.json", "audit.json", "rounds/01/funnel.json"])
@pytest.mark.parametrize("text", ["{", "[]", "3", '{"a": null}', ""])
def test_a_damaged_file_is_one_line(folder, tmp_path, name, text):
    broken = shutil.copytree(folder, tmp_path / "run")
    (broken / name).write_text(text)
    with pytest.raises(WorkspaceError) as found:
        read_run(broken)
    assert "\n" not in str(found.value)
