"""LMSI: what most responses to a problem agree on is learned, and no gold answer is read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_round import make_group, make_round

from selftrain.errors import ConfigError
from selftrain.labels import Labels
from selftrain.recipes import load_recipe

LMSI = load_recipe("lmsi")


def run(groups, *, labels=None, **options):
    round = make_round(groups, labels=labels or Labels())
    return LMSI(round, LMSI.parse(options)), round


def learned(rows):
    return [row.response for row in rows]


def test_every_response_with_the_majority_answer_is_learned_alike():
    groups = [make_group("a", "WRWW", ["4", "3", "4", None]), make_group("b", "UUU", ["7", "8", "7"])]
    rows, round = run(groups)
    assert learned(rows) == ["a-0", "a-2", "b-0", "b-2"]
    assert {row.weight for row in rows} == {1.0}
    assert not rows.dropped
    assert round.verbs.asked[0][:2] == ("parent", 15)


def test_responses_without_an_answer_have_no_vote():
    """They are most here, and still no answer of their own."""
    rows, _ = run([make_group("a", "WWWR", [None, None, None, "3"])])
    assert learned(rows) == ["a-3"]


def test_of_equals_the_first_seen_is_the_majority():
    rows, _ = run([make_group("a", "WRRW", ["4", "3", "3", "4"])])
    assert learned(rows) == ["a-0", "a-3"]


def test_a_single_vote_is_enough():
    rows, _ = run([make_group("a", "WW", ["4", None])])
    assert learned(rows) == ["a-0"]


def test_no_majority_as_nothing_is_parsed():
    rows, _ = run([make_group("a", "WW", [None, None]), make_group("b", "W", ["4"])])
    assert learned(rows) == ["b-0"]
    assert rows.dropped == {"no response states an answer": 1}
    rows, _ = run([make_group("a", "WW", [None, None])])
    assert (len(rows), rows.dropped) == (0, {"no response states an answer": 1})


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["3", "4", None]), min_size=1, max_size=5), min_size=1, max_size=4), st.data())
def test_what_is_right_changes_nothing(many, data):
    """The same answers judged otherwise, which is another gold answer, give the same set."""
    found = []
    for _ in range(2):
        marks = [data.draw(st.text("RWU", min_size=len(answers), max_size=len(answers))) for answers in many]
        groups = [
            make_group(f"q{i}", marked, answers) for i, (marked, answers) in enumerate(zip(marks, many, strict=True))
        ]
        found.append(run(groups)[0])
    assert found[0] == found[1]


def test_gold_answers_instead_of_votes():
    groups = [make_group("a", "WRWW", ["4", "3", "4", None]), make_group("b", "WW", ["7", "8"])]
    labels = make_round(groups).labels
    rows, _ = run(groups, labels=labels, answers="gold")
    assert learned(rows) == ["a-1"]
    assert rows.dropped == {"no right response": 1}


def test_gold_answers_that_were_not_promised():
    with pytest.raises(ConfigError, match="it reads no gold answers"):
        run([make_group("a", "R")], labels=Labels(), answers="gold")


def test_its_paper():
    assert (LMSI.name, LMSI.paper) == ("lmsi", "arXiv:2210.11610")
