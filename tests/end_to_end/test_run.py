"""The whole loop through the command line, on a tiny model that can learn its task in a second."""

import json
import shutil
import signal
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from small import Lab, begin, end, inside, outcome, read_json, wait_for, weights, write_lab

from selftrain.digest import digest, files_digest, seed_from
from selftrain.models import load_tokenizer, open_model
from selftrain.prompts import PromptConfig, Renderer
from selftrain.report.record import read_run
from selftrain.report.responses import Responses
from selftrain.report.views import compared_responses, drawn_for_training
from selftrain.tasks.files import read_problems


def rows(step: Path) -> list[dict]:
    return pq.read_table(step / "rows.parquet").to_pylist()


def inputs(step: Path) -> dict:
    return read_json(step / "step.json")["inputs"]


def samples(lab: Lab, purpose: str) -> dict[Path, list[dict]]:
    """The rows of each sampling step of a purpose."""
    steps = sorted((lab.workspace / ".steps").glob("sample-*"))
    return {step: rows(step) for step in steps if inputs(step)["purpose"] == purpose}


def audit_sample(lab: Lab, purpose: str, model: str) -> Path:
    """The step in which a model was sampled for audits."""
    (found,) = (
        step
        for step in samples(lab, purpose)
        if inputs(step)["model"] == model and inputs(step)["sampling"]["temperature"] > 0
    )
    return found


def stages(run: Path) -> list[dict]:
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [event for event in events if event["event"] == "stage"]


def new_rows(run: Path, stage: str, number: int | None = None) -> int:
    """How many rows the run itself made in a stage (of a round), the rest was read back."""
    return sum(e["rows"] for e in stages(run) if e["stage"] == stage and number in (None, e["round"]))


TIMED = ("metrics.jsonl", "report.html", "lock")
"""Files that tell how long each session took."""


def tree(folder: Path) -> dict[str, str]:
    """Digests of the files in a folder, the log of what each session did left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in TIMED)
    return {str(path.relative_to(folder)): files_digest([path]) for path in files}


def test_a_run_leaves_the_files_the_design_names(first):
    found = {str(path.relative_to(first)) for path in first.rglob("*")}
    assert found >= {
        "run.yaml",
        "metrics.jsonl",
        "audit.json",
        "result.json",
        "rounds/00/baseline.json",
        "problems.parquet",
        "report.html",
        "rounds/01/funnel.json",
        "rounds/01/training.parquet",
        "rounds/01/audit.json",
        "rounds/01/round.json",
        "rounds/01/model/model.safetensors",
        "final/model.safetensors",
        "final/tokenizer.json",
    }
    written = yaml.safe_load((first / "run.yaml").read_text())
    assert written["config"]["training"]["learning_rate"] == 0.01
    assert written["config"]["seed"] == 0
    assert written["versions"]["torch"]
    assert written["digests"].keys() == {"task", "model"}


def test_show_and_report_tell_the_run_again(first, tmp_path):
    shown = inside("show", first).out
    assert "first: " in shown
    assert "round 1: 160 responses to 40 questions" in shown
    assert "progress: pass@1 rose" in shown
    assert "gained, for example: test: name of" in shown
    assert f"report: {first / 'report.html'}" in shown
    assert len(shown.splitlines()) <= 40
    assert f"wrote {tmp_path / 'page.html'}" in inside("report", first, "--out", tmp_path / "page.html").out
    assert (tmp_path / "page.html").read_bytes() == (first / "report.html").read_bytes()
    assert "is not the folder of a run" in inside("show", tmp_path).complaint
    assert "is not the folder of a run" in inside("report", tmp_path).complaint


def test_every_response_behind_the_verdict_is_found_again(first):
    run = read_run(first)
    found = compared_responses(run, Responses(run))
    assert len(found.changes) == 40
    for side, name in zip(found.view.drawn, ("before", "after"), strict=True):
        marks = [one.mark for group in side.values() for one in group]
        assert len(marks) == 160
        assert marks.count("right") / 160 == pytest.approx(getattr(run.audit.primary, name))
    one = run.rounds[0]
    drawn = drawn_for_training(run, one, Responses(run))
    assert sum(map(len, drawn.values())) == one.funnel["responses"] == 160
    assert {row["sides"][""] for row in one.rows} <= {r.id for group in drawn.values() for r in group}


def test_no_temporary_file_is_left(first, lab):
    names = [path.name for path in lab.workspace.rglob(".*") if path.name != ".steps"]
    assert names == []
    assert not list(lab.workspace.rglob("rows.jsonl"))
    assert not list(lab.workspace.rglob("checkpoint*"))


def test_training_raises_the_share_of_right_responses(first):
    for audit in (read_json(first / "rounds/01/audit.json"), read_json(first / "audit.json")):
        assert audit["verdict"] == "progress"
        assert audit["figures"]["pass@1"]["difference"] > 0.3
    assert outcome(first) == ([1], "progress")


def test_training_rows_have_weight_and_provenance(first, lab):
    table = pq.read_table(first / "rounds/01/training.parquet").to_pylist()
    assert abs(sum(row["weight"] for row in table) / len(table) - 1) < 1e-9
    (step,) = lab.steps(first, 1, "sample")[:1]
    drawn = {row["id"]: row for row in rows(step)}
    marks = {}
    for judged in lab.steps(first, 1, "judge"):
        marks |= {row["id"]: row for row in rows(judged)}
    for row in table:
        response = drawn[row["response"]]
        assert response["problem"] == row["problem"]
        assert row["completion_text"].startswith(response["text"].strip())
        assert marks[digest([row["response"], "letter", {}])]["judgement"] == "right"


def test_a_training_prefix_equals_the_prompt_of_the_audit(first, lab, model):
    tokenizer = load_tokenizer(open_model(model))

    def prompt(text: str) -> list[int]:
        turns = [{"role": "user", "content": text}]
        return tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)

    known = {problem.id: problem.text for problem in read_problems(lab.folder / "train.jsonl")}
    table = pq.read_table(first / "rounds/01/training.parquet").to_pylist()
    for row in table:
        assert row["input_ids"][: row["completion_start"]] == prompt(known[row["problem"]])
    asked = {problem.id: problem.text for problem in read_problems(lab.folder / "select.jsonl")}
    audited = audit_sample(lab, "select", open_model(first / "rounds/01/model").digest)
    cell = digest(inputs(audited))
    for row in rows(audited):
        content = digest([cell, row["problem"], prompt(asked[row["problem"]])])
        assert row["id"] == digest([content, row["index"]])


def test_a_completion_ends_with_the_marker_exactly_when_the_response_finished(first, lab, model):
    tokenizer = load_tokenizer(open_model(model))
    marker = tokenizer.convert_tokens_to_ids("<|im_end|>")
    (step,) = lab.steps(first, 1, "sample")[:1]
    finished = {row["id"]: row["finish"] == "stop" for row in rows(step)}
    ends = Counter()
    for row in pq.read_table(first / "rounds/01/training.parquet").to_pylist():
        assert (row["input_ids"][-1] == marker) == finished[row["response"]]
        assert marker not in row["input_ids"][row["completion_start"] : -1]
        ends[finished[row["response"]]] += 1
    assert ends[False]


def test_splits_share_no_question(first, lab):
    drawn = {purpose: samples(lab, purpose) for purpose in ("train", "select", "test")}
    asked = [{row["problem"] for step in steps.values() for row in step} for steps in drawn.values()]
    assert [len(split) for split in asked] == [40, 40, 40]
    assert len(set.union(*asked)) == 120


def test_the_null_differs_from_the_sample_it_is_compared_with(first, lab, model):
    null, audited = (
        {(row["problem"], row["index"]): row for row in rows(audit_sample(lab, purpose, open_model(model).digest))}
        for purpose in ("null", "select")
    )
    assert len(audited) == 160
    assert not {row["id"] for row in null.values()} & {row["id"] for row in audited.values()}
    assert sum(row["tokens"] == null[key]["tokens"] for key, row in audited.items()) < 10


def test_the_same_command_again_changes_nothing_and_draws_nothing(first, lab):
    before, count = tree(lab.workspace), len(stages(first))
    lab.run("first")
    assert tree(lab.workspace) == before
    again = stages(first)[count:]
    assert again
    assert all(event["rows"] == 0 for event in again)


def test_a_changed_key_is_refused_by_name(first, lab):
    refused = inside("run", lab.config, "name=first", "training.epochs=6", "seed=1")
    assert "changed: seed, training.epochs." in refused.complaint
    assert inside("run", lab.config, "name=first", "judge.deadline=9").complaint


def test_more_rounds_extend_a_run(first, lab, tmp_path, monkeypatch):
    longer = Lab(tmp_path)
    shutil.copytree(lab.folder, tmp_path, dirs_exist_ok=True)
    words = ("run", longer.config, f"workspace={longer.workspace}", "name=first", "rounds=2")
    run = longer.workspace / "first"
    with monkeypatch.context() as patch:
        patch.setattr("selftrain.session.RunFolder.save_audit", interrupted)
        assert inside(*words).code == 130
    shown = " ".join(inside("show", run).out.split())
    assert "2 of 2 rounds, not finished" in shown
    assert "(final model against the base, test)" not in shown
    assert "is not finished" in inside("export", run, "--as", "hf").complaint
    ended = inside(*words)
    assert ended.code == 0, ended.err
    assert new_rows(run, "sample train", 1) == 160
    assert new_rows(run, "sample train", 2) == 160
    assert (run / "rounds/01/training.parquet").read_bytes() == (first / "rounds/01/training.parquet").read_bytes()
    second = read_json(run / "rounds/02/round.json")
    assert second["parent"] == "round-01"
    shorter = inside("run", longer.config, f"workspace={longer.workspace}", "name=first", "rounds=1")
    assert "changed: rounds." in shorter.complaint


def interrupted(folder, number, audit):
    """Ends the process in the second round."""
    if number == 2:
        raise KeyboardInterrupt


def test_a_damaged_step_costs_the_page_and_not_the_verdict(first, lab, tmp_path):
    copy = Lab(tmp_path)
    shutil.copytree(lab.folder, tmp_path, dirs_exist_ok=True)
    for step in (copy.workspace / ".steps").glob("judge-*/step.json"):
        step.write_text("{")
    with (copy.workspace / "first" / "metrics.jsonl").open("a") as file:
        file.write('{"event": "stage"}\n')
    ended = inside("run", copy.config, f"workspace={copy.workspace}", "name=first")
    assert ended.code == 0, ended.err
    assert "note: no page was written: " in ended.err
    assert "progress: pass@1 rose" in ended.out
    assert "is damaged: restore it from a copy" in inside("report", copy.workspace / "first").complaint


def test_runs_in_one_workspace_share_samples(first, lab):
    east = lab.run("east", "recipe.name=east", "recipe.options.samples=4", "promote=always")
    assert new_rows(east, "sample train") == 0
    assert new_rows(east, "train") > 0
    spread = {round(row["weight"], 6) for row in pq.read_table(east / "rounds/01/training.parquet").to_pylist()}
    assert len(spread) > 2


def test_more_samples_are_drawn_on_top_of_those_there(first, lab):
    wide = lab.run("wide", "recipe.options.samples=8")
    assert new_rows(wide, "sample train") == 40 * 4
    (step,) = lab.steps(wide, 1, "sample")[:1]
    assert (step,) == tuple(lab.steps(first, 1, "sample")[:1])
    assert Counter(row["index"] for row in rows(step)) == dict.fromkeys(range(8), 40)


def test_adapters_chain(chained, lab, model):
    import torch

    base = weights(model)
    for number in (1, 2):
        folder = chained / "rounds" / f"{number:02d}"
        adapter = (folder / "adapter" / "adapter_model.safetensors").stat().st_size
        assert adapter < (folder / "model" / "model.safetensors").stat().st_size / 2
    one, two = weights(chained / "rounds/01/model"), weights(chained / "rounds/02/model")
    frozen = "model.embed_tokens.weight"
    trained = "model.layers.0.mlp.down_proj.weight"
    assert torch.equal(base[frozen], two[frozen])
    assert not torch.equal(base[trained], one[trained])
    assert not torch.equal(one[trained], two[trained])
    for before, after in ((base, one), (one, two)):
        change = torch.linalg.matrix_rank(after[trained] - before[trained], rtol=1e-3)
        assert 0 < change <= 16
    final = weights(chained / "final")
    assert all(torch.equal(final[name], two[name]) for name in two)


def test_a_merged_adapter_samples_as_before_merging(chained, lab, model):
    from selftrain.engines import EngineConfig, Request, Sampling, load_engine

    assert new_rows(chained, "sample select", 2) == 160  # the new candidate's alone
    candidate = open_model(model, adapter=chained / "rounds/01/adapter")
    step = audit_sample(lab, "select", candidate.digest)
    renderer = Renderer(load_tokenizer(candidate), PromptConfig(), ())
    prompts = {problem.id: renderer.prompt(problem) for problem in read_problems(lab.folder / "select.jsonl")}
    cell, requests = digest(inputs(step)), []
    for row in rows(step):
        content = digest([cell, row["problem"], list(prompts[row["problem"]])])
        requests.append(Request(row["id"], prompts[row["problem"]], seed_from([content, row["index"]])))
    engine = load_engine(open_model(chained / "rounds/01/model"), EngineConfig(precision="fp32", batch=16))
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=3, end_ids=renderer.end_ids)
    drawn = {completion.id: list(completion.tokens) for completion in engine.generate(requests, sampling)}
    assert drawn == {row["id"]: row["tokens"] for row in rows(step)}


@pytest.mark.parametrize(
    ("policy", "rate", "promoted"),
    [("on_progress", "1e-9", []), ("unless_regress", "1e-9", [1]), ("always", "1e-9", [1])],
)
def test_policies_on_a_candidate_that_learned_nothing(first, lab, policy, rate, promoted):
    run = lab.run(f"idle-{policy}", f"promote={policy}", f"training.learning_rate={rate}")
    assert read_json(run / "rounds/01/audit.json")["verdict"] == "inconclusive"
    assert outcome(run)[0] == promoted
    assert (run / "final").exists() == bool(promoted)


@pytest.mark.parametrize(("policy", "promoted"), [("unless_regress", []), ("always", [1])])
def test_policies_on_a_candidate_that_is_worse(first, lab, policy, promoted):
    own = (f"recipe.name={lab.folder / 'recipe.py'}:contrary", "recipe.options.samples=4")
    run = lab.run(f"worse-{policy}", f"promote={policy}", *own)
    assert read_json(run / "rounds/01/audit.json")["verdict"] == "regress"
    assert outcome(run)[0] == promoted


def test_a_round_after_a_refused_candidate_draws_afresh(first, lab):
    run = lab.run("refused", "training.learning_rate=1e-9", "rounds=3", "stop_after_refused=2")
    assert not (run / "rounds/03").exists()
    drawn = [{row["id"]: row["tokens"] for row in rows(lab.steps(run, number, "sample")[0])} for number in (1, 2)]
    assert not drawn[0].keys() & drawn[1].keys()
    parents = [inputs(lab.steps(run, number, "sample")[0])["model"] for number in (1, 2)]
    assert parents[0] == parents[1]
    trained = [(run / f"rounds/{number:02d}/training.parquet").read_bytes() for number in (1, 2)]
    assert trained[0] != trained[1]


def test_a_model_that_is_never_right_is_told_and_kept(first, lab):
    ended = inside("run", lab.config, "name=never", f"judge={lab.folder / 'judge.py'}:never")
    assert ended.code == 0, ended.err
    assert "nothing to train on; dropped 40: no right response" in ended.out
    assert "nothing was promoted: the base is kept" in ended.out
    run = lab.workspace / "never"
    assert outcome(run) == ([], None)
    assert not (run / "final").exists()
    assert not (run / "rounds/01/model").exists()
    assert new_rows(run, "sample train") == 0  # the judge is another, the samples are shared
    exported = inside("export", run, "--as", "hf")
    assert "promoted nothing" in exported.complaint


def test_a_second_process_is_refused_on_a_run_and_waits_on_a_shared_step(model, tmp_path):
    fresh = write_lab(tmp_path, model)
    one = begin("run", fresh.config, "name=one")
    steps = fresh.workspace / ".steps"
    wait_for(lambda: list(steps.glob("sample-*/step.json")), one)
    one.send_signal(signal.SIGSTOP)
    same = inside("run", fresh.config, "name=one")
    assert "one is in use by another process: wait for it, or name another run" in same.complaint
    two = begin("run", fresh.config, "name=two")
    for line in two.stderr:
        if "waiting for another process to finish step sample-" in line:
            break
    one.send_signal(signal.SIGCONT)
    assert end(one).code == 0
    assert end(two).code == 0
    assert (
        new_rows(fresh.workspace / "one", "sample select") + new_rows(fresh.workspace / "two", "sample select") == 320
    )
    results = [tree(fresh.workspace / name) for name in ("one", "two")]
    assert results[0].keys() == results[1].keys()
    differing = {name for name in results[0] if results[0][name] != results[1][name]}
    assert differing <= {"run.yaml"}
