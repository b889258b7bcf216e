"""Runs of our own as logs: what their audits were made from, read back from the steps."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from make_run import make_run

from selftrain.audit import Audit
from selftrain.errors import WorkspaceError
from selftrain.logs import read_log, run_rounds, run_sides


def audit(path):
    return Audit.from_json(json.loads((path / "audit.json").read_text()))


def pass_at_1(cell):
    return float(np.mean(cell.right / cell.n))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs"), rounds=2)


def test_a_run_is_its_final_model_on_test(folder):
    log = read_log(folder)
    assert log.labels["model"] == "round-02"
    assert list(log.cells) == [None, "hard"]
    assert pass_at_1(log.main) == pytest.approx(audit(folder).primary.after)
    on_suite = next(f for f in audit(folder).figures if f.name == "pass@1 on hard")
    assert pass_at_1(log.cells["hard"]) == pytest.approx(on_suite.after)
    assert log.notes == ()


def test_round_0_is_the_base_beside_the_final_model(folder):
    log = read_log(folder / "rounds" / "00")
    assert log.labels["model"] == "smollm2"
    assert pass_at_1(log.main) == pytest.approx(audit(folder).primary.before)


@pytest.mark.parametrize("number", [1, 2])
def test_a_round_is_its_candidate_on_select(folder, number):
    place = folder / "rounds" / f"{number:02d}"
    log = read_log(place)
    assert log.labels["model"] == f"round-{number:02d}"
    assert pass_at_1(log.main) == pytest.approx(audit(place).primary.after)
    assert all("select" in question for cell in log.cells.values() for question in cell.detail.questions)


def test_everything_that_was_sampled_is_told(folder):
    detail = read_log(folder).main.detail
    assert detail.questions[0] == "What is test 0?"
    assert detail.votes is not None
    assert detail.means["tokens"].tolist() == [1.0] * 12
    assert detail.means["nll"].tolist() == [1.0] * 12
    assert read_log(folder).main.truncated.tolist() == [1] * 12


def test_a_run_gives_all_that_its_audit_was_made_from(folder):
    sides, told = run_sides(folder), audit(folder)
    assert pass_at_1(sides["before"].main) == pytest.approx(told.primary.before)
    assert pass_at_1(sides["after"].main) == pytest.approx(told.primary.after)
    figures = {figure.name: figure for figure in told.figures}
    assert pass_at_1(sides["same prompt"]) == pytest.approx(figures["pass@1, same prompt"].before)
    one, other = sides["greedy"]
    assert pass_at_1(one) == pytest.approx(figures["greedy pass@1"].before)
    assert pass_at_1(other) == pytest.approx(figures["greedy pass@1"].after)
    assert one.labels["temperature"] == 0.0
    assert sides["null"].labels["step"] == told.labels["null"]["step"] != told.labels["before"]["step"]


def test_an_audit_of_few_labels_has_its_suites_in_the_steps_of_its_sides(folder, tmp_path):
    again = shutil.copytree(folder.parent, tmp_path / "runs") / folder.name
    values = json.loads((again / "audit.json").read_text())
    values["labels"] = {name: values["labels"][name] for name in ("before", "after")}
    (again / "audit.json").write_text(json.dumps(values))
    sides, whole = run_sides(again), run_sides(folder)
    assert [sides[name] for name in ("null", "same prompt", "greedy")] == [None] * 3
    for side in ("before", "after"):
        assert np.array_equal(sides[side].cells["hard"].right, whole[side].cells["hard"].right)


def test_the_labels_of_a_suite_are_followed(folder, tmp_path):
    again = shutil.copytree(folder.parent, tmp_path / "runs") / folder.name
    values = json.loads((again / "audit.json").read_text())
    values["labels"]["before on hard"] = values["labels"]["null"]  # which was not asked the suite
    (again / "audit.json").write_text(json.dumps(values))
    with pytest.raises(WorkspaceError, match="to the suite hard, test problems"):
        run_sides(again)


def test_rounds_are_the_base_and_every_promoted_model_on_select(folder):
    cells = run_rounds(folder)
    assert [cell.labels["model"] for cell in cells] == ["smollm2", "round-01", "round-02"]
    told = [audit(folder / "rounds" / f"{number:02d}").primary for number in (1, 2)]
    assert [pass_at_1(cell) for cell in cells] == pytest.approx([told[0].before, told[0].after, told[1].after])


def test_without_a_promotion_the_last_candidate_stands_in(tmp_path):
    folder = make_run(tmp_path, rounds=2, promoted=False, rise=0.0)
    log = read_log(folder)
    assert log.labels["model"] == "round-02"
    assert "select" in log.main.detail.questions[0]
    assert log.notes == (
        "the run run promoted nothing: the candidate of round 2 on select stands in for a final model",
    )
    sides = run_sides(folder)
    assert sides["before"].labels["model"] == "smollm2"
    assert sides["null"] is not None
    assert [cell.labels["model"] for cell in run_rounds(folder)] == ["smollm2"]


def test_an_unfinished_run_ends_with_its_last_promoted_model(tmp_path):
    folder = make_run(tmp_path, rounds=2, finished=False)
    log = read_log(folder)
    assert log.labels["model"] == "round-02"
    assert "is not finished" in log.notes[0]
    assert read_log(folder / "rounds" / "00").labels["model"] == "smollm2"


def test_a_candidate_refused_after_a_promotion_is_not_the_last_model(tmp_path):
    folder = make_run(tmp_path, rounds=2, finished=False)
    facts = folder / "rounds" / "02" / "round.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "promoted": False}))
    assert read_log(folder).labels["model"] == "round-01"
    assert [cell.labels["model"] for cell in run_rounds(folder)] == ["smollm2", "round-01"]


def test_a_run_without_an_audit_is_one_line(tmp_path):
    folder = make_run(tmp_path, decided=False, finished=False)
    for read in (read_log, run_sides, run_rounds):
        with pytest.raises(WorkspaceError, match="has no audit yet: repeat selftrain run"):
            read(folder)


def test_a_round_without_an_audit_is_one_line(folder):
    (folder / "rounds" / "03").mkdir()
    try:
        with pytest.raises(WorkspaceError, match=r"round 3 .* has no audit: name one that has \(01, 02\)"):
            read_log(folder / "rounds" / "03")
    finally:
        (folder / "rounds" / "03").rmdir()


@pytest.mark.parametrize("kind", ["sample", "judge", "cluster"])
def test_a_step_that_is_gone_is_one_line(tmp_path, kind):
    folder = make_run(tmp_path)
    for step in tmp_path.glob(f".steps/{kind}-*"):
        shutil.rmtree(step)
    with pytest.raises(WorkspaceError, match=r"gone from the workspace: restore its \.steps") as found:
        read_log(folder)
    assert "\n" not in str(found.value)


def test_a_path_inside_a_run_may_be_relative(folder, monkeypatch):
    monkeypatch.chdir(folder / "rounds")
    assert read_log(Path("01")).labels["model"] == "round-01"
    assert read_log(Path("..")).labels["model"] == "round-02"
