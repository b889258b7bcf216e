"""Problems, groups and what recipes share of them."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given as given_that
from hypothesis import strategies as st
from make_round import make_group

from selftrain.records import Groups, Judgement, Problem, Question, draw, given


def test_a_problems_id_is_its_question():
    problem = Problem.make("1 and 2?", gold="3", level="easy", family="sums", reference={"a": 1})
    assert problem.id == Problem.make("1 and 2?").id == Problem.make(" 1\u00a0and\n2? ").id
    assert problem.id == Problem.make([{"role": "user", "content": "1 and 2?"}]).id
    assert len({problem.id, Problem.make("1 and 3?").id, Problem.make("1 AND 2?").id}) == 3
    system = [{"role": "system", "content": "1 and 2?"}]
    assert Problem.make(system).id != problem.id
    assert (problem.text, problem.level, problem.family) == ("1 and 2?", "easy", "sums")


def test_a_conversations_text_is_its_last_turn():
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    assert Problem.make(turns).text == "c"
    assert [message.role for message in Problem.make(turns).messages] == ["user", "assistant", "user"]


def test_reading_gold_of_a_question_is_impossible():
    question = Problem.make("1 and 2?", gold="3", rationale="r", reference={"unit": "u"}, level="easy").without_gold()
    assert type(question) is Question
    assert (question.id, question.level) == (Problem.make("1 and 2?").id, "easy")
    assert not hasattr(question, "gold")
    assert not hasattr(question, "rationale")
    assert not hasattr(question, "reference")


def test_marks():
    group = make_group("q", "RWURW")
    assert [r.index for r in group.right] == [0, 3]
    assert [r.index for r in group.marked("wrong")] == [1, 4]
    assert [r.index for r in group.marked("unjudged")] == [2]


def test_unjudged_responses_are_in_no_cluster_count():
    group = make_group("q", "RWUWUR", ["3", "4", "3", None, None, "3"])
    assert group.clusters == (0, 1, 0, 2, 2, 0)
    assert group.cluster_counts() == [2, 1, 1]
    assert make_group("q", "UU").cluster_counts() == []


def test_groups_are_a_sequence():
    a, b, c = (make_group(name, marks) for name, marks in (("a", "RW"), ("b", "WW"), ("c", "RR")))
    groups = Groups([a, b, c])
    assert (len(groups), groups[1], list(groups)) == (3, b, [a, b, c])
    assert list(groups.where_any_right()) == [a, c]
    assert list(groups.where_any_wrong()) == [a, b]
    assert list(groups.where(lambda group: group is b)) == [b]
    assert not Groups([])


def test_answer_entropies():
    groups = Groups(
        [
            make_group("one", "RRRR"),
            make_group("two", "RRWW", ["3", "3", "4", "4"]),
            make_group("four", "RWWW", ["3", "4", "5", None]),
            make_group("none", "UU"),
        ]
    )
    found = groups.answer_entropies()
    np.testing.assert_allclose(found[:3], [0, 1, 2])
    assert math.isnan(found[3])
    assert Groups([]).answer_entropies().shape == (0,)


def drawn(group, per_problem, seed=0):
    (found,) = Groups([group]).draw_right(per_problem, np.random.default_rng(seed))
    return found


def test_drawing_takes_right_responses_of_different_text():
    group = make_group("q", "RRWRR", texts=["it is 3", " it  is\n3", "4", "so 3", "it is 3 "])
    assert [r.index for r in drawn(group, 9).responses] == [0, 3]
    assert {drawn(group, 1, seed).responses[0].index for seed in range(20)} == {0, 3}


def test_what_is_drawn_keeps_judgement_and_cluster():
    group = make_group("q", "WRRURW", ["9", "3", "3", None, "3", "9"])
    found = drawn(group, 2, seed=1)
    places = [r.index for r in found.responses]
    assert places == sorted(places)
    assert [j.judgement for j in found.judgements] == ["right", "right"]
    assert found.clusters == (1, 1)
    assert found.problem == group.problem


def test_every_right_response_is_drawn_equally_often():
    group = make_group("q", "RWRRR")
    rng = np.random.default_rng(0)
    counts = np.zeros(5)
    for _ in range(2000):
        (found,) = Groups([group]).draw_right(1, rng)
        counts[found.responses[0].index] += 1
    assert counts[1] == 0
    assert np.abs(counts[[0, 2, 3, 4]] - 500).max() < 4 * math.sqrt(2000 * 0.25 * 0.75)


def test_the_generator_fixes_the_draw():
    group = make_group("q", "R" * 8)
    assert drawn(group, 3, seed=5) == drawn(group, 3, seed=5)


def test_drawing_from_a_group_without_right_responses_leaves_it_empty():
    assert drawn(make_group("q", "WU"), 1).responses == ()


def test_records_cannot_be_changed():
    for record, name in ((make_group("q", "R"), "clusters"), (Problem.make("q"), "gold")):
        with pytest.raises(AttributeError):
            setattr(record, name, None)


MARKS_AND_ANSWERS = st.lists(st.tuples(st.sampled_from("RWU"), st.sampled_from(["3", "4", "5", None])), max_size=9)


def commonest(answers):
    """The most frequent of some answers, of equals the first, in a second way: by sorting."""
    return min(answers, key=lambda answer: (-answers.count(answer), answers.index(answer))) if answers else None


@given_that(MARKS_AND_ANSWERS)
def test_the_majority_is_of_stated_answers_whatever_was_judged(said):
    answers = [answer for _, answer in said]
    group = make_group("q", "".join(mark for mark, _ in said), answers)
    elected = commonest([answer for answer in answers if answer is not None])
    wanted = [place for place, answer in enumerate(answers) if answer is not None and answer == elected]
    assert group.majority() == wanted
    (cut,) = Groups([group]).majority() if wanted else [None]
    assert wanted == ([response.index for response in cut.responses] if cut else [])


@given_that(MARKS_AND_ANSWERS)
def test_the_rejected_have_the_commonest_wrong_answer(said):
    answers = [answer for _, answer in said]
    group = make_group("q", "".join(mark for mark, _ in said), answers)
    wrong = [answer for mark, answer in said if mark == "W"]
    stated = [answer for answer in wrong if answer is not None]
    target = commonest(stated) if stated else None
    assert group.rejected() == [place for place, one in enumerate(said) if one == ("W", target)]


@given_that(MARKS_AND_ANSWERS)
def test_counts_of_answers(said):
    group = make_group("q", "".join(mark for mark, _ in said), [answer for _, answer in said])
    judged = [answer for mark, answer in said if mark != "U"]
    assert group.cluster_counts() == list(Counter(judged).values())
    assert group.cluster_counts("drop") == list(Counter(a for a in judged if a is not None).values())
    assert group.answer_counts() == list(Counter(answer for _, answer in said if answer is not None).values())


def test_equal_texts_are_distinct_once():
    group = make_group("q", "RWRRW", texts=["it is 3", "4", " it  is\n3", "so 3", "4 "])
    assert group.distinct("right") == [0, 3]
    assert group.distinct("wrong") == [1]
    assert group.distinct("unjudged") == []


def test_responses_apart_are_groups_of_one():
    groups = Groups([make_group("a", "RW", ["3", "4"]), make_group("b", "U", [None])])
    apart = list(groups.apart())
    assert [(one.problem.text, one.responses[0].index) for one in apart] == [("a", 0), ("a", 1), ("b", 0)]
    assert [one.judgements[0].answer for one in apart] == ["3", "4", None]
    assert [one.clusters for one in apart] == [(0,), (1,), (0,)]


def test_right_responses_alone():
    groups = Groups([make_group("a", "RWR"), make_group("b", "WU")])
    (found,) = groups.right()
    assert [response.index for response in found.responses] == [0, 2]


def test_a_mask_keeps_groups_in_order():
    a, b, c = (make_group(name, "R") for name in "abc")
    assert list(Groups([a, b, c]).where_mask(np.array([True, False, True]))) == [a, c]
    with pytest.raises(ValueError, match="shorter"):
        Groups([a, b]).where_mask([True])


def test_a_judgement_comes_back_from_its_row():
    bare = Judgement(judgement="right", answer="5", reason="r")
    scored = Judgement(judgement="wrong", answer=None, reason="r", scores={"rouge_l": 0.25})
    assert bare.row() == {"judgement": "right", "answer": "5", "reason": "r"}
    assert [Judgement.of_row(one.row()) for one in (bare, scored)] == [bare, scored]
    # As Parquet has them, where other rows have other scores.
    assert Judgement.of_row({**bare.row(), "scores": None}) == bare
    assert Judgement.of_row({**scored.row(), "scores": {"rouge_l": 0.25, "bleu": None}}) == scored


def test_a_log_has_the_scores_of_responses_that_have_some():
    group = make_group("a", "RW")
    first, second = group.judgements
    scored = replace(group, judgements=(replace(first, scores={"bleu": 2.5}), second))
    with_scores, without = scored.log()
    assert with_scores["scores"] == {"bleu": 2.5}
    assert "scores" not in without
    assert without == [*group.log()][1]


def test_drawing_places():
    rng = np.random.default_rng(0)
    assert draw([4, 7, 9], None, rng) == draw([4, 7, 9], 3, rng) == [4, 7, 9]
    for _ in range(20):
        found = draw([4, 7, 9, 12], 2, rng)
        assert found == sorted(set(found))
        assert len(found) == 2
        assert set(found) <= {4, 7, 9, 12}


def test_a_label_is_a_right_response_to_a_question_without_gold():
    group = given(Problem.make("1 and 2?", gold="3", rationale="so 3"), "so 3")
    (response,), (judgement,) = group.responses, group.judgements
    assert type(group.problem) is Question
    assert (response.text, response.finish, response.problem) == ("so 3", "stop", group.problem.id)
    assert (judgement.judgement, judgement.answer) == ("right", "3")
