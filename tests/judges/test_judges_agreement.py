"""The number judge survives rewordings: of problems made here always, of published solutions where they are."""

import importlib.util
import os
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest

from selftrain.judges.number import NumberJudge

ROOT = Path(__file__).parents[2]
PUBLISHED = Path(os.environ.get("SELFTRAIN_DATA", ROOT.parent / "shared" / "data")) / "gsm8k" / "model_solutions.jsonl"


def load_benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("judge_agreement", ROOT / "benchmarks" / "judge_agreement.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


BENCHMARK = load_benchmark()


def cases() -> list[tuple[str, str]]:
    """Pairs of a stated value and a gold that differs from it."""
    rng = random.Random(5)
    values = [rng.randrange(10**size) for size in range(1, 8) for _ in range(6)]
    pairs = [(str(value), str(value + rng.choice([-1, 1, 10]))) for value in values]
    return [*pairs, ("2.5", "2.05"), ("10.75", "1075")]


@pytest.mark.parametrize("name", BENCHMARK.REWORDINGS)
def test_reworded_answers_keep_their_judgement(name: str) -> None:
    body = "There are 3 days and 24 hours in each, so 3 * 24 = <<3*24=72>>72 hours."
    for value, other in cases():
        for gold, right in ((value, True), (other, False)):
            case = BENCHMARK.Case(body, value, f"{body}\nA: {gold}")
            response, reworded_gold = BENCHMARK.REWORDINGS[name](case)
            assert BENCHMARK.judged_right(NumberJudge(), reworded_gold, response) == right, (response, gold)


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published solutions are not here")
def test_published_flags_are_matched_and_survive_rewording(capsys: pytest.CaptureFixture[str]) -> None:
    assert BENCHMARK.main(PUBLISHED) == 0
    assert "2640 of 2640 flags matched" in capsys.readouterr().out
