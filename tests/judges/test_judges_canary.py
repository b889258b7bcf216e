"""Hostile answers run nothing, hang nothing and are never right, through every judge and every offered family."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from selftrain.families import answer_kind, offered_families
from selftrain.judges import JudgePool
from selftrain.judges.pool import NOT_COMPARED
from selftrain.records import Problem


def attacks(file: Path) -> list[str]:
    """Answers that would create `file` if anything executed them, or take for ever if anything expanded them."""
    touch = f"__import__('os').system('touch {file}')"
    codes = [
        touch,
        f"open('{file}','w')",
        f"exec(\"open('{file}','w')\")",
        f"[{touch}]",
        f"({touch}, 1)",
        f"x + {touch}",
    ]
    codes += [
        f"\\{touch}",
        f"{{{touch}}}",
        f'{{"a": {touch}}}',
        f"1 if {touch} else 2",
        f"; touch {file}",
        f"$(touch {file})",
    ]
    costly = ["9**9**9", "9^{9^{9}}", "99999999!", "1e999999999", "-1E+999999999", "1/1e999999999", "0x" + "f" * 9000]
    deep = ["(" * 9000, "[" * 9000, "{" * 9000, r"\boxed{" * 900, r"\frac{1}{" * 900, "-" * 9000, "[" * 900 + "]" * 900]
    long = [
        "1 " * 9000,
        "9" * 9000,
        "1,111" * 3000,
        " " * 19_000 + "x",
        "answer " * 2500,
        "####" * 4000,
        "A:" * 9000,
        "\n" * 9000,
    ]
    plain = codes + costly + deep + long
    return plain + [f"\\boxed{{{text}}}" for text in codes + costly] + [f"Answer: {text}" for text in plain]


def run(judge: str, problems: list[tuple[str, Problem]], file: Path) -> None:
    def items() -> Iterator[tuple[str, Problem, str]]:
        for name, problem in problems:
            for text in attacks(file):
                yield f"{name}: {text[:60]}", problem, text
            yield f"{name}: 1 MB", problem, "x y 7 + " * 125_000
            yield f"gold of {name}", problem, str(problem.gold)

    with JudgePool(judge, deadline=10.0) as pool:
        for name, found in pool.judge(items()):
            assert found.judgement == ("right" if name.startswith("gold of") else "wrong"), (name, found)
            assert found.answer is None or len(found.answer) <= 4000
        for name, found in pool.answers(items()):
            assert found.reason == NOT_COMPARED, (name, found)
            assert found.answer is None or len(found.answer) <= 4000
    assert not file.exists()


@pytest.mark.parametrize(("judge", "gold"), [("number", "41"), ("math", r"\sqrt{41}"), ("exact", "forty-one")])
def test_hostile_answers_to_plain_judges(
    judge: str, gold: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a path with digits in it could hit a gold answer
    run(judge, [(judge, Problem.make("q", gold=gold))], Path("touched"))


def test_hostile_answers_to_every_offered_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a path with digits in it could hit a gold answer
    reasoning_gym = pytest.importorskip("reasoning_gym")
    problems = []
    for name in offered_families():
        data = reasoning_gym.create_dataset(name, seed=9, size=20)
        # an entry whose answer no attack can hit by chance
        entry = json.loads(json.dumps(next((e for e in data if len(e["answer"]) > 1), data[0])))
        reference = {"dataset": name, "entry": entry, "kind": answer_kind(name)}
        problems.append((name, Problem.make(entry["question"], gold=entry["answer"], family=name, reference=reference)))
    run("reasoning_gym", problems, Path("touched"))
