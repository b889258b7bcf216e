"""Training sets: rows, weights of mean 1, files."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_round import make_group, make_round
from make_rows import make_labelled, make_pair, make_row

from selftrain.digest import digest
from selftrain.errors import WorkspaceError
from selftrain.store import write_parquet
from selftrain.training_set import Pair, TrainingSet, rescaled

ROWS = (make_row(0.5), make_row(1.5, "b", (4, 5, 6, 7), 1))
PAIRS = (make_pair(0.5), make_pair(1.5, "b", (9,), (4, 5, 6), (7,)))
LABELLED = (make_labelled(0.5), make_labelled(1.5, "b", label=False))
KINDS = pytest.mark.parametrize("rows", [ROWS, PAIRS, LABELLED], ids=["rows", "pairs", "labelled"])


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


@pytest.mark.parametrize("part", ["prompt", "chosen", "rejected"])
def test_pairs_that_lack_a_part(part):
    with pytest.raises(ValueError, match="the row of problem problem a has no prompt or no completion"):
        TrainingSet((make_pair(**{part: ()}),))


def test_a_set_is_of_one_kind():
    for row in (make_pair(), make_labelled()):
        with pytest.raises(ValueError, match=f"rows are of one kind, found training rows and {row.noun}: make a set"):
            TrainingSet((make_row(), row))
    with pytest.raises(ValueError, match="found labelled responses and training rows"):
        TrainingSet((make_labelled(), make_row()))


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
    found = TrainingSet(ROWS).digest
    a, b = ROWS
    assert TrainingSet((replace(a, problem="x", response="y", prompt_text="", completion_text=""), b)).digest == found
    others = [
        (b, a),
        (a, replace(b, input_ids=(4, 5, 6, 8))),
        (a, replace(b, completion_start=2)),
        (replace(a, weight=0.75), replace(b, weight=1.25)),
        (replace(a, weight=1.0),),
        LABELLED,
        PAIRS,
    ]
    assert len({TrainingSet(rows).digest for rows in others} | {found}) == 8


def test_the_digest_of_rows_is_the_one_that_older_workspaces_know():
    assert TrainingSet(ROWS).digest == digest([[[1, 2, 3], 2, 0.5], [[4, 5, 6, 7], 1, 1.5]]) == "3f84785a972737d6"


def test_the_digest_of_preferences_is_what_training_sees():
    a, b = PAIRS
    words = {"problem": "x", "prompt_text": "", "chosen_text": "", "rejected_text": ""}
    told = replace(a, **words, chosen_response="", rejected_response="")
    assert TrainingSet((told, b)).digest == TrainingSet(PAIRS).digest
    parts = [{"prompt_ids": (8,)}, {"chosen_ids": (4,)}, {"rejected_ids": (4,)}, {"weight": 0.5}]
    swapped = replace(b, chosen_ids=b.rejected_ids, rejected_ids=b.chosen_ids)
    others = [(a, swapped), *((a, replace(b, **part)) for part in parts)]
    found = {TrainingSet(rows, normalised=False).digest for rows in others}
    assert len(found | {TrainingSet(PAIRS).digest}) == 6
    c, d = LABELLED
    assert TrainingSet((c, replace(d, label=True))).digest != TrainingSet(LABELLED).digest


def test_what_training_reads():
    assert TrainingSet(ROWS).tokens == TrainingSet((LABELLED[0], make_labelled(1.5))).tokens + 1 == 7
    assert PAIRS[1].sequences == ((4, 3), (2, 1))
    assert TrainingSet(PAIRS).tokens == 3 + 4 + 4 + 2


def test_a_pair_has_the_sides_of_two_rows():
    pair = Pair.of(replace(make_row(2.0), completion_text="right"), make_row(2.0, "b", ids=(1, 2, 4, 5)))
    assert (pair.prompt_ids, pair.chosen_ids, pair.rejected_ids) == ((1, 2), (3,), (4, 5))
    assert (pair.chosen_response, pair.rejected_response) == ("response a", "response b")
    assert (pair.weight, pair.problem, pair.chosen_text) == (2.0, "problem a", "right")


@KINDS
def test_saving_and_loading(tmp_path, rows):
    path = tmp_path / "training.parquet"
    rows = TrainingSet(rescaled([replace(rows[i % 2], weight=weight) for i, weight in enumerate((0.1, 1 / 3, 7.7))]))
    rows.save(path)
    assert TrainingSet.load(path) == rows
    assert TrainingSet.load(path).kind is rows.kind
    assert TrainingSet.load(path).digest == rows.digest


def test_a_file_of_anything_else_is_no_training_set(tmp_path):
    path = tmp_path / "training.parquet"
    write_parquet(path, [{"problem": "a", "weight": 1.0}])
    with pytest.raises(WorkspaceError, match=r"training\.parquet holds no training set: "):
        TrainingSet.load(path)
    path.write_text("PAR1")
    with pytest.raises(WorkspaceError, match=r"training\.parquet holds no training set: "):
        TrainingSet.load(path)


def test_saving_and_loading_weights_of_another_mean(tmp_path):
    rows = TrainingSet((make_row(0.3), make_row(0.4)), normalised=False)
    rows.save(tmp_path / "training.parquet")
    assert TrainingSet.load(tmp_path / "training.parquet") == rows


def test_saving_and_loading_nothing(tmp_path):
    TrainingSet(()).save(tmp_path / "training.parquet")
    assert TrainingSet.load(tmp_path / "training.parquet") == TrainingSet(())


@KINDS
def test_exporting_text(tmp_path, rows):
    TrainingSet(rows).export_text(tmp_path / "rows.jsonl")
    lines = (tmp_path / "rows.jsonl").read_bytes().decode().split("\n")
    completion = {"completion": "\u00fc 3\n\u2028"}
    first, second = {
        ROWS: (completion, completion),
        PAIRS: ({"chosen": "\u00fc 3\n\u2028", "rejected": "4"},) * 2,
        LABELLED: ({**completion, "label": True}, {**completion, "label": False}),
    }[rows]
    assert [json.loads(line) for line in lines[:-1]] == [
        {"prompt": "1 and 2?", **first, "weight": 0.5},
        {"prompt": "1 and 2?", **second, "weight": 1.5},
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
    with pytest.raises(ValueError, match="one for each of"):
        make_round(groups).training_set(groups, [1.0])
    found = make_round(groups).training_set(groups, [1.0, 4.0])
    assert [row.weight for row in found] == [0.5, 0.5, 2.0]


def test_rows_of_weight_zero_alone_are_nothing_to_train_on():
    found = make_round([]).training_set([make_group("a", "R")], [0.0])
    assert not found
    assert found.dropped == {"every weight is zero": 1}


def test_a_rounds_pairs_are_two_rows_of_one_prompt():
    group, other = make_group("a", "RW"), make_group("b", "WWR")
    right, wrong = group.responses
    round = make_round([group, other])
    found = round.pair_set([(group.problem, right, wrong), (other.problem, *other.responses[1:])], [1.0, 3.0])
    row, rejected = make_round([]).training_set([group])
    one, two = found
    assert one.prompt_ids + one.chosen_ids == row.input_ids
    assert one.prompt_ids + one.rejected_ids == rejected.input_ids
    assert (one.prompt_text, one.chosen_text, one.rejected_text) == (
        row.prompt_text,
        row.completion_text,
        rejected.completion_text,
    )
    assert (two.problem, two.chosen_response, two.rejected_response) == (other.problem.id, "b-1", "b-2")
    assert [pair.weight for pair in found] == [0.5, 1.5]
    assert not found.dropped


def test_a_rounds_pairs_are_dropped_once_before_weights_get_mean_one():
    texts = {"empty": ["3", " "], "both empty": ["", " "], "long": ["4 " * 100, "3"], "same": ["3", " 3 "]}
    groups = [make_group(name, "RW", texts=pair) for name, pair in texts.items()] + [make_group("good", "RW")]
    cut = make_group("cut", "RW", texts=["3", "3"], finish="sl")
    pairs = [(group.problem, *group.responses) for group in [*groups, cut]]
    found = make_round([], max_length=80).pair_set(pairs, [9.0, 9.0, 9.0, 9.0, 1.0, 3.0])
    assert found.dropped == {"empty response": 2, "longer than 80 tokens": 1, "chosen and rejected are the same": 1}
    assert [pair.chosen_response for pair in found] == ["good-0", "cut-0"]
    assert [pair.weight for pair in found] == [0.5, 1.5]


def test_a_rounds_preferences_are_of_what_follows_the_thinking():
    group = make_group("a", "RW", texts=["<think>hm</think> 3", "<think>hm</think> 4"])
    round = make_round([group], train_on_thinking=False)
    (pair,) = round.pair_set([(group.problem, *group.responses)])
    assert (pair.chosen_text, pair.rejected_text) == ("3<|im_end|>", "4<|im_end|>")
    assert [row.completion_text for row in round.labelled_set([group])] == ["3<|im_end|>", "4<|im_end|>"]


def test_a_rounds_labelled_responses_are_the_judged_ones():
    groups = [make_group("a", "RUW"), make_group("b", "WR", texts=["", "5"])]
    found = make_round(groups).labelled_set(groups, [1.0, 4.0])
    assert [(row.response, row.label) for row in found] == [("a-0", True), ("a-2", False), ("b-1", True)]
    assert [row.weight for row in found] == [0.5, 0.5, 2.0]
    assert found.dropped == {"unjudged response": 1, "empty response": 1}
    rows = make_round(groups).training_set(groups)
    assert [row.input_ids for row in found] == [row.input_ids for row in rows if row.response != "a-1"]


def test_preferences_of_weight_zero_alone_are_nothing_to_train_on():
    group = make_group("a", "RW")
    pairs, labelled = make_round([]), make_round([])
    assert not pairs.pair_set([(group.problem, *group.responses)], [0.0])
    assert not labelled.labelled_set([group], [0.0])
    assert (pairs.dropped, labelled.dropped) == ({"every weight is zero": 1}, {"every weight is zero": 2})
    with pytest.raises(ValueError, match="one for each of"):
        make_round([]).pair_set([(group.problem, *group.responses)] * 2, [1.0])
