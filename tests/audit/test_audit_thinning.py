"""Cells made alike: the right sizes, unbiased, votes with them."""

import numpy as np
import pytest
from make_cells import counted, logged

from selftrain.audit.thinning import alike


def test_cells_that_are_alike_stay_as_they_are() -> None:
    before, after = counted([1, 2], 4), counted([3, 4], 4)
    assert alike(before, after, seed=0) == [before, after]


def test_every_problem_has_as_many_responses_as_the_shortest() -> None:
    first, second = alike(counted([3, 9, 2], [4, 10, 2]), counted([1, 1, 5], [8, 2, 6]), seed=0)
    assert first.n.tolist() == second.n.tolist() == [4, 2, 2]
    assert first.right[0] == 3
    assert second.right[1] == 1
    assert (first.right <= first.n).all()


def test_thinning_is_unbiased_and_seeded() -> None:
    many, few = counted([32] * 4000, 64), counted([2] * 4000, 4)
    thin = alike(many, few, seed=1)[0]
    assert thin.right.mean() == pytest.approx(2, abs=0.05)
    # Without replacement: 4 (1/2) (1/2) (60/63).
    assert thin.right.var() == pytest.approx(60 / 63, abs=0.06)
    assert (alike(many, few, seed=1)[0].right == thin.right).all()
    assert (alike(many, few, seed=2)[0].right != thin.right).any()


def test_votes_are_thinned_with_those_that_do_not_vote() -> None:
    many = logged({"p": ["x", "x", "y", None, None, "x"], "q": ["y", "x"]}, right="x")
    few = logged({"p": ["x", None], "q": ["y", "x"]}, right="x")
    thin = alike(many, few, seed=0)[0]
    assert thin.detail is not None
    assert thin.detail.votes is not None
    assert thin.unparsed is not None
    assert thin.detail.votes.counts[:2].sum() + thin.unparsed[0] == 2
    assert thin.detail.votes.counts[2:].tolist() == [1, 1]
    assert thin.detail.votes.ends.tolist() == [2, 4]


def test_the_likeliest_of_a_thinned_problem_is_not_known() -> None:
    nll = {"x": 0.1, "y": 0.2}
    many = logged({"p": ["x", "y", "x"], "q": ["x", "y"]}, right="x", nll=nll)
    few = logged({"p": ["x", "y"], "q": ["x", "y"]}, right="x", nll=nll)
    thin = alike(many, few, seed=0)[0]
    assert thin.detail is not None
    assert many.detail is not None
    assert thin.detail.likeliest.tolist() == [-1, 1]
    assert np.array_equal(thin.detail.first, many.detail.first)
