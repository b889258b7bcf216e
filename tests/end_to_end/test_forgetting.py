"""A run that guards texts: the figure, the steps it leaves, and what a changed text is answered with."""

import pytest
from small import inside, read_json, write_lab

from selftrain.store import read_json_lines

NOTES = "".join(f"{i}. A note that the model should remember, whatever else it learns.\n" for i in range(160))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, model):
    """A lab and the folder of its run, which was told to remember some notes."""
    lab = write_lab(tmp_path_factory.mktemp("guarded"), model)
    (lab.folder / "notes.txt").write_text(NOTES)
    return lab, lab.run("run", *changes(lab))


def changes(lab):
    return (f"audit.texts.notes={lab.folder / 'notes.txt'}", "training.learning_rate=0.003", "promote=always")


def figure(audit):
    return read_json(audit)["figures"]["NLL on notes"]


def scored(run):
    return [line for line in read_json_lines(run / "metrics.jsonl") if line.get("stage") == "score texts"]


def test_a_run_writes_the_loss_before_and_after(guarded):
    _, run = guarded
    select, test = figure(run / "rounds" / "01" / "audit.json"), figure(run / "audit.json")
    for found in (select, test):
        assert found["role"] == "guard"
        assert found["better"] == "lower"
        assert found["difference"] == pytest.approx(found["before"] - found["after"])
        assert found["problems"] >= 10
    assert select["before"] != test["before"]
    assert select["problems"] - test["problems"] in (0, 1)


def test_the_loss_is_that_of_the_models_kept(guarded, model):
    """The same pieces, read whole by transformers."""
    import torch

    from selftrain.models import load_model, open_model
    from selftrain.texts import read_texts

    lab, run = guarded
    for folder, key in ((model, "before"), (run / "final", "after")):
        kept = open_model(folder)
        (text,) = read_texts({"notes": lab.folder / "notes.txt"}, kept)
        module, total, count = load_model(kept), 0.0, 0
        for piece in text.part("test").pieces:
            ids = torch.tensor([piece])
            with torch.inference_mode():
                total += module(input_ids=ids, labels=ids).loss.item() * (len(piece) - 1)
            count += len(piece) - 1
        assert figure(run / "audit.json")[key] == pytest.approx(total / count, abs=1e-4)


def test_a_model_reads_each_part_once(guarded):
    """Base and candidate, select and test; a run in the same workspace, or this one repeated, reads nothing more."""
    lab, run = guarded
    assert len(scored(run)) == 4
    again = lab.run("again", *changes(lab))
    assert not scored(again)
    assert figure(again / "audit.json") == figure(run / "audit.json")


def test_a_changed_text_is_refused(guarded):
    lab, _ = guarded
    lab.run("changing", *changes(lab))
    (lab.folder / "notes.txt").write_text(NOTES + "One more.")
    try:
        ended = inside("run", lab.config, "name=changing", "rounds=2", *changes(lab))
    finally:
        (lab.folder / "notes.txt").write_text(NOTES)
    assert "the content of text notes changed" in ended.complaint


def test_a_missing_text_is_found_before_anything_runs(guarded):
    lab, _ = guarded
    ended = inside("run", lab.config, "name=missing", f"audit.texts.notes={lab.folder / 'none.txt'}")
    assert "there is no file" in ended.complaint
    assert not (lab.workspace / "missing" / "rounds").exists()


def test_a_plan_counts_the_reading(guarded):
    lab, run = guarded
    ended = inside("plan", lab.config, "name=planned", f"workspace={lab.folder / 'elsewhere'}", *changes(lab))
    assert ended.code == 0, ended.err
    stages = read_json(lab.folder / "elsewhere" / "planned" / "plan.json")["stages"]
    planned = [stage for stage in stages if stage["stage"] == "score texts"]
    for key in ("rows", "tokens"):
        assert sum(stage[key] for stage in planned) == sum(line[key] for line in scored(run))
