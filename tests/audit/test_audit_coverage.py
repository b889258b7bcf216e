"""Both coverages: of responses, and of problems."""

from make_cells import counted

from selftrain.audit.coverage import coverage


def test_coverage_of_responses_is_their_mean_share_and_that_of_problems_counts_those_ever_solved() -> None:
    found = coverage(counted([0, 2, 4], 4), counted([1, 3, 8], [4, 4, 8]), 4)
    assert found is not None
    assert (found.before, found.after) == (0.5, 2 / 3)
    assert (found.before_ever, found.after_ever) == (2 / 3, 1)


def test_all_judged_responses_count_beyond_the_common_k() -> None:
    found = coverage(counted([1], 32), counted([0], 4), 4)
    assert found is not None
    assert (found.before_ever, found.after_ever) == (1, 0)


def test_one_response_is_no_sample() -> None:
    assert coverage(counted([1], 1), counted([1], 1), 1) is None
