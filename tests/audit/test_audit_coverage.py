"""Correct-answer coverage and the advice that goes with it."""

import pytest
from make_cells import counted

from selftrain.audit.coverage import coverage


@pytest.mark.parametrize(("right", "advice"), [(4, "dpo or sft-dpo"), (2, "sft"), (0, "sft")])
def test_coverage_is_the_mean_share_of_right_responses(right: int, advice: str) -> None:
    found = coverage(counted([0, 2], 4), counted([right, right], [4, 4]), 4)
    assert found is not None
    assert (found.before, found.after, found.advice) == (0.25, right / 4, advice)


def test_one_response_is_no_sample() -> None:
    assert coverage(counted([1], 1), counted([1], 1), 1) is None
