"""The neighbours of many queries are, query by query, those of the plain rule; memory stays linear."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftrain.neighbours import nearest
from selftrain.signals import nearest_neighbours

pytest.importorskip("sklearn")


def one_by_one(rows, queries, k):
    """The neighbours by the plain rule; of a query without direction the lowest indices."""
    lowest = np.arange(len(rows))[:k]
    return np.array([nearest_neighbours(rows, query, k) if query.any() else lowest for query in queries])


def check(rows, queries, k):
    found = nearest(rows, queries, k)
    assert (found.shape, found.dtype) == ((len(queries), min(k, len(rows))), np.int64)
    np.testing.assert_array_equal(found, one_by_one(rows, queries, k))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    distinct=st.integers(1, 60),
    count=st.integers(1, 120),
    k=st.integers(1, 6),
    steps=st.integers(1, 3),
)
def test_every_query_gets_what_the_rule_gives(seed, distinct, count, k, steps):
    """Few whole numbers a row: duplicates, parallel rows, rows and queries of zero length, and ties without end."""
    rng = np.random.default_rng(seed)
    pool = rng.integers(-steps, steps + 1, size=(distinct, 3)).astype(np.float32)
    pool[0] = 0
    rows, queries = pool[rng.integers(distinct, size=count)], pool[rng.integers(distinct, size=20)]
    check(rows, queries, k)


@pytest.mark.parametrize("k", [1, 3, 40, 300, 400])
def test_unit_rows_some_of_them_equal(k):
    rng = np.random.default_rng(k)
    rows = rng.normal(size=(300, 16)).astype(np.float32)
    rows[50:200] = rows[rng.integers(50, size=150)]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[[3, 250]] = 0
    check(rows, np.vstack([rows[:60], rng.normal(size=(20, 16)).astype(np.float32)]), k)


def test_all_rows_are_equal():
    assert nearest(np.ones((500, 4)), np.ones((2, 4)), 3).tolist() == [[0, 1, 2], [0, 1, 2]]


def test_parallel_rows_beyond_every_candidate_are_ties():
    """Of 500 rows on one line none equals another, and any looks nearest by rounding: the lowest index wins."""
    rng = np.random.default_rng(0)
    rows = np.outer(rng.uniform(0.1, 9, size=500), [0.1, 0.7, -0.3])
    assert nearest(rows, rng.normal(size=(20, 3)), 2).tolist() == [[0, 1]] * 20


def test_a_query_of_zero_length_gets_the_lowest_indices():
    rows = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert nearest(rows, [[0.0, 0.0], [1.0, 0.1]], 2).tolist() == [[0, 1], [2, 1]]


def test_huge_numbers():
    assert nearest(np.tile([[1e200, 0], [1e200, 1e200]], (20, 1)), [[1e-200, 1e-200]], 1).tolist() == [[1]]


def test_nothing_to_find():
    assert nearest(np.zeros((0, 0)), np.ones((2, 3)), 3).shape == (2, 0)
    assert nearest(np.ones((4, 3)), np.ones((2, 3)), 0).shape == (2, 0)
    assert nearest(np.ones((40, 3)), np.zeros((0, 3)), 2).shape == (0, 2)


@pytest.mark.parametrize(
    ("rows", "queries", "k", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 3)), -1, "k must be 0 or more"),
        (np.ones((2, 3)), np.ones((2, 4)), 1, "equally many numbers"),
        (np.ones((2, 3)), np.ones(3), 1, "equally many numbers"),
        (np.full((2, 3), np.nan), np.ones((2, 3)), 1, "finite"),
        (np.ones((2, 3)), np.full((2, 3), np.inf), 1, "finite"),
    ],
)
def test_impossible_arguments(rows, queries, k, message):
    with pytest.raises(ValueError, match=message):
        nearest(rows, queries, k)


def test_memory_is_linear():
    """All cosines of 8,000 x 8,000 would be 256 MB even in float32; a process of its own tells its true peak."""
    code = """
import resource
import numpy as np
from selftrain.neighbours import nearest
rng = np.random.default_rng(0)
rows = rng.normal(size=(8000, 16)).astype(np.float32)
nearest(rows[:400], rows[:400], 3)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = nearest(rows, rows, 3)
assert (found[:, 0] == np.arange(8000)).all()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60_000  # kilobytes
