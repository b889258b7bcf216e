"""Documents and their summaries through the command line: judged, trained on, audited with scores, audited again."""

import pytest
from small import inside, read_json, write_lab, write_rows

pytest.importorskip("rouge_score")
pytest.importorskip("sacrebleu")

from selftrain.judges.identity import judge_identity
from selftrain.store import read_parquet

FIGURES = ("ROUGE-L", "BLEU (sentence)")
TOWNS = ("Aldby", "Brill", "Corse", "Deal", "Esher", "Frome")


def documents(split: str, count: int) -> list[dict[str, str]]:
    """Made-up reports; the summary has the letters that the tiny model writes as words of their own."""
    return [
        {
            "report": f"{split} {i}. The council of {town} met on Monday. It voted to close the old bridge.",
            "summary": f"{town} closes the bridge: a b c d e f g h i j k l m n o p q r s t u v w x y z.",
        }
        for i, town in zip(range(count), TOWNS * count, strict=False)
    ]


@pytest.fixture(scope="module")
def lab(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("summaries")
    files = {
        split: str(write_rows(folder / f"{split}-documents.jsonl", documents(split, 8)))
        for split in ("train", "select", "test")
    }
    columns = {"question": "report", "answer": "summary"}
    task = {"name": "files", "options": {**files, "judge": "summary", "right_from": 0.02, "columns": columns}}
    prompt = {"style": "plain", "template": "Report: {question}\nSummarise it in one sentence.\n"}
    sampling = {"temperature": 1.0, "max_tokens": 12}
    audit = {"samples": 2, "sampling": sampling, "greedy": False, "settings": {"draws": 100}}
    training = {"method": "full", "precision": "fp32", "epochs": 1, "learning_rate": 0.01, "batch_size": 8}
    changes = {"task": task, "prompt": prompt, "sampling": sampling, "audit": audit, "training": training}
    return write_lab(folder, model, {**changes, "promote": "always"})


@pytest.fixture(scope="module")
def run(lab):
    return lab.run("summaries")


def test_the_gold_summaries_judge_themselves_right(lab):
    ended = inside("check-task", lab.config)
    assert ended.code == 0, ended.err
    assert "every gold answer judges itself right (24 checked)" in ended.out


def test_the_audit_has_the_scores_beside_the_verdict(run):
    figures = read_json(run / "audit.json")["figures"]
    for name, most in zip(FIGURES, (1, 100), strict=True):
        found = figures[name]
        assert (found["role"], found["better"], found["problems"]) == ("secondary", "higher", 8)
        assert 0 < found["before"] < most
        assert found["low"] <= found["difference"] <= found["high"]
        assert found["difference"] == pytest.approx(found["after"] - found["before"])
    assert 0 < figures["pass@1"]["before"] < 1
    assert set(FIGURES) <= set(read_json(run / "rounds" / "01" / "audit.json")["figures"])


def test_the_run_audited_again_has_the_same_figures(run, tmp_path):
    ended = inside("audit", run, "--json", tmp_path / "again.json")
    assert ended.code == 0, ended.err
    assert read_json(tmp_path / "again.json")["figures"] == read_json(run / "audit.json")["figures"]
    assert all(name in ended.out for name in FIGURES)


def test_the_page_shows_the_figures(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in FIGURES)


def test_the_judge_steps_hold_the_scores(lab, run):
    (step,) = lab.steps(run, 1, "judge")
    rows = read_parquet(step / "rows.parquet")
    assert read_json(step / "step.json")["inputs"]["judge"] == judge_identity("summary")
    assert rows
    assert all(set(row["scores"]) == {"rouge_l", "bleu"} for row in rows)
