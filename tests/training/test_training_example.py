"""The script of the documentation runs, and shows what it says."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "examples" / "weighted_sft.py"


@pytest.mark.extra
def test_an_answer_of_four_times_the_weight_gets_four_times_the_probability(smollm2, tmp_path):
    done = subprocess.run([sys.executable, SCRIPT], cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    found = ast.literal_eval(done.stdout.splitlines()[-1])
    assert found == {" green": pytest.approx(0.8, abs=0.08), " purple": pytest.approx(0.2, abs=0.08)}
    assert (tmp_path / "zog" / "metrics.jsonl").exists()
