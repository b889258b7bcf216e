"""Graded scores in an audit: means by problem, paired figures, and no part in the verdict."""

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from make_cells import counted

from selftrain.audit import AuditSettings, Cell, compare, tally
from selftrain.audit.measures import scores
from selftrain.audit.tally import Tally
from selftrain.audit.thinning import alike
from selftrain.errors import DataError
from selftrain.scores import MOST

SETTINGS = AuditSettings(draws=200)


def row(problem: str, score: float | None, judgement: str = "right", **more: float) -> dict[str, Any]:
    told = more if score is None else {"rouge_l": score, **more}
    return {"problem": problem, "judgement": judgement, "scores": told or None}


def means(cell: Cell) -> dict[str, list[float]]:
    assert cell.detail is not None
    return {name: values.tolist() for name, values in cell.detail.scores.items()}


def drawn(shift: float, each: int, seed: int, *, count: int = 40, **more: float) -> Cell:
    """A log of problems that are right with chance .5 and have a score around .3 + `shift`, wherever they are hard."""
    rng = np.random.default_rng(seed)
    values = [
        (f"p{i}", 0.3 + shift + 0.2 * math.sin(i) + 0.1 * rng.random()) for i in range(count) for _ in range(each)
    ]
    return tally((row(name, value, ("right", "wrong")[rng.integers(2)], **more) for name, value in values), {})


def test_the_mean_of_a_score_is_over_the_judged_responses_of_a_problem() -> None:
    rows = [
        row("a", 0.5, bleu=20), row("b", 0.25, bleu=0), row("a", 0.0, "wrong", bleu=10), row("a", 0.9, "unjudged"),
        row("a", None, "unjudged"), row("c", None, "unjudged"),
    ]  # fmt: skip
    for order in itertools.permutations(rows):
        cell = tally(order, {}).take(["a", "b", "c"])
        assert means(cell)["rouge_l"][:2] == [0.25, 0.25]
        assert means(cell)["bleu"][:2] == [15, 0]
        assert math.isnan(means(cell)["rouge_l"][2])


def test_what_only_some_judged_rows_have_is_left_out_and_noted() -> None:
    found = Tally()
    for one in (row("a", 0.5, bleu=1), row("a", 0.5), row("b", 0.5, "wrong", bleu=2), row("b", None, "unjudged")):
        found.add(one)
    assert means(found.cell({})) == {"rouge_l": [0.5, 0.5]}
    assert found.notes == ["the score bleu is missing in 1 of 3 judged rows: its figure is left out"]


def test_a_row_twice_has_its_score_once() -> None:
    found = Tally()
    for score in (0.5, 0.1):
        found.add({**row("a", score), "index": 0})
    assert means(found.cell({})) == {"rouge_l": [0.5]}


@pytest.mark.parametrize("scores", [{"x": math.nan}, {"x": "1"}, {"rouge_l": 2}, ["x"], dict.fromkeys("abcdefghi", 1)])
def test_what_is_no_score_is_refused_with_the_number_of_its_row(scores: object) -> None:
    with pytest.raises(DataError, match=r"^row 2 has .*: wanted"):
        tally([row("a", 0.5), {**row("a", 0.5), "scores": scores}], {})


def test_a_log_of_ever_more_names_is_refused() -> None:
    with pytest.raises(DataError, match=rf"^row {MOST + 1} has the score s{MOST} beside {MOST} others: keep {MOST}"):
        tally((row("a", None, **{f"s{i}": 0.1}) for i in range(1000)), {})


def test_every_score_that_both_logs_have_is_a_paired_figure() -> None:
    before, after = drawn(0.0, 3, 1, bleu=10, quality=2, lone=1), drawn(0.1, 3, 2, bleu=30, quality=5)
    audit = compare(before, after, settings=SETTINGS)
    found = {
        figure.name: figure
        for figure in audit.figures
        if figure.name in ("ROUGE-L", "BLEU (sentence)", "score quality")
    }
    assert len(found) == 3
    assert {figure.role for figure in found.values()} == {"secondary"}
    rouge, bleu, quality = found["ROUGE-L"], found["BLEU (sentence)"], found["score quality"]
    gains = np.array(means(after)["rouge_l"]) - np.array(means(before)["rouge_l"])
    assert rouge.difference == pytest.approx(gains.mean())
    assert (rouge.state, rouge.better, rouge.problems) == ("up", "higher", 40)
    # Paired: problems differ by far more than the models do on one of them.
    assert rouge.high - rouge.low < 0.05 < np.std(means(before)["rouge_l"])
    assert (bleu.before, bleu.after, bleu.difference) == (10, 30, 20)
    assert (quality.better, quality.difference) == ("neither", 3)
    assert "after has no score lone: its figure is absent" in audit.warnings
    assert json.loads(json.dumps(audit.to_json()))["figures"]["ROUGE-L"]["after"] == pytest.approx(rouge.after)


def test_scores_make_no_verdict_and_change_no_other_figure() -> None:
    with_scores, without = (
        [tally(({**one, "scores": told(one)} for one in rows(seed)), {}) for seed in (1, 2)]
        for told in (lambda one: {"rouge_l": 0.9 if one["seed"] == 1 else 0.1}, lambda one: None)
    )
    audit, plain = compare(*with_scores, settings=SETTINGS), compare(*without, settings=SETTINGS)
    assert (audit.verdict, audit.because, audit.warnings) == (plain.verdict, plain.because, plain.warnings)
    assert [figure for figure in audit.figures if figure.name != "ROUGE-L"] == list(plain.figures)
    assert {figure.name: figure.state for figure in audit.figures}["ROUGE-L"] == "down"


def rows(seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    chance = 0.3 + 0.3 * (seed == 2)
    return [
        {"problem": f"p{i}", "judgement": "right" if rng.random() < chance else "wrong", "answer": "x", "seed": seed}
        for i in range(60)
        for _ in range(4)
    ]


def test_a_score_of_a_figures_name_takes_no_figures_place() -> None:
    before, after = (drawn(0.0, 2, seed, **{"pass@1": 7.0}) for seed in (1, 2))
    audit = compare(before, after, settings=SETTINGS)
    assert audit.to_json()["figures"]["score pass@1"]["before"] == 7
    assert audit.to_json()["figures"]["pass@1"]["role"] == "primary"


def test_unlike_numbers_of_responses_leave_a_score_as_it_is() -> None:
    many, few = drawn(0.0, 12, 1), drawn(0.0, 2, 2)
    thin = alike(many, few, seed=0)[0]
    assert thin.n.tolist() == few.n.tolist()
    assert means(thin) == means(many)
    figure = next(f for f in compare(many, few, settings=SETTINGS).figures if f.name == "ROUGE-L")
    assert figure.before == pytest.approx(np.mean(means(many)["rouge_l"]))
    assert figure.state == "unknown"


def test_cells_without_scores_have_no_figure() -> None:
    assert list(scores(counted([1], 2), counted([1], 2))) == []
    assert list(scores(drawn(0, 1, 1), tally(({**one, "scores": None} for one in [row("p0", 0.5)]), {}))) == []
