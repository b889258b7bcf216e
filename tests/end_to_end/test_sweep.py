"""Sweeps from the command line: shared samples, kills, the test split, and what came of each variant."""

import json
import os
import shlex
import signal

import pytest
import yaml
from small import begin, inside, read_json, wait_for, write_lab

EXPONENTS = ("recipe=east", "recipe.options.samples=4", "recipe.options.exponent=0,1,2")
VARIANTS = ("exponent-0", "exponent-1", "exponent-2")


def sweep(lab, *words):
    ended = inside("sweep", lab.config, *words)
    assert ended.code == 0, ended.err
    return ended.out


def drawn(run):
    """Responses that a run sampled itself, by stage."""
    counts = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["event"] == "stage" and row["stage"].startswith("sample "):
            counts[row["stage"]] = counts.get(row["stage"], 0) + row["rows"]
    return counts


def purposes(lab):
    """What responses were sampled for in a workspace."""
    steps = (lab.workspace / ".steps").glob("sample-*/step.json")
    return {read_json(path)["inputs"]["purpose"] for path in steps}


@pytest.fixture(scope="module")
def exponents(model, tmp_path_factory):
    """A sweep of three exponents: its lab and what it printed."""
    lab = write_lab(tmp_path_factory.mktemp("exponents"), model)
    return lab, sweep(lab, *EXPONENTS)


def test_from_one_shared_set_of_samples_adding_one_more_recipe_costs_only_its_training_and_audit(exponents):
    lab, _ = exponents
    first, *others = (drawn(lab.workspace / f"small-{name}") for name in VARIANTS)
    # 40 problems, four responses: the base on select and again for the null, then the candidate on select.
    assert first == {"sample train": 160, "sample null": 160, "sample select": 320}
    for other in others:
        assert {stage: count for stage, count in other.items() if count} == {"sample select": 160}
    models = {read_json(lab.workspace / f"small-{name}" / "result.json")["model"] for name in VARIANTS}
    assert len(models) == 3


def test_the_test_split_stays_unread(exponents):
    lab, _ = exponents
    assert purposes(lab) == {"train", "select", "null"}
    for name in VARIANTS:
        run = lab.workspace / f"small-{name}"
        assert read_json(run / "result.json")["test_reads"] == 0
        assert yaml.safe_load((run / "run.yaml").read_text())["config"]["audit"]["split"] == "select"
        assert "on the select split. Positive is better" in (run / "report.html").read_text()
    assert "(final model against the base, select)" in " ".join(inside("show", run).out.split())


def test_an_audit_of_a_variant_reads_the_split_of_its_verdict(exponents, tmp_path):
    lab, _ = exponents
    run = lab.workspace / "small-exponent-1"
    ended = inside("audit", run, "--json", tmp_path / "again.json")
    assert ended.code == 0, ended.err
    own, again = (read_json(path) for path in (run / "audit.json", tmp_path / "again.json"))
    assert again["figures"] == own["figures"]


def test_the_table_tells_every_variant(exponents):
    lab, out = exponents
    last = out[out.rindex("sweep small") :]
    assert max(map(len, last.splitlines()[:-1])) <= 120
    assert [line.split()[0] for line in last.splitlines() if line.startswith(" exponent-")] == list(VARIANTS)
    assert "11 comparisons were made: 3 of pass@1 with the base, 2 of pass@1 with exponent-0" in " ".join(last.split())
    assert out.count("sweep small\n") == 3
    assert "2 of 3 variants still to come." in out
    found = read_json(lab.workspace / "small" / "sweep.json")
    for variant in found["variants"]:
        audit = read_json(lab.workspace / variant["run"] / "audit.json")
        for name, figure in (("gain", "pass@1"), ("pass@4", "pass@4"), ("distinct-n right", "distinct-n right")):
            assert variant["figures"][name] == audit["figures"][figure]
        tokens = read_json(lab.workspace / variant["run"] / "rounds" / "01" / "funnel.json")["tokens"]
        assert variant["tokens"] == tokens
        assert variant["tokens"]["trained"] > 0
    first, *others = found["variants"]
    assert first["figures"]["difference from the first"] is None
    for other in others:
        difference = other["figures"]["difference from the first"]
        assert difference["problems"] == 40
        assert difference["before"] == first["figures"]["gain"]["after"]
        assert difference["low"] < difference["difference"] < difference["high"]
    table = (lab.workspace / "small" / "sweep.md").read_text()
    assert [line.split()[1] for line in table.splitlines() if line.startswith("| exponent-")] == list(VARIANTS)


def test_the_best_is_measured_alone_on_test(exponents):
    lab, out = exponents
    command = out.splitlines()[-1]
    best = read_json(lab.workspace / "small" / "sweep.json")["best"]
    name = f"small-{best}-test"
    assert command == f"selftrain run {lab.workspace / 'small' / 'variants' / best}.yaml name={name} audit.split=test"
    ended = inside(*shlex.split(command)[1:])
    assert ended.code == 0, ended.err
    result = read_json(lab.workspace / name / "result.json")
    assert result["test_reads"] == 1
    assert result["model"] == read_json(lab.workspace / f"small-{best}" / "result.json")["model"]
    assert drawn(lab.workspace / name) == {"sample train": 0, "sample null": 160, "sample test": 320 + 80}


def test_a_sweep_killed_in_the_middle_and_repeated_ends_as_one_that_was_not(exponents, model, tmp_path):
    lab = write_lab(tmp_path, model)
    killed = begin("sweep", lab.config, *EXPONENTS)
    wait_for((lab.workspace / "small-exponent-1" / "rounds" / "01" / "funnel.json").exists, killed)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    place = lab.workspace / "small"
    assert not read_json(place / "sweep.json")["finished"]
    sweep(lab, *EXPONENTS)
    undisturbed = exponents[0].workspace / "small"
    assert read_json(place / "sweep.json") == read_json(undisturbed / "sweep.json")
    told = [
        path.read_text().replace(str(path.parents[1]), "RUNS")
        for path in (place / "sweep.md", undisturbed / "sweep.md")
    ]
    assert told[0] == told[1]


def test_a_bad_option_of_the_last_variant_stops_before_the_first_run(model, tmp_path):
    lab = write_lab(tmp_path, model)
    ended = inside("sweep", lab.config, "recipe.options.samples=4,2,0")
    assert ended.complaint.startswith("the variant samples-0: recipe.options.samples: ")
    assert not lab.workspace.exists()
    assert "a sweep wants something to vary" in inside("sweep", lab.config).complaint
    assert not lab.workspace.exists()


def test_a_variant_that_cannot_run_stops_before_the_first_run(model, tmp_path):
    """The task is loaded: it has no valid split, which the last recipe reads."""
    lab = write_lab(tmp_path, model)
    ended = inside("sweep", lab.config, "recipe=vanilla,iwsi", "recipe.options.samples=2")
    assert ended.complaint.startswith("the variant recipe-iwsi: the recipe iwsi compares with the rationales")
    assert not lab.workspace.exists()


def test_help_says_how_words_are_read():
    told = " ".join(inside("sweep", "--help").out.split())
    assert "sweep [OPTIONS] {CONFIG | KEY=VALUE | KEY=V1,V2}..." in told
    assert "list[str]" not in told
    for words in ("WORKSPACE/NAME/sweep.md", "recipe=vanilla,east", "a list stands in brackets", "labels"):
        assert words in told
    assert """'"a, b",c'""" in told


def test_methods_of_a_file_and_those_that_came_to_nothing(lab, tmp_path):
    """Of four: one promoted, one refused, one that finds nothing to train on, and one of the user's own."""
    (tmp_path / "methods.yaml").write_text(
        yaml.safe_dump(
            {
                "like": str(lab.config),
                "promote": "on_progress",
                "variants": {
                    "plain": {},
                    "wrong": {"recipe": f"{lab.folder / 'recipe.py'}:contrary", "recipe.options.samples": 2},
                    "strict": {"judge.name": f"{lab.folder / 'judge.py'}:never"},
                    "east": {"recipe": "east", "recipe.options.samples": 4},
                },
            },
            sort_keys=False,
        )
    )
    ended = inside("sweep", tmp_path / "methods.yaml")
    assert ended.code == 0, ended.err
    last = " ".join(ended.out[ended.out.rindex("sweep methods") :].split())
    assert "strict: nothing to train on, so the base stands there" in last
    assert "wrong: the candidate was refused; its figures are those of the last one, on select." in last
    found = read_json(lab.workspace / "methods" / "sweep.json")
    assert [(one["variant"], one["state"]) for one in found["variants"]] == [
        ("plain", "measured"),
        ("wrong", "refused"),
        ("strict", "nothing to train on"),
        ("east", "measured"),
    ]
    plain, wrong, strict, _ = found["variants"]
    assert found["best"] in ("plain", "east")
    assert wrong["figures"]["gain"]["difference"] < 0.1 < plain["figures"]["gain"]["difference"]
    assert wrong["figures"]["difference from the first"]["state"] == "down"
    assert set(strict["figures"].values()) == {None}
    assert strict["rows"] == 0
    assert "variants are for a sweep" in inside("run", tmp_path / "methods.yaml").complaint
