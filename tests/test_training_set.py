"""Training sets: rows, weights of mean 1, files."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_round import make_group, make_round

from selftrain.training_set import Row, TrainingSet, rescaled


def make_row(weight=1.0, name="a", ids=(1, 2, 3), start=2):
    return Row(
        input_ids=ids,
        completion_start=start,
        weight=weight,
        problem=f"problem {name}",
        response=f"response {name}",
        prompt_text="1 and 2?",
        completion_text="\u00fc 3\n\u2028",
    )


ROWS = (make_row(0.5), make_row(1.5, "b", (4, 5, 6, 7), 1))


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=50).filter(any))
def test_rescaled_weights_have_mean_one_and_their_ratios(weights):
    rows = rescaled([make_row(weight) for weight in weights])
    assert math.isclose(math.fsum(row.weight for row in rows) / len(rows), 1, abs_tol=1e-12)
    top = max(range(len(weights)), key=weights.__getitem__)
    for row, weight in zip(rows, weights, strict=True):
        assert math.isclose(row.weight * weights[top], rows[top].weight * weight, rel_tol=1e-9, abs_tol=1e-300)
    assert TrainingSet(rows).mean_weight() == pytest.approx(1, abs=1e-12)


def test_weights_that_teach_nothing():
    assert rescaled([]) == ()
    with pytest.raises(ValueError, match="all weights are zero: nothing would be learned"):
        rescaled([make_row(0.0), make_row(0.0)])


@pytest.mark.parametrize("weight", [-0.1, math.nan, math.inf])
def test_impossible_weights(weight):
    with pytest.raises(ValueError, match=r"weights must be finite and not negative, found .* for problem a"):
        TrainingSet((make_row(weight),), normalised=False)


@pytest.mark.parametrize(("ids", "start"), [((1, 2), 0), ((1, 2), 2), ((1, 2), 3), ((), 0), ((1, 2), -1)])
def test_rows_without_prompt_or_completion(ids, start):
    with pytest.raises(ValueError, match="the row of problem problem a has no prompt or no completion"):
        TrainingSet((make_row(ids=ids, start=start),))


def test_the_mean_is_asserted_unless_it_is_not_promised():
    twice = (make_row(2.0), make_row(2.0, "b"))
    with pytest.raises(ValueError, match=r"weights must have mean 1 over the rows, found 2\.0"):
        TrainingSet(twice)
    assert TrainingSet(twice, normalised=False).mean_weight() == 2


def test_a_set_is_its_rows_in_order():
    rows = TrainingSet(ROWS, {"too long": 2})
    assert (len(rows), list(rows), rows.dropped) == (2, list(ROWS), {"too long": 2})
    assert not TrainingSet(())


def test_the_digest_is_what_training_sees():
    digest = TrainingSet(ROWS).digest
    a, b = ROWS
    assert TrainingSet((replace(a, problem="x", response="y", prompt_text="", completion_text=""), b)).digest == digest
    others = [
        (b, a),
        (a, replace(b, input_ids=(4, 5, 6, 8))),
        (a, replace(b, completion_start=2)),
        (replace(a, weight=0.75), replace(b, weight=1.25)),
        (replace(a, weight=1.0),),
    ]
    assert len({TrainingSet(rows).digest for rows in others} | {digest}) == 6


def test_saving_and_loading(tmp_path):
    path = tmp_path / "training.parquet"
    rows = TrainingSet(rescaled([make_row(weight, str(weight)) for weight in (0.1, 1 / 3, 7.7)]))
    rows.save(path)
    assert TrainingSet.load(path) == rows
    assert TrainingSet.load(path).digest == rows.digest


def test_saving_and_loading_weights_of_another_mean(tmp_path):
    rows = TrainingSet((make_row(0.3), make_row(0.4)), normalised=False)
    rows.save(tmp_path / "training.parquet")
    assert TrainingSet.load(tmp_path / "training.parquet") == rows


def test_saving_and_loading_nothing(tmp_path):
    TrainingSet(()).save(tmp_path / "training.parquet")
    assert TrainingSet.load(tmp_path / "training.parquet") == TrainingSet(())


def test_exporting_text(tmp_path):
    TrainingSet(ROWS).export_text(tmp_path / "rows.jsonl")
    lines = (tmp_path / "rows.jsonl").read_bytes().decode().split("\n")
    assert [json.loads(line) for line in lines[:-1]] == [
        {"prompt": "1 and 2?", "completion": "\u00fc 3\n\u2028", "weight": weight} for weight in (0.5, 1.5)
    ]
    assert lines[-1] == ""


def test_a_rounds_drops_are_counted_before_weights_get_mean_one():
    groups = [
        make_group("a", "R", texts=["3"]),
        make_group("b", "R", texts=["4 " * 100]),
        make_group("c", "RR", texts=["5", " \n"]),
    ]
    rows = make_round(groups, max_length=80).training_set(groups, [3.0, 100.0, 1.0])
    assert rows.dropped == {"longer than 80 tokens": 1, "empty response": 1}
    assert [row.weight for row in rows] == [1.5, 0.5]
    assert [row.response for row in rows] == ["a-0", "c-0"]


def test_a_round_trains_on_thinking_or_not():
    groups = [make_group("a", "RR", texts=["<think>hm</think> 3", "<think>hm"])]
    assert [row.completion_text for row in make_round(groups).training_set(groups)] == [
        "<think>hm</think> 3<|im_end|>",
        "<think>hm<|im_end|>",
    ]
    without = make_round(groups, train_on_thinking=False).training_set(groups)
    assert [row.completion_text for row in without] == ["3<|im_end|>"]
    assert without.dropped == {"empty response": 1}


def test_weights_are_one_a_group():
    groups = [make_group("a", "RR"), make_group("b", "R")]
    with pytest.raises(ValueError, match="shorter"):
        make_round(groups).training_set(groups, [1.0])
    found = make_round(groups).training_set(groups, [1.0, 4.0])
    assert [row.weight for row in found] == [0.5, 0.5, 2.0]


def test_rows_of_weight_zero_alone_are_nothing_to_train_on():
    found = make_round([]).training_set([make_group("a", "R")], [0.0])
    assert not found
    assert found.dropped == {"every weight is zero": 1}
