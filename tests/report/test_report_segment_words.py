"""What chains were cut into, in one line."""

import pytest

from selftrain.report.segment_words import segments_line
from selftrain.segments.chains import Chain


def chain(labels, segments, *, trained=True):
    pieces = tuple(f"piece {i}" for i in range(len(labels)))
    scores = (1.0,) * len(labels)
    return Chain(
        problem="p", response="r", source="response", pieces=pieces, scores=scores, labels=labels, segments=segments,
        trained=trained,
    )  # fmt: skip


FOUR = chain("EEAE", (0, 0, 1, 2))


@pytest.mark.parametrize(
    ("chains", "line"),
    [
        ([FOUR], "1 chain in 4 pieces, 25% abstractive; 3 segments: 2 extractive, 1 abstractive"),
        ([chain("A", (0,))], "1 chain in 1 piece, 100% abstractive; 1 segment: 0 extractive, 1 abstractive"),
        (
            [FOUR] * 400,
            "400 chains in 1,600 pieces, 25% abstractive; 1,200 segments: 800 extractive, 400 abstractive",
        ),
        (
            [FOUR, chain("EE", (0, 1), trained=False)],
            "2 chains in 6 pieces, 17% abstractive; 5 segments: 4 extractive, 1 abstractive; 1 chain not trained",
        ),
        ([chain("", ())], "1 chain in 0 pieces; 0 segments: 0 extractive, 0 abstractive"),
        ([], ""),
    ],
    ids=["one", "one piece", "many", "not trained", "no piece", "none"],
)
def test_the_line(chains, line):
    assert segments_line(chains) == line
