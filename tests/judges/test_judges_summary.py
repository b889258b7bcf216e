"""Summaries are judged by ROUGE-L with the gold one, and their scores reported."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rouge_score")
pytest.importorskip("sacrebleu")

from selftrain.judges import JudgePool, judge_file
from selftrain.judges.stated import ANSWER_CAP
from selftrain.judges.summary import SummaryJudge
from selftrain.records import Judgement, Problem
from selftrain.scores import RIGHT_FROM

JUDGE = SummaryJudge()
GOLD = "The council voted on Tuesday to close the old bridge until the spring."


def judged(response: str, gold: str | None = GOLD, **reference: Any) -> Judgement:
    return JUDGE.judge(Problem.make("A long report.", gold=gold, reference=reference), response)


def test_the_gold_summary_is_right_with_the_highest_scores() -> None:
    found = judged(f"  {GOLD}\n")
    assert (found.judgement, found.answer) == ("right", GOLD)
    assert found.scores == {"rouge_l": 1.0, "bleu": pytest.approx(100.0)}
    assert found.reason == "ROUGE-L 1.000, right from 0.4"


def test_the_threshold_makes_right_and_wrong() -> None:
    response = "The council will close the bridge."
    score = judged(response).scores["rouge_l"]
    # Five words of six are in the gold's thirteen, in order: "the council close the bridge".
    assert score == pytest.approx(2 * 5 / (6 + 13))
    assert score > RIGHT_FROM
    marks = [judged(response, right_from=mark).judgement for mark in (0.1, score, score + 1e-9, 1)]
    assert marks == ["right", "right", "wrong", "wrong"]
    assert judged("Nothing of the kind.").judgement == "wrong"


def test_hypothesis_and_reference_are_not_swapped() -> None:
    from sacrebleu.metrics.bleu import BLEU

    short, both = "The council voted on Tuesday.", BLEU(effective_order=True)
    told, swapped = both.sentence_score(short, [GOLD]).score, both.sentence_score(GOLD, [short]).score
    assert swapped > told + 5
    assert judged(short).scores["bleu"] == pytest.approx(told)
    assert judged(GOLD, short).scores["bleu"] == pytest.approx(swapped)


@pytest.mark.parametrize("response", ["", " \n", "<think>The council voted", f"{GOLD}<think>", "<think>x</think> \t"])
def test_without_a_text_a_response_is_wrong_with_scores_of_nothing(response: str) -> None:
    found = judged(response)
    assert (found.judgement, found.answer, found.reason) == ("wrong", None, "no answer")
    assert found.scores == {"rouge_l": 0.0, "bleu": 0.0}


def test_thinking_is_cut_off() -> None:
    assert judged(f"<think>Long thoughts.</think>\n{GOLD}") == judged(GOLD)


@pytest.mark.parametrize("gold", [None, "", " \n"])
def test_without_gold_a_response_is_unjudged(gold: str | None) -> None:
    found = judged(GOLD, gold)
    assert (found.judgement, found.answer, found.scores) == ("unjudged", GOLD, {})


@pytest.mark.parametrize("right_from", [0, 1.1, -1, True, "0.4", None, float("nan")])
def test_a_threshold_that_is_none_leaves_a_response_unjudged(right_from: object) -> None:
    found = judged(GOLD, right_from=right_from)
    assert (found.judgement, found.scores) == ("unjudged", {})
    assert "right_from" in found.reason


def test_the_answer_is_the_folded_text_read_without_gold() -> None:
    question = Problem.make("A long report.", gold=GOLD).without_gold()
    assert JUDGE.exact_same
    assert JUDGE.answer(question, "<think>a</think> The\n\n  bridge. ") == "The bridge."
    assert JUDGE.answer(question, "e\u0301") == "\u00e9"
    long = JUDGE.answer(question, "ab " * ANSWER_CAP)
    assert long is not None
    assert ANSWER_CAP - 3 < len(long) <= ANSWER_CAP
    for response in ("The bridge.", "", "<think>", "ab " * ANSWER_CAP):
        assert judged(response).answer == JUDGE.answer(question, response)


@pytest.mark.parametrize("text", ["a b " * 50_000, "1," * 50_000, ". " * 50_000, "\u6f22" * 50_000, "&quot;" * 30_000])
def test_hostile_texts_are_judged_in_time(text: str) -> None:
    start = time.process_time()
    assert judged(text, text).judgement != "unjudged"
    assert time.process_time() - start < 5


def test_the_pool_and_a_file_keep_the_scores(tmp_path: Path) -> None:
    problem = Problem.make("A long report.", gold=GOLD)
    with JudgePool("summary", workers=1) as pool:
        ((_, told),) = pool.judge([("a", problem, GOLD)])
        ((_, read),) = pool.answers([("a", problem.without_gold(), GOLD)])
    assert told == judged(GOLD)
    assert (read.answer, read.scores) == (GOLD, {})
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps({"response": GOLD, "gold": gold}) + "\n" for gold in (GOLD, None)))
    assert judge_file(source, "summary", out, workers=1) == {"right": 1, "wrong": 0, "unjudged": 1}
    first, second = map(json.loads, out.read_text().splitlines())
    assert first["scores"] == told.scores
    assert "scores" not in second
