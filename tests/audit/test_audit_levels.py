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


def order(*names: str, told: tuple[str, ...] = ()) -> tuple[list[str], bool]:
    cell = leveled({str(i): (name, "rw") for i, name in enumerate(names)})
    found = by_level(cell, cell, told)
    assert found is not None
    assert math.isnan(found.disparity_after) != found.ordered
    return found.names, found.ordered


@pytest.mark.parametrize(
    "names",
    [
        ["-1", "0", "1"],
        [".125", ".25", ".5"],
        ["1e-3", "0.5", "2", "10"],
        ["Level 1", "Level 2", "Level 10"],
        ["2-3 steps", "4 steps", "10 steps"],
        ["grade -1", "grade -2"],
    ],
)
def test_numbers_tell_the_order(names: list[str]) -> None:
    assert order(*names[::-1]) == (names, True)
    assert order(*names) == (names, True)


@pytest.mark.parametrize(
    "names",
    [
        ["easy", "hard", "medium"],
        ["easy 1", "hard 1", "medium 1"],
        ["AIME 12", "AMC 10"],
        ["1", "2", "unknown"],
        ["1", "inf"],
        ["1", "1.0", "2"],
        ["step 1 of 2", "step 1 of 3"],
    ],
)
def test_names_that_tell_no_order_have_no_disparity(names: list[str]) -> None:
    assert order(*names[::-1]) == (names, False)


def test_the_order_that_is_set_counts_before_any_number() -> None:
    assert order("easy", "hard", "medium", told=("easy", "medium", "hard")) == (["easy", "medium", "hard"], True)
    assert order("1", "2", "3", told=("3", "2", "4", "3", "1")) == (["3", "2", "1"], True)


def test_problems_of_levels_that_are_not_named_are_counted_and_left_out() -> None:
    cell = leveled({"a": ("easy", "r"), "b": ("odd", "w"), "c": (None, "r"), "d": ("hard", "w")})
    found = by_level(cell, cell, ["easy", "hard"])
    assert found is not None
    assert (found.names, found.problems, found.left_out) == (["easy", "hard"], [1, 1], 2)
    assert (found.before, found.disparity_before) == ([1, 0], 1)
    none = by_level(cell, cell, ["Easy", "Hard"])
    assert none is not None
    assert (none.names, none.left_out) == ([], 4)


def test_problems_without_a_level_are_counted_too() -> None:
    cell = leveled({"a": ("1", "r"), "b": ("2", "w"), "c": (None, "r")})
    found = by_level(cell, cell)
    assert found is not None
    assert (found.problems, found.left_out) == ([1, 1], 1)


def test_more_than_sixty_names_are_no_levels() -> None:
    many = {str(i): (str(i % 61), "r") for i in range(122)}
    assert by_level(*[leveled(many)] * 2) is None
    few = by_level(*[leveled({p: level for p, level in many.items() if level[0] != "60"})] * 2)
    assert few is not None
    assert few.problems == [2] * 60
    named = by_level(*[leveled(many)] * 2, ["3", "7"])
    assert named is not None
    assert (named.names, named.left_out) == (["3", "7"], 118)


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
