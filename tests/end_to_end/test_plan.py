"""Plans through the command line, against the runs they foretell."""

import json
import os
import shutil

import pytest
from small import inside, questions, read_json, write_lab, write_rows

from selftrain.plan import paper, planned_and_true
from selftrain.plan.beside import WIDTH
from selftrain.plan.make import LOCK, scratch
from selftrain.plan.stages import by_name, read_stages
from selftrain.store import lock

TWICE = """
from selftrain import Round, TrainingSet, recipe
from selftrain.recipes import RecipeOptions


@recipe("twice", paper="none")
def twice(round: Round, options: RecipeOptions) -> TrainingSet:
    round.judge(round.sample(round.parent, round.problems, n=2))
    groups = round.judge(round.sample(round.parent, round.problems, n=4))
    return round.training_set(groups.where_any_right())
"""
UNJUDGED = """
from selftrain import Round, TrainingSet, recipe
from selftrain.records import Group, Groups, Judgement
from selftrain.recipes import RecipeOptions


class Unlabelled(RecipeOptions):
    @property
    def reads(self):
        return frozenset()


@recipe("unjudged", paper="none")
def unjudged(round: Round, options: Unlabelled) -> TrainingSet:
    samples = round.sample(round.parent, round.problems, n=2)
    right = Judgement(judgement="right", answer=None, reason="not asked")
    return round.training_set(
        Groups(
            Group(problem=p, responses=r, judgements=(right,) * len(r), clusters=(0,) * len(r))
            for p, r in zip(samples.problems, samples.responses)
        )
    )
"""
LUCKLESS = ("sample select", "judge", "sample train", "sample null", "sample test")
"""Stages whose rows do not depend on what is answered."""


def stages(run):
    """(round, stage): rows of a plan."""
    return {(stage["round"], stage["stage"]): stage for stage in read_json(run / "plan.json")["stages"]}


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", autouse=True)
def unhurried():
    """On a busy machine too a calibration draws all its blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper, "SECONDS", 1e9)
        yield


@pytest.fixture(scope="module")
def planned(tmp_path_factory, model):
    """A lab with one run that was planned, and what planning it said."""
    lab = write_lab(tmp_path_factory.mktemp("planned"), model)
    ended = inside("plan", lab.config, "name=planned")
    assert ended.code == 0, ended.err
    assert files(lab.workspace) == {"planned/plan.json"}
    assert {path.name for path in lab.workspace.iterdir()} == {".steps", "planned"}
    return lab, ended.out, lab.run("planned")


def test_a_plan_shows_prompts_stages_and_needs(planned):
    _, out, _ = planned
    for words in ("<|im_start|>user", "training prompt (", "sample train", "total", "time: ", "disk: ", "memory: "):
        assert words in out
    assert "assumed: every candidate is promoted" in out
    assert "warning" not in out


def test_planned_rows_are_the_true_ones(planned):
    _, _, run = planned
    plan, truth = stages(run), {(s.round, s.stage): s for s in read_stages(run / "metrics.jsonl")}
    assert plan.keys() == truth.keys()
    for key, stage in plan.items():
        if key[1] in LUCKLESS:
            assert stage["rows"] == truth[key].rows, key
            assert stage["prompt_tokens"] == truth[key].prompt_tokens, key
    assert plan[1, "train"]["rows"] == pytest.approx(truth[1, "train"].rows, rel=0.5)
    # A candidate that has learned to say it in fewer tokens is the exception that the plan cannot foresee.
    assert plan[0, "sample select"]["tokens"] == pytest.approx(truth[0, "sample select"].tokens, rel=0.1)


def test_a_planned_run_equals_one_without_a_plan(planned, tmp_path):
    lab, _, run = planned
    ended = inside("run", lab.config, "name=planned", f"workspace={tmp_path}")
    assert ended.code == 0, ended.err
    for name in ("rounds/01/training.parquet", "audit.json", "result.json", "final/model.safetensors"):
        assert (run / name).read_bytes() == (tmp_path / "planned" / name).read_bytes(), name


def test_at_the_end_the_plan_stands_beside_the_truth(planned, tmp_path):
    _, _, run = planned
    lines = planned_and_true(run)
    assert max(map(len, lines)) <= WIDTH
    row = next(line for line in lines if "sample train" in line)
    assert row.count(" 160 ") == 2
    assert lines[-1].startswith("the run took ")
    plan, truth = by_name(read_stages(run / "metrics.jsonl")), read_json(run / "plan.json")
    ratio = sum(stage.seconds for stage in plan.values()) / truth["seconds"]
    assert f" {ratio:.2f} of" in lines[-1]
    (unfinished := shutil.copytree(run, tmp_path / "unfinished")).joinpath("result.json").unlink()
    assert planned_and_true(unfinished)[-1] == f"so far {lines[-1]}"
    other = shutil.copytree(run, tmp_path / "other")
    kept = {**truth, "config": {**truth["config"], "seed": 1}}
    (other / "plan.json").write_text(json.dumps(kept))
    assert planned_and_true(other) == []
    (other / "plan.json").write_text('{"stages": 3}')
    assert planned_and_true(other) == []


def test_a_finished_run_leaves_nothing_to_plan(planned):
    lab, _, run = planned
    before = (run / "plan.json").read_bytes()
    ended = inside("plan", lab.config, "name=planned")
    assert (ended.code, ended.out) == (0, "nothing left to do: the run is finished\n")
    longer = inside("plan", lab.config, "name=planned", "rounds=2")
    assert longer.code == 0, longer.err
    assert (run / "plan.json").read_bytes() == before


def test_what_the_workspace_has_costs_nothing(planned):
    lab, _, _ = planned
    assert inside("plan", lab.config, "name=second", "recipe.name=east", "recipe.options.samples=4").code == 0
    found = stages(lab.workspace / "second")
    assert (0, "sample select") not in found
    assert (1, "sample train") not in found
    assert found[1, "sample select"]["rows"] == 160  # the candidate's


def test_rounds_adapters_and_a_recipe_of_the_user(planned):
    lab, _, _ = planned
    own = f"recipe.name={lab.folder / 'recipe.py'}:contrary"
    changes = (own, "recipe.options.samples=4", "training.method=lora", "promote=always", "rounds=2", "seed=5")
    assert inside("plan", lab.config, "name=own", *changes).code == 0
    run = lab.run("own", *changes)
    truth = {(s.round, s.stage): s.rows for s in read_stages(run / "metrics.jsonl")}
    plan = {key: stage["rows"] for key, stage in stages(run).items()}
    assert plan.keys() == truth.keys()
    assert {key: plan[key] for key in plan if key[1] in LUCKLESS} == {k: truth[k] for k in truth if k[1] in LUCKLESS}


def test_complaints_are_those_of_a_run(planned):
    lab, _, _ = planned
    for change in ("rounds=0", "model=/no/such", "task.options.path=/no/such.jsonl", "training.trl.no_such=1"):
        assert (
            inside("plan", lab.config, "name=x", change).complaint
            == inside("run", lab.config, "name=x", change).complaint
        )
    changed = inside("plan", lab.config, "name=planned", "seed=1")
    assert changed.complaint == inside("run", lab.config, "name=planned", "seed=1").complaint
    assert "changed: seed" in changed.complaint


def test_a_prompt_longer_than_the_context_is_found(planned, tmp_path):
    lab, _, _ = planned
    rows = [*questions("test", 40), {"question": "how long? " * 200, "answer": "letter"}]
    path = write_rows(tmp_path / "long.jsonl", rows)
    complaint = inside("plan", lab.config, "name=long", f"task.options.test={path}").complaint
    assert "the model's context holds 512: use fewer shots or shorter questions" in complaint
    assert not (lab.workspace / "long").exists()


def test_a_judge_that_is_never_content_is_told(planned):
    lab, _, _ = planned
    ended = inside("plan", lab.config, "name=never", f"judge={lab.folder / 'judge.py'}:never")
    assert ended.code == 0, ended.err
    assert "under the training prompt was right: assumed that one was" in ended.out
    assert stages(lab.workspace / "never")[1, "train"]["rows"] > 0


def test_what_a_killed_plan_left_is_swept(planned):
    lab, _, _ = planned
    killed, living = lab.workspace / ".plan.tmp-killed", lab.workspace / ".plan.tmp-living"
    for folder in (killed, living):
        folder.mkdir()
        (folder / LOCK).touch()
    os.utime(living, (0, 0))
    with lock(living / LOCK, wait=False, what="a plan"):
        assert inside("plan", lab.config, "name=planned").code == 0
    assert not killed.exists()
    assert living.exists()
    shutil.rmtree(living)


def test_a_living_plan_holds_its_folder(tmp_path):
    with scratch(tmp_path) as folder:
        with scratch(tmp_path) as other:
            assert folder.exists()
            assert folder != other
        assert folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_what_is_drawn_and_judged_again_is_counted_once(planned):
    lab, _, _ = planned
    (lab.folder / "twice.py").write_text(TWICE)
    changes = (f"recipe.name={lab.folder / 'twice.py'}:twice", "recipe.options={}", "seed=7")
    assert inside("plan", lab.config, "name=twice", *changes).code == 0
    run = lab.run("twice", *changes)
    plan, truth = stages(run), {(s.round, s.stage): s.rows for s in read_stages(run / "metrics.jsonl")}
    for name in ("sample train", "judge"):
        assert plan[1, name]["rows"] == truth[1, name], name
    assert plan[1, "sample train"]["rows"] == 40 * 4


def test_problems_without_answers_are_planned(planned):
    lab, _, _ = planned
    rows = [{"question": row["question"]} for row in questions("train", 40)]
    path = write_rows(lab.folder / "unlabelled.jsonl", rows)
    (lab.folder / "unjudged.py").write_text(UNJUDGED)
    own = f"recipe.name={lab.folder / 'unjudged.py'}:unjudged"
    # At a temperature of their own, for else the responses to problems with answers would serve.
    task = (f"task.options.train={path}", "task.options.judge=exact", "sampling.temperature=0.9")
    changes = (own, "recipe.options={}", *task)
    ended = inside("plan", lab.config, "name=unlabelled", *changes)
    assert ended.code == 0, ended.err
    assert stages(lab.workspace / "unlabelled")[1, "train"]["rows"] > 0
