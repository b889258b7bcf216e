import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain.segments import label_pieces, merge_pieces, position_labels, segment_rows

LABELS = st.text("EA", max_size=12)


@pytest.mark.parametrize(
    ("scores", "beta", "labels"),
    [
        ([2, 2, 10, 2, 4], 1.4, "EEAEE"),
        ([2, 2, 10, 2, 4], 1.0, "EEAEE"),
        ([3, 5, 4], 1.0, "EAE"),
        ([1, 1, 1], 1.0, "EEE"),
        ([1, 1, 1], 0.9, "AAA"),
        ([], 1.4, ""),
        ([0.0, 0.0], 1.0, "EE"),
        ([1e308, 1e308, 0.0], 1.0, "AAE"),
    ],
)
def test_abstractive_is_above_beta_times_the_mean(scores, beta, labels):
    assert label_pieces(scores, beta) == labels


@given(st.floats(0, 1e6, allow_subnormal=False), st.integers(1, 9))
def test_a_tie_is_extractive_whatever_the_rounding(score, count):
    assert label_pieces([score] * count, 1.0) == "E" * count


def test_a_tie_with_beta_times_the_mean_is_extractive():
    """4.2 > 1.4 * 3 in floating point."""
    assert label_pieces([4.2, 1.8], 1.4) == "EE"


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_scores_that_are_no_numbers_are_refused(score):
    with pytest.raises(ValueError, match="scores must be finite"):
        label_pieces([1.0, score], 1.4)


@pytest.mark.parametrize("beta", [0, -1, math.nan, math.inf])
def test_beta_must_be_above_zero(beta):
    with pytest.raises(ValueError, match="beta must be above 0"):
        label_pieces([], beta)


def test_positions_alternate_from_extractive():
    assert [position_labels(count) for count in range(5)] == ["", "E", "EA", "EAE", "EAEA"]
    with pytest.raises(ValueError, match="count"):
        position_labels(-1)


@pytest.mark.parametrize(
    ("labels", "merged"),
    [
        ("EEAEE", [("E", ["p1", "p2"]), ("A", ["p3"]), ("E", ["p4", "p5"])]),
        ("AEEAA", [("A", ["p1"]), ("E", ["p2", "p3"]), ("A", ["p4", "p5"])]),
    ],
)
def test_neighbours_with_one_label_merge(labels, merged):
    assert merge_pieces(["p1", "p2", "p3", "p4", "p5"], labels) == merged


def test_nothing_merges_to_nothing():
    assert merge_pieces([], "") == segment_rows("Q", [], "") == segment_rows("Q", [], "", merge=False) == []


def test_rows_of_merged_pieces():
    assert segment_rows("Q", ["p1,", "p2,", "p3,", "p4,"], "EEAE") == [
        ("E", "Q", "p1, p2,"),
        ("A", "Q p1, p2,", "p3,"),
        ("E", "Q p1, p2, p3,", "p4,"),
    ]


def test_rows_of_single_pieces():
    assert segment_rows("Q", ["p1,", "p2,", "p3,"], "EEA", merge=False) == [
        ("E", "Q", "p1,"),
        ("E", "Q p1,", "p2,"),
        ("A", "Q p1, p2,", "p3,"),
    ]


@given(LABELS)
def test_merged_labels_alternate_and_lose_no_piece(labels):
    pieces = [str(place) for place in range(len(labels))]
    merged = merge_pieces(pieces, labels)
    assert [piece for _, run in merged for piece in run] == pieces
    assert "".join(label * len(run) for label, run in merged) == labels
    assert all(one != other for (one, _), (other, _) in pairwise(merged))


@given(LABELS.filter(bool), st.booleans())
def test_the_last_row_holds_the_whole_chain(labels, merge):
    pieces = [str(place) for place in range(len(labels))]
    _, context, target = segment_rows("Q", pieces, labels, merge)[-1]
    assert f"{context} {target}" == " ".join(["Q", *pieces])


@pytest.mark.parametrize("call", [merge_pieces, lambda pieces, labels: segment_rows("Q", pieces, labels, merge=False)])
@pytest.mark.parametrize(
    ("labels", "found"), [("E", "1 for 2 pieces"), ("EAE", "3 for 2 pieces"), ("EX", "'X'"), ("ea", "'a'")]
)
def test_labels_must_be_one_letter_a_piece(call, labels, found):
    with pytest.raises(ValueError, match=f"labels must be .*{found}"):
        call(["p1", "p2"], labels)
