"""Cells: impossible counts, pairing, what both logs have judged."""

from dataclasses import replace

import numpy as np
import pytest
from make_cells import counted

from selftrain.audit import Cell, paired
from selftrain.audit.cells import judged
from selftrain.errors import DataError


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


def named(names: str, right: list[int]) -> Cell:
    """A cell of problems with one-letter names and one response each."""
    return replace(counted(right, 1), problems=tuple(names))


def test_pairing_cuts_to_common_problems_in_one_order() -> None:
    pair = paired(named("abc", [1, 0, 1]), named("dca", [1, 0, 1]))
    assert pair.first.problems == pair.second.problems == ("a", "c")
    assert pair.first.right.tolist() == [1, 1]
    assert pair.second.right.tolist() == [1, 0]
    assert pair.alone == (("b",), ("d",))


def test_pairing_without_common_problems_is_an_error() -> None:
    with pytest.raises(DataError, match="no problem is in both logs"):
        paired(named("a", [1]), named("b", [1]))


def test_judged_drops_problems_that_one_model_has_no_mark_for() -> None:
    first = counted([1, 0, 2], [2, 0, 2], unjudged=[0, 2, 0])
    second = counted([1, 1, 0], [2, 2, 0], unjudged=[0, 0, 2])
    b, a = judged(first, second)
    assert b.problems == a.problems == ("p0",)
    with pytest.raises(DataError, match="none of the 1 common problems has a judged response"):
        judged(first.take(["p1"]), second.take(["p1"]))
