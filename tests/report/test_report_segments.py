"""The numbers of segments, against counts made another way."""

import math
from itertools import groupby

import numpy as np
import pytest
from make_segment_run import BETA, make_chain, plain_piece

from selftrain.report.segments import cut_of, mean_score, relative_scores, segment_counts
from selftrain.segments import label_pieces
from selftrain.segments.chains import Chain


def made(count, scored=True, seed=0):
    rng = np.random.default_rng(seed)
    return [make_chain(i, f"p{i}", f"r{i}", rng, plain_piece, scored) for i in range(count)]


def chain(scores, labels):
    segments = tuple(range(len(labels)))
    return Chain(
        problem="p", response="r", source="response", pieces=("x",) * len(labels), scores=scores, labels=labels,
        segments=segments, trained=True,
    )  # fmt: skip


def test_the_counts_are_those_counted_piece_by_piece():
    chains = made(150)
    found = segment_counts(chains)
    assert (found.chains, found.rationales, found.untrained) == (150, 30, 21)
    for label, one in found.by_label.items():
        flat = [(p, s) for c in chains for p, s, own in zip(c.pieces, c.scores, c.labels, strict=True) if own == label]
        runs = [key for c in chains for key, _ in groupby(c.labels) if key == label]
        assert (one.pieces, one.scored, one.segments) == (len(flat), len(flat), len(runs))
        assert one.words == len(" ".join(piece for piece, _ in flat).split(" "))
        assert one.characters == len("".join(piece for piece, _ in flat))
        assert one.mean == pytest.approx(np.mean([score for _, score in flat]))
        assert found.share(label) == pytest.approx(np.mean([own == label for c in chains for own in c.labels]))
    assert found.pieces == sum(len(c.pieces) for c in chains)
    assert found.segments == sum(c.segments[-1] + 1 for c in chains)
    assert found.words == sum(len(p.split()) for c in chains for p in c.pieces)
    assert found.characters == sum(len("".join(c.pieces)) for c in chains)


def test_pieces_without_a_score_are_counted_and_have_no_mean():
    found = segment_counts([*made(9, scored=False), chain((2.0, math.nan), "EE")])
    assert found.pieces == 47
    assert (found.by_label["E"].scored, found.by_label["E"].mean) == (1, 2.0)
    assert found.by_label["A"].scored == 0
    assert math.isnan(found.by_label["A"].mean)
    assert math.isnan(mean_score(made(1, scored=False)[0]))


def test_scores_are_set_against_the_mean_of_their_own_chain():
    chains = made(80)
    found = relative_scores(chains)
    for one in chains:
        assert label_pieces(one.scores, BETA) == one.labels
    assert min(found["A"]) > BETA >= max(found["E"])
    assert sum(found["E"] + found["A"]) == pytest.approx(sum(len(c.pieces) for c in chains))
    assert relative_scores([chain((1.0, 3.0, math.nan), "EAE")]) == {"E": [0.5], "A": [1.5]}


@pytest.mark.parametrize(
    "scores", [(0.0, 0.0), (-1.0, -3.0), (math.nan, math.nan), (1e308, 1e308), ()], ids=["0", "-", "nan", "big", "none"]
)
def test_without_a_mean_above_0_there_is_no_such_score(scores):
    found = relative_scores([chain(scores, "E" * len(scores))])
    assert all(math.isfinite(value) for value in found["E"])
    assert found["A"] == []


def test_the_cut_is_the_option_or_what_parts_the_labels():
    relative = relative_scores(made(80))
    assert cut_of({"beta": 1.4}, relative) == 1.4
    assert cut_of({"beta": 2}, relative) == 2.0
    assert cut_of({}, relative) == max(relative["E"]) <= 1.4
    for none in ("1.4", None, math.nan, math.inf, -1, 10**400, [1.4]):
        assert cut_of({"beta": none}, relative) == max(relative["E"])
    assert math.isnan(cut_of({}, {"E": [0.5, 2.0], "A": [1.5]}))
    assert math.isnan(cut_of({}, {"E": [0.5, 2.0], "A": []}))
    assert math.isnan(cut_of({"beta": 1.4}, {"E": [], "A": []}))
