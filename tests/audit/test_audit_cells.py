"""Cells: counting logged rows, refusing bad ones, pairing."""

import numpy as np
import pytest
from make_cells import counted

from selftrain.audit import Cell, paired
from selftrain.audit.cells import judged
from selftrain.errors import DataError


def row(problem: str, judgement: str, answer: str | None = "1", finish: str = "stop") -> dict[str, str | None]:
    return {"problem": problem, "judgement": judgement, "answer": answer, "finish": finish}


def test_rows_are_counted_by_problem() -> None:
    rows = [
        row("b", "right"),
        row("a", "wrong", None, "length"),
        row("b", "wrong"),
        row("b", "unjudged", None, "length"),
        row("b", "wrong", None),
    ]
    cell = Cell.from_rows(iter(rows), {"model": "m"})
    assert cell.problems == ("b", "a")
    assert cell.labels == {"model": "m"}
    assert cell.right.tolist() == [1, 0]
    assert cell.wrong.tolist() == [2, 1]
    assert cell.unjudged.tolist() == [1, 0]
    assert cell.unparsed.tolist() == [1, 1]
    assert cell.truncated.tolist() == [1, 1]
    assert cell.n.tolist() == [3, 1]
    assert cell.responses.tolist() == [4, 1]


def test_no_rows_make_an_empty_cell() -> None:
    cell = Cell.from_rows([], {})
    assert cell.problems == ()
    assert cell.right.shape == (0,)


@pytest.mark.parametrize("key", ["problem", "judgement", "answer", "finish"])
def test_a_missing_key_is_named(key: str) -> None:
    bad = row("a", "right")
    del bad[key]
    with pytest.raises(DataError, match=f"row 2 has no '{key}'"):
        Cell.from_rows([row("a", "right"), bad], {})


def test_unknown_marks_are_refused() -> None:
    with pytest.raises(DataError, match=r"row 1 has judgement 'maybe'.*right, wrong, unjudged"):
        Cell.from_rows([row("a", "maybe")], {})
    with pytest.raises(DataError, match=r"row 1 has finish 'cut'.*stop, length"):
        Cell.from_rows([row("a", "right", finish="cut")], {})
    with pytest.raises(DataError, match="row 1 has judgement"):
        Cell.from_rows([{**row("a", "right"), "judgement": ["right"]}], {})


@pytest.mark.parametrize(
    "change",
    [
        {"right": np.array([1])},
        {"wrong": np.array([-1, 2])},
        {"unparsed": np.array([9, 0])},
        {"truncated": np.array([9, 0])},
        {"problems": ("p0", "p0")},
    ],
)
def test_impossible_counts_are_refused(change: dict[str, object]) -> None:
    good = counted([1, 2], 4)
    values = {name: getattr(good, name) for name in Cell.__slots__}
    with pytest.raises(ValueError, match=r"counts|problem"):
        Cell(**{**values, **change})


def test_pairing_cuts_to_common_problems_in_one_order() -> None:
    first = Cell.from_rows([row("a", "right"), row("b", "wrong"), row("c", "right")], {})
    second = Cell.from_rows([row("d", "right"), row("c", "wrong"), row("a", "right")], {})
    pair = paired(first, second)
    assert pair.first.problems == pair.second.problems == ("a", "c")
    assert pair.first.right.tolist() == [1, 1]
    assert pair.second.right.tolist() == [1, 0]
    assert pair.unmatched == 2


def test_pairing_without_common_problems_is_an_error() -> None:
    with pytest.raises(DataError, match="no problem is in both logs"):
        paired(Cell.from_rows([row("a", "right")], {}), Cell.from_rows([row("b", "right")], {}))


def test_judged_drops_problems_that_one_model_has_no_mark_for() -> None:
    first = counted([1, 0, 2], [2, 0, 2], unjudged=[0, 2, 0])
    second = counted([1, 1, 0], [2, 2, 0], unjudged=[0, 0, 2])
    b, a = judged(first, second)
    assert b.problems == a.problems == ("p0",)
    with pytest.raises(DataError, match="none of the 1 common problems has a judged response"):
        judged(first.take(["p1"]), second.take(["p1"]))
