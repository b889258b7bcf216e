"""What became of pseudo-labels, in one line."""

import math

import pytest

from selftrain.report.pseudo_words import pseudo_line


def label(nll, *, kept, mark=None, answer="1"):
    return {"answer": answer, "nll": nll, "kept": kept, "judgement": mark, "source": "base, 0 shots"}


KEPT = [label(0.125, kept=True, mark="right"), label(0.5, kept=True), label(0.5, kept=True, mark="right")]
DROPPED = [label(0.75, kept=False, mark="wrong"), label(0.875, kept=False, mark="unjudged")]
UNRANKED = [label(None, kept=False), label(0.25, kept=False, answer=None), label(math.inf, kept=False)]
RANKED = "3 of the 5 that can be ranked were kept (60.0%)"
LEAST = "those with a mean negative log-likelihood of at most"


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (
            [*KEPT, *DROPPED, *UNRANKED],
            f"8 pseudo-labels: {RANKED}, {LEAST} 0.5 nats a token, where 2 tie; 1 without an answer, 2 without "
            "a finite confidence; right on the probe: before selection 0.667 (2 of 3), kept 1.000 (2 of 2), "
            "dropped 0.000 (0 of 1)",
        ),
        (KEPT[1:2], f"1 pseudo-labels: 1 of the 1 that can be ranked were kept (100.0%), {LEAST} 0.5 nats a "
         "token"),
        ([label(0.1, kept=False), *KEPT[:1]], "2 pseudo-labels: 1 of the 2 that can be ranked were kept (50.0%)"
         "; right on the probe: before selection 1.000 (1 of 1), kept 1.000 (1 of 1)"),
        (UNRANKED, "3 pseudo-labels: none can be ranked; 1 without an answer, 2 without a finite confidence"),
        ([], ""),
    ],
    ids=["all sorts", "no probe", "no threshold", "none ranked", "none"],
)  # fmt: skip
def test_the_line(rows, line):
    assert pseudo_line(rows) == line
