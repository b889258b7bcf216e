"""Two writers in turn: who is asked, how often, and what ends a response."""

import pytest

from selftrain.segments.alternation import Written, alternate, states_answer


class Scripted:
    """Writers whose segments are known before."""

    def __init__(self, extractive, abstractive):
        self._said = {"E": list(extractive), "A": list(abstractive)}
        self.calls = []

    def __call__(self, kind, drafts):
        self.calls.append((kind, len(drafts)))
        for draft in drafts:
            said = self._said[kind]
            draft.add(said.pop(0) if len(said) > 1 else said[0])

    def count(self, kind):
        return sum(kind == called for called, _ in self.calls)


def test_writers_take_turns_until_the_answer_appears():
    """Golden: extractive twice, abstractive once."""
    writers, draft = Scripted(["a b,", "the answer is 5,"], ["c,"]), Written()
    alternate([draft], writers)
    assert " ".join(draft.segments) == "a b, c, the answer is 5,"
    assert (writers.count("E"), writers.count("A")) == (2, 1)
    assert [kind for kind, _ in writers.calls] == ["E", "A", "E"]


def test_without_an_answer_it_ends_after_five_loops():
    writers, draft = Scripted(["so,"], ["then,"]), Written()
    alternate([draft], writers)
    assert (writers.count("E"), writers.count("A")) == (5, 5)
    assert not draft.done


def test_the_published_code_looks_for_the_answer_in_the_question_too_and_then_writes_nothing():
    """Golden: a draft holds what was generated alone, so a question that says "the answer is" changes nothing."""
    writers, draft = Scripted(["a b,"], ["the answer is 5,"]), Written()
    alternate([draft], writers, loops=1)
    assert writers.count("E") >= 1
    assert draft.text == "a b,\nthe answer is 5,"


def test_all_that_are_unfinished_are_written_together():
    writers = Scripted(["so,"], ["then,"])
    drafts = [Written(), Written(ended=True), Written(["The answer is 3."]), Written()]
    alternate(drafts, writers, loops=2)
    assert writers.calls == [("E", 2), ("A", 2), ("E", 2), ("A", 2)]
    assert [len(draft.segments) for draft in drafts] == [4, 0, 1, 4]


def test_nobody_is_asked_once_all_are_done():
    writers = Scripted(["The answer is 3."], ["then,"])
    alternate([Written()], writers)
    assert writers.calls == [("E", 1)]


def test_a_blank_segment_is_none():
    draft = Written()
    for segment in ("a ", "", "  \n", " b"):
        draft.add(segment)
    assert draft.segments == ["a", "b"]
    assert draft.text == "a\nb"


@pytest.mark.parametrize(
    "text", ["The answer is 42.", "so it is 3\nAnswer: 3", r"\boxed{7}", "#### 1,200", "<answer>a b</answer>"]
)
def test_answers_are_what_judges_look_for(text):
    assert states_answer(text)


@pytest.mark.parametrize(
    "text", ["", "1 + 2 = 3.", "the answer is", "She answers him.", "<think>the answer is 3", "it is not 4"]
)
def test_what_states_no_answer(text):
    assert not states_answer(text)
