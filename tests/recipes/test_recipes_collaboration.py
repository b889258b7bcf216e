"""Who answers, what they are shown, what they agree on, and who decides."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_few_labels import LABELLED, OPTIONS, PROBLEMS, WARM, by_shots, choice, run
from make_round import make_group, tokenizer

from selftrain.errors import ConfigError
from selftrain.judges import load_judge
from selftrain.recipes._collaboration import (
    SHOWN,
    CollaborationOptions,
    Configuration,
    agree,
    configurations,
    drawn,
    elected,
)

EVERY = configurations(["base", "warm"], 3, CollaborationOptions())
HEAD = "Because it is so. " * 100


def test_the_configurations_are_both_models_with_each_number_of_shots():
    assert [str(one) for one in EVERY] == [
        "base, 0 shots",
        "base, 1 shot",
        "base, 2 shots",
        "base, 3 shots",
        "warm, 0 shots",
        "warm, 1 shot",
        "warm, 2 shots",
        "warm, 3 shots",
    ]


@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_no_configuration_is_drawn_again_before_all_were(predictions, seed):
    turn = drawn(EVERY, predictions, np.random.default_rng(seed))
    assert len(turn) == predictions
    for lap in range(0, predictions, len(EVERY)):
        part = turn[lap : lap + len(EVERY)]
        assert len(set(part)) == len(part)
    assert turn == drawn(EVERY, predictions, np.random.default_rng(seed))


def test_every_configuration_is_drawn_as_often_as_the_others():
    rng = np.random.default_rng(0)
    counts = Counter(one for _ in range(800) for one in drawn(EVERY, 4, rng))
    assert counts.keys() == set(EVERY)
    assert all(count == pytest.approx(400, abs=60) for count in counts.values())


def asked_of(round):
    """(model, shots, question) of every prediction that was drawn."""
    return Counter(
        (model, prompt.shots, question)
        for (model, n, prompt, _), asked in zip(round.verbs.asked, round.verbs.questions, strict=True)
        for question in asked
        for _ in range(n)
        if "were given" not in question
    )


def test_each_problem_is_asked_of_as_many_configurations_as_are_drawn():
    _, round = run()
    assert set(asked_of(round).values()) == {1}
    assert Counter(question for _, _, question in asked_of(round)) == {p.text: 4 for p in PROBLEMS}
    assert asked_of(run()[1]) == asked_of(round)
    assert asked_of(run(settings={"seed": 1})[1]) != asked_of(round)


def test_more_predictions_than_configurations_ask_some_again():
    """Each answer has its place, in the order drawn."""
    _, round = run(predictions=20)
    counts = asked_of(round)
    assert sum(counts.values()) == 20 * len(PROBLEMS)
    assert {Counter(counts.values())[times] > 0 for times in (2, 3)} == {True}
    assert set(counts.values()) == {2, 3}


def test_one_model_is_asked_after_the_other():
    """So that one is in memory at a time; the warm model is there for what follows."""
    _, round = run(justify="always", predictions=8)
    models = [model for model, *_ in round.verbs.asked]
    assert models == ["base"] * models.count("base") + [WARM] * models.count(WARM)
    assert round.verbs.scorers == [WARM]


def test_the_nearest_labelled_problems_are_shown_nearest_first():
    """Their questions with the answers as they are learned; fewer shots are the nearest of these."""
    _, round = run(predictions=8)
    near = {
        "go north-east?": ["labelled north?", "labelled east?", "labelled west?"],
        "go south-east?": ["labelled south?", "labelled east?", "labelled west?"],
        "go north?": ["labelled north?", "labelled east?", "labelled west?"],
        "go west?": ["labelled west?", "labelled north?", "labelled south?"],
    }
    answers = {problem.text: f"Answer: {problem.gold}" for problem in LABELLED}
    for model in ("base", WARM):
        for question, nearest in near.items():
            for shots in range(4):
                shown = round.verbs.shown[model, question, shots]
                assert shown == [(text, answers[text]) for text in nearest[:shots]]


def test_a_prompt_begins_with_the_nearest():
    _, round = run(problems=PROBLEMS[3:], predictions=8)
    words = round.verbs.prompts["base", "go west?", 3]
    assert words.index("Q: labelled west?") < words.index("Q: labelled north?") < words.index("Q: labelled south?")
    assert words.endswith("Q: go west?<|im_end|>\n<|im_start|>assistant\n")


def test_only_questions_are_embedded_all_in_one_call():
    """The last user message; no answer, no earlier turn."""
    turns = [
        {"role": "user", "content": "east, perhaps?"},
        {"role": "assistant", "content": "no"},
        {"role": "user", "content": "go south?"},
    ]
    _, round = run(problems=[PROBLEMS[0], choice(turns)], embedder="mine")
    known = [problem.text for problem in LABELLED]
    assert round.verbs.embedded == [("mine", [*known, "go north-east?", "go south?"])]


def test_demonstrations_show_rationales_where_these_are_learned():
    labelled = [choice("labelled north?", "A", rationale="It is cold. Answer: A"), *LABELLED[1:]]
    _, round = run(problems=PROBLEMS[2:3], labelled=labelled, target="response", predictions=8)
    assert round.verbs.shown["base", "go north?", 1] == [("labelled north?", "It is cold. Answer: A")]


def group_of(*texts, judge="choice"):
    """A group whose answers a judge reads."""
    reader, question = load_judge(judge), choice("q?")
    answers = [reader.answer(question, text) for text in texts]
    return make_group("q?", "U" * len(texts), answers, texts=list(texts), same=reader)


@pytest.mark.parametrize(
    ("texts", "same", "judge"),
    [
        (["Answer: B", "Answer: B.", "(B)", "**B**"], True, "choice"),
        (["Answer: B", "Answer: C"], False, "choice"),
        (["Answer: B", "Answer: B", "I do not know"], False, "choice"),
        (["I do not know", "", "Answer: K", "nor do I"], False, "choice"),
        (["Answer: B"], True, "choice"),
        ([""], False, "choice"),
        (["The answer is 0.5", "The answer is 1/2"], True, "number"),
        (["The answer is 0.5", "The answer is 0.51"], False, "number"),
        ([r"\boxed{2x + 1}", r"\boxed{1 + 2x}"], True, "math"),
        ([r"\boxed{2x + 1}", r"\boxed{2x + 2}"], False, "math"),
    ],
)
def test_agreement_is_one_answer_that_every_response_states(texts, same, judge):
    assert agree(group_of(*texts, judge=judge)) is same


BASE, WARM0, WARM2 = Configuration("base", 3), Configuration("warm", 0), Configuration("warm", 2)


@pytest.mark.parametrize(
    ("texts", "turn", "place"),
    [
        (["(A)", "(B)", "(B)"], [WARM2, BASE, WARM0], 2),
        (["(B)", "(B)", "(B)"], [BASE, WARM2, WARM0], 1),
        (["(B)", "(B)", "(C)"], [BASE, BASE, WARM2], 0),
        (["(C)", "(B)", "(B)", "(C)"], [BASE, WARM2, WARM2, WARM0], 3),
        (["", "", "?"], [BASE, WARM0, WARM2], 0),
        (["", "(B)", ""], [WARM2, BASE, WARM0], 1),
    ],
    ids=["majority", "warm and shots", "no warm has it", "tie of answers", "none states one", "one states one"],
)
def test_of_the_majority_the_warm_models_response_with_most_shots_is_taken(texts, turn, place):
    group = group_of(*texts)
    chosen = elected(group, turn)
    assert chosen.response == group.responses[place]
    assert chosen.source == str(turn[place])


def justifications(round):
    """The questions that were put to the warm model to decide, with how."""
    return [
        (model, n, prompt, sampling, question)
        for (model, n, prompt, _), sampling, asked in zip(
            round.verbs.asked, round.verbs.samplings, round.verbs.questions, strict=True
        )
        for question in asked
        if "were given" in question
    ]


def test_the_warm_model_decides_greedily_with_the_training_prompt():
    """It sees the question and what was predicted, in the order drawn."""
    _, round = run(by_shots("Answer: A", "Answer: B"), problems=PROBLEMS[:1], predictions=8)
    ((model, n, prompt, sampling, question),) = justifications(round)
    assert (model, n, prompt, sampling.temperature) == (WARM, 1, round.prompt, 0)
    assert question.startswith("go north-east?\n\nThese answers were given:\n1. Answer: ")
    listed = [line for line in question.splitlines() if line[:1].isdigit()]
    assert [line[:2] for line in listed] == [f"{number}." for number in range(1, 9)]
    assert Counter(line[3:] for line in listed) == {"Answer: A": 4, "Answer: B": 4}


def test_what_it_is_shown_is_the_end_of_each_prediction():
    """Bounded, and without thinking where that is not trained."""
    _, round = run(by_shots(HEAD + "Answer: A", "<think>Answer: C</think>Answer: B"), problems=PROBLEMS[:1])
    ((*_, question),) = justifications(round)
    assert max(len(line) for line in question.splitlines()) == SHOWN // 4 + len("1. ")
    says = by_shots("Answer: A", "<think>Answer: C</think>Answer: B")
    _, round = run(says, problems=PROBLEMS[:1], predictions=8, settings={"train_on_thinking": False})
    ((*_, question),) = justifications(round)
    assert "think" not in question
    assert "Answer: C" not in question


def test_what_a_prediction_spells_is_not_filled_in():
    says = by_shots("{question} {responses} Answer: A", "Answer: B")
    _, round = run(says, problems=PROBLEMS[:1], predictions=8, template="{responses} were given to {question}")
    ((*_, question),) = justifications(round)
    assert question.count("{question} {responses} Answer: A") == 4
    assert question.endswith(" were given to go north-east?")
    _, round = run(problems=[choice("go {responses} north?")], justify="always")
    ((*_, question),) = justifications(round)
    assert question.startswith("go {responses} north?")


def test_the_templates_own_words_hold_the_question_and_the_predictions():
    template = CollaborationOptions().template
    _, round = run(problems=PROBLEMS[:1], justify="always", template=f"were given {template}")
    ((*_, question),) = justifications(round)
    assert question.count("go north-east?\n") + question.endswith("go north-east?") == 1
    assert question.count("go north-east? so. Answer: A") == 4


def test_it_is_shown_all_turns_of_a_conversation():
    turns = [{"role": "system", "content": "Be wise."}, {"role": "user", "content": "go north?"}]
    _, round = run(problems=[choice(turns)], justify="always")
    ((*_, question),) = justifications(round)
    assert question.startswith("Be wise.\n\ngo north?\n\nThese answers")


def test_its_reply_is_an_answer_to_the_problem():
    """Read with the problem's options, and trained as its response."""
    says = by_shots("Answer: A", "Answer: B", justified="Answer: library")
    rows, round = run(says, problems=PROBLEMS[:1], predictions=8, percentile=100)
    (label,) = round.pseudo_labels
    assert (label.answer, label.source, label.kept) == ("B", "warm, self-justified", True)
    assert (label.question, label.response.problem) == (PROBLEMS[0].without_gold(), PROBLEMS[0].id)
    assert rows.rows[-1].problem == PROBLEMS[0].id
    assert "These answers" not in rows.rows[-1].prompt_text


def test_what_decides_is_asked_as_the_problem_it_is_for():
    """With its options, so that whoever reads the reply, a plan too, can tell a letter from prose."""
    asked = []

    def says(model, problem, shots, index):
        asked.append(problem)
        return "Answer: A"

    run(says, justify="always")
    decided = [problem for problem in asked if "were given" in problem.text]
    assert [(one.id, one.options) for one in decided] == [(problem.id, OPTIONS) for problem in PROBLEMS]


def test_problems_of_the_same_words_in_other_turns():
    split = [{"role": "system", "content": "go north?"}, {"role": "user", "content": "go west?"}]
    _, round = run(problems=[choice(split), choice("go north?\n\ngo west?")], justify="always")
    assert [label.answer for label in round.pseudo_labels] == ["A", "A"]
    assert len({label.response.id for label in round.pseudo_labels}) == 2


@pytest.mark.parametrize(
    ("justify", "says", "decided"),
    [
        ("on_disagreement", by_shots("Answer: A"), 0),
        ("on_disagreement", by_shots("Answer: A", "Answer: B"), 1),
        ("on_disagreement", by_shots("no idea"), 1),
        ("on_disagreement", by_shots("Answer: A", "no idea"), 1),
        ("always", by_shots("Answer: A"), 1),
        ("never", by_shots("Answer: A", "Answer: B"), 0),
        ("never", by_shots("no idea"), 0),
    ],
)
def test_when_the_warm_model_decides(justify, says, decided):
    _, round = run(says, problems=PROBLEMS[:1], predictions=8, justify=justify)
    assert len(justifications(round)) == decided
    (label,) = round.pseudo_labels
    assert (label.source == "warm, self-justified") == bool(decided)


def test_it_is_told_how_often_they_agree():
    def says(model, problem, shots, index):
        return "Answer: A" if shots % 2 or "west" not in problem.text or "were given" in problem.text else "Answer: B"

    _, round = run(says, predictions=8)
    assert round.told[0] == "predictions agree on 3 of 4 problems; the warm model decided 1"
    _, round = run(says, predictions=8, justify="never")
    assert round.told[0] == "predictions agree on 3 of 4 problems; the warm model decided 0"


def test_labelled_problems_that_fit_are_too_few_for_the_shots():
    labelled = [*LABELLED[:2], *(choice(f"labelled {'far ' * 200}{n}?", "A") for n in range(2))]
    with pytest.raises(
        ConfigError, match="3 shots are wanted, there are 2 labelled rows of at most 100 tokens: give more or set"
    ) as e:
        run(labelled=labelled, settings={"max_length": 100})
    assert "\n" not in str(e.value)


def test_predictions_are_drawn_with_the_sampling_prompt():
    """But for the number of shots, which is the configuration's."""
    _, round = run(predictions=8)
    prompts = [prompt for _, _, prompt, _ in round.verbs.asked[:-1]]
    assert sorted(prompt.shots for prompt in prompts) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert {prompt.template for prompt in prompts} == {"Q: {question}"}
    assert {sampling.temperature for sampling in round.verbs.samplings[:-1]} == {round.sampling.temperature}


def test_where_demonstrations_leave_no_room_the_farthest_go():
    """Of one problem, whose question is long; the others are shown all."""
    problems = [choice(f"go {'so ' * 40}north-east?"), *PROBLEMS[1:]]
    _, wide = run(problems=problems, predictions=8)
    lengths = [len(tokenizer().encode(text)) for (_, asked, _), text in wide.verbs.prompts.items() if "so so" in asked]
    _, round = run(problems=problems, predictions=8, room=max(lengths) - 1 + wide.sampling.max_tokens)
    assert round.told[0] == "1 problems have no room for 3 shots, and are shown fewer"
    for name, shown in round.verbs.shown.items():
        full = wide.verbs.shown[name]
        assert shown == (full[:2] if "so so" in name[1] else full)


def test_predictions_that_do_not_fit_are_not_decided_on():
    """The majority answer is taken in their place."""
    says = by_shots(HEAD + "Answer: A", HEAD + "Answer: B")
    _, round = run(says, problems=PROBLEMS[:1], justify="always", room=400 + 64)
    assert not justifications(round)
    assert round.told[-1] == "predictions agree on 0 of 1 problems; the warm model decided 0"
    (label,) = round.pseudo_labels
    assert label.source != "warm, self-justified"
    _, round = run(says, problems=PROBLEMS[:1], justify="always", room=4000)
    assert justifications(round)
