"""The embedded model through the command line: it learns the bare question from its own few-shot answers."""

import json
import subprocess
import sys

import pytest

CONFIG = """
model: smollm2
name: run
task:
  name: reasoning_gym
  options:
    families: {needle_haystack: {min_num_statements: 2, max_num_statements: 3}}
    train: 80
    select: 40
    test: 80
    shots: 4
recipe: {name: east, options: {samples: 4}}
sampling_prompt: {style: plain, template: "Question: {question}\\nAnswer:", shots: 4, stop: ["\\n"]}
prompt: {style: chat}
sampling: {max_tokens: 12}
training: {method: full, loss: sequence, learning_rate: 5.0e-5, epochs: 2}
audit: {samples: 4, sampling: {max_tokens: 12}}
promote: always
"""


@pytest.mark.extra
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("smollm2")
def test_the_embedded_model_improves_and_exports(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    done = _selftrain(tmp_path, "run", "config.yaml")
    assert done.returncode == 0, done.stderr
    audit = json.loads((tmp_path / "runs/run/audit.json").read_text())
    assert audit["figures"]["pass@1, same prompt"]["low"] > 0.05
    exported = _selftrain(tmp_path, "export", "runs/run", "--as", "gguf", "--out", "final.gguf")
    assert exported.returncode == 0, exported.stderr
    sampled = _selftrain(
        tmp_path, "sample", "final.gguf", "--task", "config.yaml", "--prompt", "config.yaml", "--split", "test",
        "--out", "log.jsonl", "--max-tokens", "12",
    )  # fmt: skip
    assert sampled.returncode == 0, sampled.stderr
    marks = [json.loads(line)["judgement"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert abs(marks.count("right") / len(marks) - audit["figures"]["pass@1"]["after"]) < 0.1


def _selftrain(folder, *words):
    command = [sys.executable, "-c", "from selftrain.cli import main; main()", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1500, check=False)
