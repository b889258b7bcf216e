"""Levels: their order, their accuracies, disparity."""

import math

import pytest

from selftrain.audit import tally
from selftrain.audit.levels import by_level


def leveled(marks: dict[str, tuple[str | None, str]]):
    words = {"r": "right", "w": "wrong"}
    return tally(
        [{"problem": p, "level": level, "judgement": words[m]} for p, (level, line) in marks.items() for m in line], {}
    )


def test_levels_are_in_natural_order_with_both_accuracies() -> None:
    marks = {"a": ("Level 10", "ww"), "b": ("Level 2", "rw"), "c": ("Level 1", "rr"), "d": ("Level 1", "rw")}
    found = by_level(leveled(marks), leveled({**marks, "a": ("Level 10", "rw")}))
    assert found is not None
    assert found.names == ["Level 1", "Level 2", "Level 10"]
    assert found.problems == [2, 1, 1]
    assert found.before == pytest.approx([0.75, 0.5, 0])
    assert found.after == pytest.approx([0.75, 0.5, 0.5])
    assert (found.disparity_before, found.disparity_after) == pytest.approx((1.0, 1 / 3))


def test_a_level_is_taken_from_the_log_that_has_it() -> None:
    bare = leveled({"a": (None, "r"), "b": (None, "w")})
    full = leveled({"a": ("1", "r"), "b": ("2", "w")})
    found = by_level(bare, full)
    assert found is not None
    assert found.names == ["1", "2"]


def test_disparity_is_undefined_without_easy_ones_solved() -> None:
    found = by_level(*[leveled({"a": ("1", "w"), "b": ("2", "r")})] * 2)
    assert found is not None
    assert math.isnan(found.disparity_before)


@pytest.mark.parametrize("levels", [(None, None), ("1", "1"), (None, "2")])
def test_fewer_than_two_levels_are_no_levels(levels: tuple[str | None, str | None]) -> None:
    cell = leveled({"a": (levels[0], "r"), "b": (levels[1], "w")})
    assert by_level(cell, cell) is None


def test_hostile_names_of_levels() -> None:
    names = ["9" * 5000, "\u0663", "-1", "", "1.5"]
    cell = leveled({str(i): (name, "r") for i, name in enumerate(names)})
    found = by_level(cell, cell)
    assert found is not None
    assert sorted(found.names) == sorted(names)
