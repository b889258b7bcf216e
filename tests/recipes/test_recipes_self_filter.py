"""The self filter: the model rates its own responses, and what it rates low is left out."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_round import make_group, make_round

from selftrain.errors import ConfigError
from selftrain.labels import Labels
from selftrain.prompts import PromptConfig
from selftrain.recipes import load_recipe
from selftrain.recipes.self_filter import rating_in
from selftrain.records import Problem
from selftrain.sampling import SamplingConfig

FILTER = load_recipe("self_filter")


def rated(*ratings_of_each):
    """A group for each list of ratings, all its responses of one answer, and what is replied of each."""
    groups = [make_group(f"q{i}.", "R" * len(ratings)) for i, ratings in enumerate(ratings_of_each)]
    texts = [response.text for group in groups for response in group.responses]
    return groups, dict(zip(texts, [str(one) for ratings in ratings_of_each for one in ratings], strict=True))


def run(groups, replies, *, labels=None, **options):
    round = make_round(groups, labels=labels or Labels(), said={"replies": replies})
    return FILTER(round, FILTER.parse(options)), round


def kept(rows):
    return [row.response for row in rows]


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("10", 10),
        ("0", 0),
        ("7", 7),
        ("8/10", 8),
        ("10/10", 10),
        ("I give it 9.", 9),
        ("Rating: 6, as it is short", 6),
        ("**5**", 5),
        ("3\n", 3),
        ("7.5", None),
        ("7,5", None),
        ("-3", None),
        ("11", None),
        ("100", None),
        ("2024", None),
        ("0.9", None),
        ("", None),
        ("ten", None),
        ("\u0661\u0660", None),
        ("7.5, or say 8", 8),
        ("12 of 15 steps hold: 8", 8),
        ("<think>3 + 4 = 7</think>9", 9),
        ("<think>3 + 4 = 7", None),
        ("0-10: 7", 7),
        ("Rating (0-10): 6", 6),
        ("from 0 to 10, 5", 5),
        ("On a scale of 10, 7", 7),
        ("9 out of 10", 9),
        ("10 out of 10", 10),
        ("\u22123", None),
    ],
)
def test_ratings_are_the_first_whole_number_from_0_to_10(text, rating):
    assert rating_in(text) == rating


@given(
    st.integers(0, 10), st.sampled_from(["{}", "I give it {}.", "{}/10", "Rating: {}\n", "({})", "it is {}, I think"])
)
def test_every_rating_is_read(rating, said):
    assert rating_in(said.format(rating)) == rating


@pytest.mark.parametrize(
    ("keep", "places"),
    [(0.2, [3]), (0.4, [1, 3]), (0.6, [0, 1, 3]), (0.8, [0, 1, 2, 3]), (1, [0, 1, 2, 3, 4])],
)
def test_the_highest_ratings_are_kept_and_of_equals_the_earlier(keep, places):
    rows, _ = run(*rated([6, 8, 6, 10, 0]), keep=keep)
    assert kept(rows) == [f"q0.-{place}" for place in places]
    assert {row.weight for row in rows} == {1.0}
    assert rows.dropped == ({"rated lower": 5 - len(places)} if len(places) < 5 else {})


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 10), min_size=1, max_size=4), min_size=1, max_size=3),
    st.sampled_from([0.25, 0.5, 0.8, 1]),
)
def test_exactly_round_k_n_of_all_problems_together(ratings, keep):
    rows, _ = run(*rated(*ratings), keep=keep)
    names = [(-rating, i, j) for i, each in enumerate(ratings) for j, rating in enumerate(each)]
    best = sorted(names)[: round(keep * len(names))]
    assert kept(rows) == [f"q{i}.-{j}" for i, j in sorted((i, j) for _, i, j in best)]


def test_what_is_not_rated_is_left_out_and_counted():
    rows, _ = run(*rated([6, "good", "7.5", 2]), keep=1)
    assert kept(rows) == ["q0.-0", "q0.-3"]
    assert rows.dropped == {"no rating from 0 to 10": 2}
    rows, _ = run(*rated(["good", "bad"]))
    assert (len(rows), rows.dropped) == (0, {"no rating from 0 to 10": 2})


def test_only_responses_with_the_majority_answer_are_rated():
    group = make_group("a", "WRRU", ["4", "3", "3", None])
    rows, round = run([group], {"text 1": "1", "text 2": "9"}, keep=0.5)
    assert kept(rows) == ["a-2"]
    assert len(round.verbs.questions[1]) == 2


def test_equal_responses_are_asked_about_once_and_share_the_rating():
    group = make_group("a", "RRRR", texts=["it is 3", "so 3", "it is 3", "it  is\n3"])
    rows, round = run([group], {"so 3": "4", "it": "9"}, keep=0.75)
    assert kept(rows) == ["a-0", "a-2", "a-3"]
    assert len(round.verbs.questions[1]) == 2


def test_the_parent_is_asked_with_the_ratings_own_prompt_and_sampling():
    groups, replies = rated([6])
    prompt = {"style": "plain", "template": "Rate: {question}"}
    _, round = run(groups, replies, prompt=prompt)
    drawn, asked = round.verbs.asked
    assert drawn[:3] == ("parent", 15, round.sampling_prompt)
    assert asked[:3] == ("parent", 1, PromptConfig(**prompt))
    assert round.verbs.samplings == [round.sampling, SamplingConfig(temperature=0, max_tokens=16)]


def test_a_question_is_asked_with_its_response():
    _, round = run([make_group("1 and 2?", "R", texts=["it is 3"])], {"it is": "5"})
    ((asked,),) = round.verbs.questions[1:]
    assert asked.startswith("Question: 1 and 2?\n\nAnswer: it is 3\n\nHow good is this answer?")


def test_names_in_the_question_or_response_are_not_replaced_again():
    group = make_group("what is {response} and {question}?", "R", texts=["{question} or {response} {0} \\1"])
    _, round = run([group], {"Q ": "5"}, template="Q {question} A {response} Q {question}")
    ((asked,),) = round.verbs.questions[1:]
    question = "what is {response} and {question}?"
    assert asked == "Q " + question + " A {question} or {response} {0} \\1 Q " + question


@pytest.mark.parametrize("name", ["question", "response"])
def test_a_template_that_lacks_one_of_them(name):
    template = "{question} {response}".replace("{" + name + "}", "")
    with pytest.raises(ConfigError, match=f"the template has no .{name}.: put it where the {name} should stand"):
        FILTER.parse({"template": template})


def test_no_majority_as_nothing_is_parsed():
    rows, _ = run([make_group("a", "WW", [None, None])], {})
    assert (len(rows), rows.dropped) == (0, {"no response states an answer": 1})


def test_gold_answers_instead_of_votes():
    group = make_group("a", "WRW", ["4", "3", "4"])
    rows, _ = run([group], {"text": "5"}, labels=make_round([group]).labels, answers="gold", keep=1)
    assert kept(rows) == ["a-1"]


def test_ratings_are_counted_as_drawn_tokens_and_not_as_questions():
    groups, replies = rated([6, 7])
    _, round = run(groups, replies)
    counts = round.funnel.to_json()
    assert (counts["questions"], counts["responses"], counts["tokens"]["drawn"]) == (1, 2, 8)


def test_its_paper():
    assert (FILTER.name, FILTER.paper) == ("self_filter", "arXiv:2408.09849")


def test_what_is_rated_is_what_would_be_trained_after_all_turns_of_the_question():
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "what now"}]
    asked = Problem.make(turns, gold="gold")
    group = replace(make_group("q", "R", texts=["<think>hm</think>said"]), problem=asked)
    round = make_round([group], labels=Labels(), train_on_thinking=False, said={"replies": {"said": "7"}})
    rows = FILTER(round, FILTER.parse({"template": "{question}|{response}"}))
    assert len(rows) == 1
    assert round.verbs.questions[-1] == ["Be brief.\n\nwhat now|said"]
