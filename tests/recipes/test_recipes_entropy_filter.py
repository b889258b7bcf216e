"""The entropy filter: problems whose answers are too divided teach nothing."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_round import make_group, make_round

from selftrain.errors import ConfigError
from selftrain.labels import Labels
from selftrain.recipes import load_recipe

FILTER = load_recipe("entropy_filter")
UNITED = make_group("united", "RRRR", ["3"] * 4)
HALVES = make_group("halves", "RRWW", ["3", "3", "4", "4"])
DIVIDED = make_group("divided", "RWWW", ["3", "4", "5", "6"])
SILENT = make_group("silent", "WW", [None, None])


def run(groups, *, labels=None, **options):
    round = make_round(groups, labels=labels or Labels())
    return FILTER(round, FILTER.parse(options))


def learned(rows):
    return [row.response for row in rows]


@pytest.mark.parametrize(
    ("max_entropy", "names"),
    [(0, ["united"]), (0.49, ["united"]), (0.5, ["united", "halves"]), (1, ["united", "halves", "divided"])],
)
def test_the_limit_is_the_largest_entropy_that_is_kept(max_entropy, names):
    """Entropies over the log of the number of answers: 0, ln 2 / ln 4 and 1."""
    groups = [UNITED, HALVES, DIVIDED]
    rows = run(groups, max_entropy=max_entropy)
    by_id = {group.problem.id: group.problem.text for group in groups}
    assert list(dict.fromkeys(by_id[row.problem] for row in rows)) == names
    left = len(groups) - len(names)
    assert rows.dropped == ({"answers too divided": left} if left else {})


def test_of_a_kept_problem_the_majority_is_learned():
    assert learned(run([HALVES])) == ["halves-0", "halves-1"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(["3", "4", "5", None]), min_size=1, max_size=6), min_size=1, max_size=4),
    st.sampled_from([0, 0.3, 0.6, 0.9, 1]),
)
def test_the_filter_equals_a_second_computation(many, limit):
    """Responses without an answer have no part in the entropy, nor in the number it is divided by."""
    groups = [make_group(f"q{i}", "U" * len(answers), answers) for i, answers in enumerate(many)]
    wanted, silent, divided = set(), 0, 0
    for group, answers in zip(groups, many, strict=True):
        stated = [answer for answer in answers if answer is not None]
        n = len(stated)
        entropy = -sum(c / n * math.log(c / n) for c in Counter(stated).values()) / (math.log(n) if n > 1 else 1)
        silent += not stated
        divided += bool(stated) and entropy > limit
        if stated and entropy <= limit:
            wanted.add(group.problem.id)
    rows = run(groups, max_entropy=limit)
    assert {row.problem for row in rows} == wanted
    reasons = {"no stated answer": silent, "answers too divided": divided}
    assert rows.dropped == {reason: count for reason, count in reasons.items() if count}


def test_no_majority_as_nothing_is_parsed():
    rows = run([SILENT])
    assert (len(rows), rows.dropped) == (0, {"no stated answer": 1})


def test_one_answer_alone_is_united():
    assert learned(run([make_group("one", "WW", [None, "4"])], max_entropy=0)) == ["one-1"]


def test_gold_answers_instead_of_votes():
    groups = [make_group("mostly", "WRWW", ["4", "3", "4", "4"]), make_group("wrong", "WW", ["4", "4"])]
    rows = run(groups, labels=make_round(groups).labels, answers="gold", max_entropy=0.9)
    assert learned(rows) == ["mostly-1"]
    assert rows.dropped == {"no right response": 1}


@pytest.mark.parametrize("limit", [-0.1, 1.1, math.nan])
def test_impossible_limits(limit):
    with pytest.raises(ConfigError, match=r"recipe\.options\.max_entropy"):
        FILTER.parse({"max_entropy": limit})


def test_its_paper():
    assert (FILTER.name, FILTER.paper) == ("entropy_filter", "arXiv:2408.09849")
