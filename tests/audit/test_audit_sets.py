"""Improvement and loss set: chosen by one response, measured by the others."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from make_cells import counted, drawn

from selftrain.audit import tally
from selftrain.audit.sets import chosen_sets, expected_sets


def rows(marks: dict[str, str]):
    """A cell from r and w by problem, in order."""
    words = {"r": "right", "w": "wrong", "u": "unjudged"}
    return tally([{"problem": p, "judgement": words[m]} for p, line in marks.items() for m in line], {})


def test_problems_are_chosen_by_the_first_response_and_measured_by_the_rest() -> None:
    before = rows({"a": "wrrww", "b": "wwwww", "c": "rwwww", "d": "rrrrr", "e": "uwwrr"})
    after = rows({"a": "rrrrr", "b": "rwwww", "c": "wrrrr", "d": "rrrrr", "e": "rrrrr"})
    found = chosen_sets(before, after)
    assert found is not None
    assert (found.improvement.problems, found.loss.problems) == (2, 1)
    assert found.improvement.ns == [1, 2, 4]
    # a has two of four right left, b none.
    assert found.improvement.before == pytest.approx([0.25, (1 - 1 / 6) / 2, 0.5])
    assert found.improvement.after == pytest.approx([0.5, 0.5, 0.5])
    assert found.loss.before == pytest.approx([0, 0, 0])
    assert found.loss.after == pytest.approx([1, 1, 1])


def test_greedy_responses_choose_when_they_are_there() -> None:
    before, after = counted([1, 2, 0], 4), counted([4, 4, 4], 4)
    found = chosen_sets(before, after, (counted([0, 1, 0], 1), counted([1, 1, 0], 1)))
    assert found is not None
    assert (found.improvement.problems, found.loss.problems) == (1, 0)
    assert found.improvement.ns == [1, 2, 4]
    assert found.improvement.before == pytest.approx([0.25, 0.5, 1])
    assert (found.loss.ns, found.loss.before) == ([], [])


def test_greedy_problems_without_a_judgement_are_no_change() -> None:
    greedy = counted([0, 0], [0, 1], unjudged=[1, 0]), counted([1, 1], 1)
    found = chosen_sets(counted([1, 1], 2), counted([2, 2], 2), greedy)
    assert found is not None
    assert found.improvement.problems == 1


def test_one_response_leaves_nothing_to_measure_by() -> None:
    found = chosen_sets(rows({"a": "w", "b": "r"}), rows({"a": "r", "b": "r"}))
    assert found is not None
    assert (found.improvement.problems, found.improvement.ns, found.improvement.before) == (1, [], [])


def test_a_cell_of_counts_alone_chooses_nothing() -> None:
    assert chosen_sets(counted([1], 2), counted([1], 2)) is None


def test_a_frozen_model_has_both_sets_alike() -> None:
    """What is chosen on noise: a model against itself improves on as many problems as it loses."""
    rng = np.random.default_rng(0)
    marks = rng.random((2, 4000, 9)) < rng.beta(1, 1, 4000)[None, :, None]
    sides = [rows({str(i): "".join("wr"[int(m)] for m in line) for i, line in enumerate(side)}) for side in marks]
    found = chosen_sets(*sides)
    assert found is not None
    assert found.improvement.problems == pytest.approx(4000 / 6, rel=0.1)
    assert found.loss.problems == pytest.approx(4000 / 6, rel=0.1)
    assert found.improvement.before[0] == pytest.approx(0.5, abs=0.03)
    assert drawn(np.array([0.5]), 2, rng).detail is None


def test_what_pass_at_n_rests_on_is_counted_apart() -> None:
    before = rows({"a": "wrrww", "b": "ww"} | {f"p{i}": "wwwww" for i in range(30)})
    after = rows({"a": "rrrrr", "b": "rr"} | {f"p{i}": "wwwww" for i in range(30)})
    found = chosen_sets(before, after)
    assert found is not None
    assert (found.improvement.problems, found.improvement.measured, found.improvement.ns) == (2, 1, [1, 2, 4])
    assert (found.loss.problems, found.loss.measured) == (0, 0)


def test_greedy_problems_are_matched_in_one_pass() -> None:
    class Counted(tuple):
        passes = 0

        def __iter__(self):
            Counted.passes += 1
            return super().__iter__()

    greedy = counted([0] * 50, 1), counted([1] * 50, 1)
    watched = replace(greedy[1], problems=Counted(greedy[1].problems))
    Counted.passes = 0
    found = chosen_sets(counted([1] * 50, 2), counted([2] * 50, 2), (greedy[0], watched))
    assert found is not None
    assert found.improvement.problems == 50
    assert Counted.passes < 5


def test_greedy_logs_of_other_problems_choose_nothing() -> None:
    cell = counted([1, 1], 4)
    found = chosen_sets(cell.take(["p0"]), cell.take(["p0"]), (cell.take(["p1"]),) * 2)
    assert found is not None
    assert (found.improvement.problems, found.improvement.ns, found.loss.ns) == (0, [], [])


def test_the_expected_sets_are_the_mean_over_all_pairs_of_responses() -> None:
    right, n = [1, 2, 0, 6, 4, 1], [6, 6, 6, 6, 6, 1]
    found = expected_sets(counted(right, n))
    chosen, hits, pairs = 0.0, np.zeros(3), 0
    for c in right[:5]:
        marks = [1] * c + [0] * (6 - c)
        for first, second in itertools.permutations(range(6), 2):
            pairs += 1
            if marks[first] < marks[second]:
                rest = [mark for i, mark in enumerate(marks) if i not in (first, second)]
                chosen += 1
                hits += [np.mean([any(pick) for pick in itertools.combinations(rest, N)]) for N in (1, 2, 4)]
    assert found is not None
    assert found.improvement == found.loss
    assert found.improvement.problems == found.improvement.measured == pytest.approx(5 * chosen / pairs)
    assert found.improvement.ns == [1, 2, 4]
    assert found.improvement.before == pytest.approx(hits / chosen)
    assert found.improvement.after == found.improvement.before


def test_the_expected_sets_are_what_two_samples_of_one_model_give() -> None:
    rng = np.random.default_rng(1)
    marks = rng.random((2, 4000, 9)) < rng.beta(1, 1, 4000)[None, :, None]
    sides = [rows({str(i): "".join("wr"[int(m)] for m in line) for i, line in enumerate(side)}) for side in marks]
    seen, expected = chosen_sets(*sides), expected_sets(sides[0])
    assert seen is not None
    assert expected is not None
    assert expected.improvement.problems == pytest.approx(seen.improvement.problems, rel=0.1)
    assert expected.improvement.before[:3] == pytest.approx(seen.improvement.before[:3], abs=0.03)


@pytest.mark.parametrize(("right", "n", "problems"), [(0, 4, 0), (4, 4, 0), (1, 2, 1)])
def test_expected_sets_with_nothing_to_measure(right: int, n: int, problems: int) -> None:
    found = expected_sets(counted([right, right], n))
    assert found is not None
    assert (found.improvement.problems, found.improvement.ns, found.improvement.before) == (problems, [], [])


def test_one_response_expects_nothing() -> None:
    assert expected_sets(counted([1, 0], 1)) is None
