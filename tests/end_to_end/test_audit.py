"""`selftrain audit` through the command line: logs of all kinds in, verdict, exit code and exports out."""

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import inside, selftrain

WORDS = list("abcdefghijklmnopq")


def sampled(chance, *, problems=120, each=8, seed=0, words=14, variety=50, **constant):
    """Rows of responses, right with a chance, written in so many ways."""
    rng = random.Random(seed)
    ways = [" ".join(rng.choices(WORDS, k=words)) for _ in range(variety)]
    for i in range(problems):
        for j in range(each):
            right = rng.random() < chance
            yield {
                "problem": f"p{i}",
                "question": f"What is {i} + {i}?",
                "index": j,
                "response": rng.choice(ways),
                "judgement": "right" if right else "wrong",
                "answer": str(2 * i) if right else rng.choice(["1", "2", None]),
                "finish": "stop",
                "level": str(1 + i % 2),
                "temperature": 0.7,
                **constant,
            }


@pytest.fixture
def log(tmp_path):
    def write(name, rows):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


def test_progress_with_everything_exported(log, tmp_path):
    before, after = log("before.jsonl", sampled(0.3)), log("after.jsonl", sampled(0.5, seed=1))
    exports = [tmp_path / name for name in ("audit.json", "audit.md", "card.yaml")]
    options = ("--json", exports[0], "--markdown", exports[1], "--card", exports[2], "--fail-on", "regress,reversal")
    ended = selftrain("audit", before, after, "draws=500", *options)
    assert ended.code == 0, ended.err
    assert "progress: pass@1 rose by" in " ".join(ended.out.split())
    found = json.loads(exports[0].read_text())
    assert found["verdict"] == "progress"
    assert found["figures"]["distinct-n right"]["role"] == "guard"
    assert found["null"]["kind"] == "split"
    assert found["settings"]["draws"] == 500
    assert "progress" in exports[1].read_text()
    assert "pass@1" in exports[2].read_text()


@pytest.mark.parametrize(
    ("chance", "variety", "fail_on", "verdict", "code"),
    [
        (0.5, 2, "regress,reversal", "reversal", 3),
        (0.5, 2, "regress", "reversal", 0),
        (0.1, 50, "regress", "regress", 3),
        (0.3, 50, "progress , inconclusive", "inconclusive", 3),
        (0.1, 50, "", "regress", 0),
    ],
)
def test_fail_on_makes_the_exit_code(log, chance, variety, fail_on, verdict, code):
    before, after = log("b.jsonl", sampled(0.3)), log("a.jsonl", sampled(chance, variety=variety, seed=1))
    ended = inside("audit", before, after, "draws=200", "--fail-on", fail_on)
    assert ended.code == code, ended.err
    assert f"{verdict}: " in ended.out


def test_settings_are_told_on_the_command_line(log, tmp_path):
    before, after = log("b.jsonl", sampled(0.3)), log("a.jsonl", sampled(0.5, variety=8, seed=1))
    settings = ("draws=200", "margin=0.5", "margins.pass@8=0.4", "alpha=0.1", "family=none")
    assert inside("audit", before, after, *settings, "--json", tmp_path / "a.json").code == 0
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["verdict"] == "progress"
    assert found["settings"]["margins"] == {"pass@8": 0.4}
    assert found["figures"]["pass@8"]["margin"] == 0.4
    assert found["figures"]["distinct-n right"]["margin"] == 0.5


def test_parquet_and_correct_and_suites_and_a_fresh_null(log, tmp_path):
    def rows(chance, far, seed):
        for row in sampled(chance, seed=seed):
            yield {**row, "correct": row.pop("judgement") == "right", "suite": None}
        for row in sampled(far, seed=seed, problems=60):
            yield {**row, "correct": row.pop("judgement") == "right", "suite": "far"}

    paths = [tmp_path / name for name in ("b.parquet", "a.parquet", "n.parquet")]
    for path, chances, seed in zip(paths, ((0.3, 0.5), (0.5, 0.1), (0.3, 0.5)), (0, 1, 2), strict=True):
        pq.write_table(pa.Table.from_pylist(list(rows(*chances, seed))), path)
    out = tmp_path / "audit.json"
    ended = inside("audit", paths[0], paths[1], "draws=200", "--null", paths[2], "--json", out)
    assert ended.code == 0, ended.err
    found = json.loads(out.read_text())
    assert (found["verdict"], found["null"]["kind"]) == ("reversal", "fresh")
    assert "pass@1 on far" in found["because"]


def test_several_logs_are_rounds(log, tmp_path):
    logs = [log(f"{i}.jsonl", sampled(chance, seed=i)) for i, chance in enumerate((0.3, 0.8, 0.4))]
    assert inside("audit", *logs, "draws=200", "--json", tmp_path / "a.json").code == 0
    found = json.loads((tmp_path / "a.json").read_text())["rounds"]
    assert (found["peak"], found["collapsed"]) == (1, True)


def test_mixed_settings_and_lone_problems_are_warned_of(log):
    before = log("b.jsonl", sampled(0.3))
    after = log("a.jsonl", sampled(0.5, seed=1, problems=119, temperature=1.0))
    told = " ".join(inside("audit", before, after, "draws=200").out.split())
    assert "temperature differs: before 0.7, after 1.0" in told
    assert "1 problem is in before only, left out: p119" in told


def test_a_run_is_audited_again_as_it_was(first, tmp_path):
    ended = inside("audit", first, "--json", tmp_path / "a.json")
    assert ended.code == 0, ended.err
    again, was = json.loads((tmp_path / "a.json").read_text()), json.loads((first / "audit.json").read_text())
    assert again["figures"] == was["figures"]
    assert {key: again[key] for key in ("verdict", "null", "sets", "support")} == {
        key: was[key] for key in ("verdict", "null", "sets", "support")
    }


def test_two_folders_are_two_logs(first, chained, tmp_path):
    ended = inside("audit", first / "rounds/00", chained, "--json", tmp_path / "a.json", "draws=200")
    assert ended.code == 0, ended.err
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["figures"]["pass@1"]["problems"] > 0


def test_sample_logs_are_audited(lab, model, first, tmp_path):
    logs = [tmp_path / "before.jsonl", tmp_path / "after.jsonl"]
    for source, out in zip((model, first / "final"), logs, strict=True):
        words = ("--task", lab.config, "--out", out, "--samples", 4, "--max-tokens", 3, "--temperature", 1)
        assert inside("sample", source, *words).code == 0
    ended = inside("audit", *logs, "draws=200")
    assert ended.code == 0, ended.err
    assert "pass@4" in ended.out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("nowhere.jsonl", "b.jsonl"), "nowhere.jsonl"),
        (("b.jsonl",), "is not the folder of a run: give two logs to compare"),
        (("b.jsonl", "b.jsonl", "margin=2"), "margin"),
        (("b.jsonl", "b.jsonl", "margn=.1"), "unknown key margn"),
        (("b.jsonl", "b.jsonl", "--fail-on", "bad"), "--fail-on has 'bad': name verdicts of progress"),
        (("b.jsonl", "b.jsonl", "--text", "b.jsonl"), "--text wants --models"),
        (("b.jsonl", "other.jsonl"), "no problem is in both logs"),
        (("draws=100",), "nothing to audit: give two logs"),
        (("b.jsonl", "other.jsonl", "--null", "./b.jsonl"), "is BEFORE itself"),
        (("b.jsonl", "b.jsonl", "--models", "x", "y", "--text", "a/t.txt", "--text", "b/t.txt"), "2 files of 1 names"),
        (("b.jsonl", "b.jsonl", "margins=0.3"), "margins"),
        (("b.jsonl", "b.jsonl", "alpha=1e-320"), "alpha"),
    ],
)
def test_errors_are_one_line(log, monkeypatch, tmp_path, words, complaint):
    log("b.jsonl", sampled(0.3, problems=3))
    log(
        "other.jsonl",
        (
            {**row, "problem": f"x{row['problem']}", "question": "?" + row["question"]}
            for row in sampled(0.3, problems=3)
        ),
    )
    monkeypatch.chdir(tmp_path)
    assert complaint in inside("audit", *words).complaint


def test_one_problem_of_one_response(log):
    one = log("one.jsonl", [{"problem": "p", "correct": True}])
    ended = inside("audit", one, one)
    assert ended.code == 0, ended.err
    assert "inconclusive" in ended.out


def test_a_suite_of_one_log_alone_is_withheld(log, tmp_path):
    rows = list(sampled(0.3))
    before = log("b.jsonl", [*rows, *({**row, "suite": "far v1.5"} for row in rows)])
    after = log("a.jsonl", sampled(0.5, seed=1))
    ended = inside("audit", before, after, "draws=200", "--json", tmp_path / "a.json")
    assert ended.code == 0, ended.err
    found = json.loads((tmp_path / "a.json").read_text())
    assert (found["verdict"], found["because"]) == ("inconclusive", ["pass@1 on far v1.5"])
    assert found["withheld"] == {"pass@1 on far v1.5": "after has no responses to it"}


def test_a_name_with_a_dot_has_a_margin(log, tmp_path):
    def both(chance, seed):
        rows = list(sampled(chance, seed=seed))
        return [*rows, *({**row, "suite": "far v1.5"} for row in rows)]

    before, after = log("b.jsonl", both(0.3, 0)), log("a.jsonl", both(0.5, 1))
    ended = inside("audit", before, after, "draws=200", "margins.pass@1 on far v1.5=0.4", "--json", tmp_path / "a.json")
    assert ended.code == 0, ended.err
    assert json.loads((tmp_path / "a.json").read_text())["figures"]["pass@1 on far v1.5"]["margin"] == 0.4


def test_the_null_of_a_run_may_be_another(first, lab, model, tmp_path):
    null = tmp_path / "null.jsonl"
    words = ("--task", lab.config, "--split", "test", "--samples", 4, "--max-tokens", 3, "--temperature", 1)
    assert inside("sample", model, "--out", null, *words, "--seed", 9).code == 0
    ended = inside("audit", first, "--null", null, "--json", tmp_path / "a.json")
    assert ended.code == 0, ended.err
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["null"] != json.loads((first / "audit.json").read_text())["null"]
    assert "no file" in inside("audit", first, "--null", tmp_path / "nowhere.jsonl").complaint
