"""What a recipe may do in a round beside drawing, judging and making rows."""

import math

import numpy as np
import pytest
from make_round import SaidVerbs, make_group, make_round, tokenizer

from selftrain.errors import ConfigError
from selftrain.labels import Labels
from selftrain.prompts import PromptConfig, Renderer
from selftrain.records import Groups, Problem, Question
from selftrain.sampling import SamplingConfig
from selftrain.training_set import Labelled

LOSSES = {"text 0 of a": 0.5, "text 1 of a": 2.0, "text 0 of b": 0.25, "the sum": 1.5}


def make(groups, **settings):
    return make_round(groups, said={"losses": LOSSES}, **settings)


GROUPS = Groups([make_group("a", "RW", finish="sl"), make_group("b", "R")])


def test_losses_are_nats_a_token_of_every_response_in_order():
    round = make(GROUPS)
    np.testing.assert_allclose(round.losses("parent", GROUPS), [0.5, 2.0, 0.25])
    assert round.losses("parent", Groups([])).shape == (0,)


def test_losses_are_of_the_completion_under_the_training_prompt():
    """Id for id the training row, its end marker exactly where the response finished."""
    prompt = PromptConfig(template="Q: {question}")
    round = make(GROUPS, prompt=prompt)
    round.sampling_prompt = PromptConfig(template="another: {question}")
    round.losses("parent", GROUPS)
    rows = round.training_set(GROUPS)
    assert [context + tokens for context, tokens in round.verbs.scored] == [row.input_ids for row in rows]
    assert [len(context) for context, _ in round.verbs.scored] == [row.completion_start for row in rows]
    (end,) = Renderer(tokenizer(), prompt, ()).end_marker
    assert [tokens[-1] == end for _, tokens in round.verbs.scored] == [True, False, True]


def test_losses_on_all_are_of_every_token_that_something_foretells():
    round = make(GROUPS)
    round.losses("parent", GROUPS, loss_on="all")
    rows = round.training_set(GROUPS)
    assert [len(context) for context, _ in round.verbs.scored] == [1, 1, 1]
    assert [context + tokens for context, tokens in round.verbs.scored] == [row.input_ids for row in rows]


def test_losses_are_of_what_is_trained():
    groups = Groups([make_group("a", "R", texts=["<think>hm</think> the sum"])])
    round = make(groups, train_on_thinking=False)
    round.losses("parent", groups)
    ((_, tokens),) = round.verbs.scored
    assert tokenizer().decode(tokens) == "the sum<|im_end|>"


def test_scored_tokens_are_counted_with_their_prompts():
    round = make(GROUPS)
    round.losses("parent", GROUPS)
    rows = round.training_set(GROUPS)
    assert round.funnel.tokens == {"drawn": 0, "scored": rows.tokens, "trained": 0}


def test_scores_are_grouped_as_the_responses_are():
    scores = make(GROUPS).score("parent", GROUPS)
    assert [[{round(value, 6) for value in one} for one in group] for group in scores] == [[{-0.5}, {-2.0}], [{-0.25}]]


def test_rewards_are_in_the_order_of_the_responses():
    rewards = {"text 0 of a": 3.5, "text 1 of a": math.nan, "text 0 of b": -1.0}
    round = make_round(GROUPS, said={"rewards": rewards})
    np.testing.assert_array_equal(round.rewards("model", GROUPS), [3.5, math.nan, -1.0])
    assert round.rewards("model", Groups([])).shape == (0,)


def test_a_reward_is_of_what_is_trained():
    groups = Groups([make_group("a", "R", texts=["<think>hm</think>3"])])
    round = make_round(groups, said={"rewards": {"3": 1.0}}, train_on_thinking=False)
    assert round.rewards("model", groups).tolist() == [1.0]


def test_solutions_are_rationales_or_gold_answers():
    given = (Problem.make("a", gold="3", rationale="1 and 2 are 3"), Problem.make("b", gold="4"))
    found = make_round([], labels=Labels(given=given)).solutions()
    assert [(type(group.problem), group.responses[0].text) for group in found] == [
        (Question, "1 and 2 are 3"),
        (Question, "4"),
    ]
    assert [[judgement.judgement for judgement in group.judgements] for group in found] == [["right"], ["right"]]
    rows = make_round([], labels=Labels(given=given)).training_set(found)
    assert [row.completion_text for row in rows] == ["1 and 2 are 3<|im_end|>", "4<|im_end|>"]


def test_the_valid_split_is_its_rationales():
    valid = (Problem.make("a", gold="3", rationale="1 and 2 are 3"),)
    round = make_round([], labels=Labels(valid=valid))
    assert [group.responses[0].text for group in round.valid()] == ["1 and 2 are 3"]
    assert len(round.solutions()) == 0


def test_what_was_not_promised_is_not_there():
    round = make_round(GROUPS)
    assert (len(round.solutions()), len(round.valid())) == (0, 0)


def test_a_recipe_without_gold_answers_cannot_judge():
    round = make_round(GROUPS, labels=Labels(valid=(GROUPS[0].problem,)))
    drawn = round.sample("parent", round.problems, n=2)
    with pytest.raises(ConfigError, match="the recipe judges responses, its options say it reads no gold answers") as e:
        round.judge(drawn)
    assert "\n" not in str(e.value)
    assert round.funnel.to_json()["right"] == 0


def test_a_problem_with_an_answer_of_its_own_can_be_judged():
    round = make_round(GROUPS, labels=Labels())
    groups = round.judge(round.sample("parent", [group.problem for group in GROUPS], n=1))
    assert [group.share_right for group in groups] == [1, 1]


def test_reading_compares_with_no_gold_answer():
    group = make_group("a", "RWU", ["3", "4", None])
    round = make_round([group], labels=Labels())
    (found,) = round.read(round.sample("parent", round.problems, n=3))
    assert {judgement.judgement for judgement in found.judgements} == {"unjudged"}
    assert {judgement.reason for judgement in found.judgements} == {"not compared with a gold answer"}
    assert ([judgement.answer for judgement in found.judgements], found.clusters) == (["3", "4", None], (0, 1, 2))
    counts = round.funnel.to_json()
    assert (counts["responses"], counts["right"], counts["wrong"], counts["unjudged"]) == (3, 0, 0, 0)


def test_asking_draws_one_response_to_each_question():
    round = make_round(GROUPS, number=3, said={"replies": {"good": "8", "bad": "2"}})
    asked = [Problem.make("how good?"), Problem.make("how bad?")]
    prompt, sampling = PromptConfig(style="plain"), SamplingConfig(temperature=0)
    found = round.ask("parent", asked, prompt=prompt, sampling=sampling)
    assert [response.text for response in found] == ["8", "2"]
    ((model, n, used, draw),) = round.verbs.asked
    assert (model, n, used, draw.purpose, draw.number) == ("parent", 1, prompt, "train", 3)
    counts = round.funnel.to_json()
    assert (counts["questions"], counts["responses"], counts["tokens"]["drawn"]) == (0, 0, 4)


def test_demonstrations_are_the_questions_own_and_as_many_as_the_prompt_says():
    known = [Problem.make("known north?", gold="3"), Problem.make("known south?", gold="4")]
    asked = [Problem.make("a?"), Problem.make("b?")]
    verbs = SaidVerbs(lambda *_: "The answer is 3", judge="number")
    round = make_round(asked, verbs=verbs, labels=Labels(), prompt=PromptConfig(style="plain"))
    shots = {asked[0].id: known, asked[1].id: known[::-1]}
    for count in (0, 1, 2):
        prompt = round.prompt.model_copy(update={"shots": count})
        round.sample("parent", round.problems, n=1, prompt=prompt, shots=shots)
    assert verbs.prompts["parent", "a?", 0] == "a?"
    assert verbs.prompts["parent", "b?", 1] == "known south? 4\n\nb?"
    assert verbs.prompts["parent", "a?", 2] == "known north? 3\n\nknown south? 4\n\na?"
    counts = round.funnel.to_json()
    assert (counts["questions"], counts["responses"]) == (2, 6)


def test_texts_are_embedded_as_they_are_given():
    verbs = SaidVerbs(None, vectors={"north": (0.0, 1.0), "east": (1.0, 0.0)})
    found = make_round([], verbs=verbs).embed(["east?", "north?", "east"], "mine")
    assert found.tolist() == [[1, 0], [0, 1], [1, 0]]
    assert verbs.embedded == [("mine", ["east?", "north?", "east"])]


@pytest.mark.parametrize("missing", [[-9999.0, -0.5], [-math.inf], [math.nan, -0.5], []])
def test_a_loss_with_a_log_probability_that_is_none_is_nan(missing):
    groups = Groups([make_group("a", "R", texts=["good"]), make_group("b", "R", texts=["bad"])])
    verbs = SaidVerbs(None, losses={"bad": missing, "good": 0.5})
    found = make_round(groups, verbs=verbs).losses("parent", groups)
    assert found[0] == 0.5
    assert math.isnan(found[1])


def test_what_is_told_is_kept_in_order():
    round = make_round([])
    round.tell("one")
    round.tell("two")
    assert round.told == ["one", "two"]


def test_what_is_left_out_adds_up_by_reason():
    round = make_round([])
    kept = round.keep(Groups(GROUPS[:1]), of=GROUPS, reason="why")
    assert (list(kept), round.dropped) == ([GROUPS[0]], {"why": 1})
    assert round.keep(GROUPS, of=GROUPS, reason="never") is GROUPS
    rows = round.nothing(GROUPS, reason="why")
    assert (len(rows), rows.dropped) == (0, {"why": 3})


def test_weights_can_stay_as_they_are():
    rows = make_round([]).training_set(GROUPS, [3.0, 0.5], normalise=False)
    assert [row.weight for row in rows] == [3.0, 3.0, 0.5]
    assert not rows.normalised


def pairs_of(groups):
    return [(group.problem, *group.responses) for group in groups]


def test_pairs_taken_apart():
    groups = [make_group("a", "RW"), make_group("b", "RW")]
    pairs, apart = (
        make_round([]).pair_set(pairs_of(groups), [1, 3]),
        make_round([]).unpaired_set(pairs_of(groups), [1, 3]),
    )
    assert apart.kind is Labelled
    assert [(row.response, row.label, row.weight) for row in apart] == [
        ("a-0", True, 0.5),
        ("a-1", False, 0.5),
        ("b-0", True, 1.5),
        ("b-1", False, 1.5),
    ]
    sides = [pair.prompt_ids + side for pair in pairs for side in (pair.chosen_ids, pair.rejected_ids)]
    assert [row.input_ids for row in apart] == sides


@pytest.mark.parametrize("make_set", ["pair_set", "unpaired_set"])
def test_a_pair_of_equal_texts_is_skipped_and_counted(make_set):
    """For the same text, and for one that differs in the white space around it: the tokens are the same."""
    texts = {"same": ["3", "3"], "folded": [" 3", "3 "], "good": ["3", "4"], "empty": ["3", ""]}
    groups = [make_group(name, "RW", texts=both) for name, both in texts.items()]
    found = getattr(make_round([]), make_set)(pairs_of(groups), [5, 5, 1, 5])
    assert {row.problem for row in found} == {groups[2].problem.id}
    assert found.mean_weight() == 1
    assert found.dropped == {"chosen and rejected are the same": 2, "empty response": 1}
