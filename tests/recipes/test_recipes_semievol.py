"""SemiEvol as a whole: what is scored, what is kept, what is trained, with every stage on and off."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_few_labels import LABELLED, PROBLEMS, WARM, by_shots, choice, reasoned, run, taught, texts
from make_round import tokenizer

from selftrain.errors import ConfigError
from selftrain.labels import Labels
from selftrain.prompts import PromptConfig, Renderer
from selftrain.recipes import load_recipe
from selftrain.tasks.task import make_task

SEMIEVOL = load_recipe("semievol")
SURE = dict(zip(range(4), (0.1, 0.2, 0.3, 0.4), strict=True))


def losses_of(*each, answer="A"):
    """Of the problems in order: a mean loss, or the log-probabilities of the tokens."""
    return {f"{problem.text[:30]} so. Answer: {answer}": loss for problem, loss in zip(PROBLEMS, each, strict=True)}


def kept(round):
    return [label.kept for label in round.pseudo_labels]


def nll(round):
    return [label.nll for label in round.pseudo_labels]


def test_its_paper():
    assert (SEMIEVOL.name, SEMIEVOL.paper) == ("semievol", "arXiv:2410.14745")
    assert SEMIEVOL.options().reads == {"labelled"}


def test_from_the_base_to_what_is_trained_from_the_base():
    """The warm model learns the labelled rows; the last training those and the kept ones, all of weight 1."""
    rows, round = run(losses=losses_of(*SURE.values()))
    ((name, start, warm),) = round.verbs.trained
    assert (name, start) == (WARM, "base")
    assert [row.problem for row in warm] == [problem.id for problem in LABELLED]
    assert texts(warm) == ["Answer: A", "Answer: B", "Answer: C", "Answer: D"]
    assert round.start == "base"
    assert rows.rows[:4] == warm.rows
    assert [row.problem for row in rows.rows[4:]] == [problem.id for problem in PROBLEMS[:2]]
    assert {row.weight for row in rows} == {1.0}
    assert {row.weight for row in warm} == {1.0}


def test_pseudo_labels_are_those_of_all_problems_in_their_order():
    _, round = run(losses=losses_of(0.4, 0.1, 0.2, 0.3))
    assert [label.question for label in round.pseudo_labels] == [problem.without_gold() for problem in PROBLEMS]
    assert nll(round) == pytest.approx([0.4, 0.1, 0.2, 0.3])
    assert kept(round) == [False, True, True, False]
    assert {label.answer for label in round.pseudo_labels} == {"A"}
    sources = [label.source for label in round.pseudo_labels]
    assert all(source.partition(", ")[0] in ("base", "warm") for source in sources)


def test_confidence_is_of_the_whole_response_under_the_warm_model_given_the_plain_prompt():
    """Scored again: the sampling prompt, its shots and its log-probabilities have no part in it."""
    _, round = run(losses=losses_of(*SURE.values()))
    assert round.verbs.scorers == [WARM]
    plain = Renderer(tokenizer(), round.prompt, ())
    for problem, label, (context, tokens) in zip(PROBLEMS, round.pseudo_labels, round.verbs.scored, strict=True):
        assert context == plain.prompt(problem)
        assert tokens == plain.completion(f"{problem.text} so. Answer: A", finished=True)
        assert label.response.logprobs == (-0.5, -0.5)


@pytest.mark.parametrize(
    ("percentile", "count"), [(50, 2), (30, 1), (34, 2), (66, 2), (67, 3), (75, 3), (100, 4), (1, 1)]
)
def test_the_percentile_is_interpolated(percentile, count):
    """Between the second and the third of four lie a third and two thirds."""
    rows, round = run(losses=losses_of(0.4, 0.1, 0.3, 0.2), percentile=percentile)
    assert sum(kept(round)) == len(rows) - len(LABELLED) == count
    assert rows.dropped == ({"less confident": 4 - count} if count < 4 else {})


def test_ties_at_the_percentile_are_kept():
    """Nearly half of the paper's own rows have exactly 0: below it nothing would be kept."""
    rows, round = run(losses=losses_of(0.0, 0.0, 0.7, 0.0))
    assert kept(round) == [True, True, False, True]
    assert rows.dropped == {"less confident": 1}


@pytest.mark.parametrize("logprobs", [[-9999.0, -0.1], [-math.inf, -0.1], [math.nan, -0.1], [-0.1, -1000.0], []])
def test_a_likelihood_that_is_none_is_never_kept_and_moves_no_threshold(logprobs):
    """Even if all are kept; without it the percentile is that of the others."""
    for percentile in (50, 100):
        rows, round = run(losses=losses_of(0.3, logprobs, 0.1, 0.2), percentile=percentile)
        assert math.isnan(nll(round)[1])
        assert kept(round) == [percentile == 100, False, True, True]
        less = {"less confident": 1} if percentile == 50 else {}
        assert rows.dropped == {"no finite confidence": 1, **less}


def test_a_response_longer_than_the_context_has_no_confidence():
    """It is not scored; its answer alone would fit into a row."""
    long = f"{'so ' * 300}Answer: A"

    def says(model, problem, shots, index):
        return long if "north-east" in problem.text else reasoned("A")(model, problem, shots, index)

    rows, round = run(says, losses={**losses_of(0.1, 0.2, 0.3, 0.4), long: 0.0}, room=300, in_context=False)
    assert len(round.verbs.scored) == 3
    assert kept(round) == [False, True, True, False]
    assert rows.dropped == {"no finite confidence": 1, "less confident": 1}


def unread(*places):
    """A model that states no answer to the problems at some places."""
    silent = [PROBLEMS[place].text for place in places]

    def says(model, problem, shots, index):
        return "Who knows" if any(text in problem.text for text in silent) else reasoned("A")(model, problem, 0, 0)

    return says


def test_a_response_without_an_answer_is_not_ranked():
    """It is not scored either; it would be the surest of all."""
    losses = {**losses_of(0.1, 0.2, 0.3, 0.4), "Who knows": 0.0}
    rows, round = run(unread(0), losses=losses)
    assert len(round.verbs.scored) == 3
    assert kept(round) == [False, True, True, False]
    assert math.isnan(nll(round)[0])
    assert rows.dropped == {"no answer in the pseudo-response": 1, "less confident": 1}


@pytest.mark.parametrize("justify", ["on_disagreement", "always", "never"])
def test_if_no_response_states_an_answer_the_labelled_are_trained(justify):
    rows, round = run(unread(0, 1, 2, 3), justify=justify)
    assert [row.problem for row in rows] == [problem.id for problem in LABELLED]
    assert rows.dropped == {"no answer in the pseudo-response": 4}
    assert round.told[0].startswith("predictions agree on 0 of 4 problems")
    assert kept(round) == [False] * 4
    assert {label.answer for label in round.pseudo_labels} == {None}


def test_what_does_not_fit_into_a_row_takes_no_place_among_the_ranked():
    """With the whole response as target; its answer alone would fit."""
    long = f"{'so ' * 300}Answer: A"

    def says(model, problem, shots, index):
        return long if "north-east" in problem.text else reasoned("A")(model, problem, shots, index)

    losses = {**losses_of(0.1, 0.2, 0.3, 0.4), long: 0.0}
    wide = {"max_length": 200}
    rows, round = run(says, losses=losses, target="response", settings=wide)
    assert kept(round) == [False, True, True, False]
    assert rows.dropped == {"longer than 200 tokens": 1, "less confident": 1}
    rows, round = run(says, losses=losses, settings=wide)
    assert kept(round) == [True, True, False, False]
    assert texts(rows)[4] == "Answer: A"


def test_the_target_is_the_answer_or_the_response():
    rows, _ = run(losses=losses_of(*SURE.values()))
    assert texts(rows)[4:] == ["Answer: A", "Answer: A"]
    rows, _ = run(losses=losses_of(*SURE.values()), target="response")
    assert texts(rows)[4:] == ["go north-east? so. Answer: A", "go south-east? so. Answer: A"]
    rows, _ = run(losses=losses_of(*SURE.values()), written="The answer is {answer}.")
    assert texts(rows) == [f"The answer is {letter}." for letter in "ABCDAA"]


def answered(round):
    return {(model, prompt.shots) for model, _, prompt, _ in round.verbs.asked if prompt != round.prompt}


EVERY = {(model, shots) for model in ("base", WARM) for shots in range(4)}


@pytest.mark.parametrize(
    ("off", "configurations", "warm", "scorer", "embedded", "drawn"),
    [
        ({}, EVERY, True, WARM, True, 8),
        ({"in_weight": False}, {("base", shots) for shots in range(4)}, False, "base", True, 8),
        ({"in_context": False}, {("base", 0), (WARM, 0)}, True, WARM, False, 8),
        ({"collaborate": False}, {(WARM, 3)}, True, WARM, True, 1),
        ({"collaborate": False, "in_context": False}, {(WARM, 0)}, True, WARM, False, 1),
        ({"collaborate": False, "in_weight": False}, {("base", 3)}, False, "base", True, 1),
        ({"in_weight": False, "in_context": False}, {("base", 0)}, False, "base", False, 8),
        ({"collaborate": False, "in_weight": False, "in_context": False}, {("base", 0)}, False, "base", False, 1),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_every_stage_can_be_switched_off(off, configurations, warm, scorer, embedded, drawn):
    rows, round = run(predictions=8, losses=losses_of(*SURE.values()), **off)
    assert answered(round) == configurations
    assert bool(round.verbs.trained) == warm
    assert round.verbs.scorers == [scorer]
    assert bool(round.verbs.embedded) == embedded
    assert round.funnel.to_json()["responses"] == drawn * len(PROBLEMS)
    assert kept(round) == [True, True, False, False]
    assert round.start == "base"
    assert len(rows) == 6


def test_without_collaboration_nobody_decides():
    """What was said first is the pseudo-response, whatever `justify` says."""
    says = by_shots("no idea")
    _, round = run(says, collaborate=False, justify="always")
    assert not any("were given" in question for asked in round.verbs.questions for question in asked)
    assert {label.source for label in round.pseudo_labels} == {"warm, 3 shots"}
    assert not round.told


def test_without_selection_everything_that_can_be_ranked_is_kept():
    _, round = run(losses=losses_of(5.0, 0.1, 900.0, 0.2), percentile=100)
    assert kept(round) == [True] * 4


def test_what_promoted_rounds_kept_is_labelled_now():
    """It is learned, shown, trained, and asked no more."""
    before = [taught(PROBLEMS[0], "I think so. Answer: C", "C")]
    rows, round = run(settings={"taught": before, "number": 2}, predictions=8)
    ((name, start, warm),) = round.verbs.trained
    assert (name, start) == ("round-02-warm", "base")
    assert texts(warm) == ["Answer: A", "Answer: B", "Answer: C", "Answer: D", "Answer: C"]
    assert [label.question.text for label in round.pseudo_labels] == [problem.text for problem in PROBLEMS[1:]]
    assert not any("north-east" in question for asked in round.verbs.questions for question in asked)
    assert round.verbs.embedded[0][1][4] == "go north-east?"
    assert round.verbs.shown["base", "go north?", 2] == [
        ("labelled north?", "Answer: A"),
        ("go north-east?", "Answer: C"),
    ]
    assert [row.problem for row in rows.rows[:5]] == [problem.id for problem in (*LABELLED, PROBLEMS[0])]


def test_a_round_with_no_problem_left_trains_what_is_known():
    before = [taught(problem, "Answer: A", "A") for problem in PROBLEMS]
    rows, round = run(settings={"taught": before, "number": 3})
    assert len(rows) == 8
    assert (round.pseudo_labels, rows.dropped) == ((), {})


def test_shots_of_rounds_later_come_from_the_kept_ones_too():
    """Two labelled problems and a kept one are enough for three shots, if the first round had them."""
    before = [taught(PROBLEMS[3], "Answer: C", "C")]
    _, round = run(labelled=LABELLED[:2], settings={"taught": before}, problems=PROBLEMS[:1], predictions=8)
    assert len(round.verbs.shown["base", "go north-east?", 3]) == 3


def test_fewer_labelled_rows_than_shots():
    """Said before anything is done; of no weight where none are shown."""
    labels = Labels(labelled=LABELLED[:2])
    with pytest.raises(ConfigError, match="3 shots are wanted, there are 2 labelled rows: give more or set recipe"):
        SEMIEVOL.options().check(labels, PromptConfig(), None)
    SEMIEVOL.options(shots=2).check(labels, PromptConfig(), None)
    SEMIEVOL.options(in_context=False).check(labels, PromptConfig(), None)


def test_an_embedder_that_is_not_known():
    options = SEMIEVOL.parse({"embedder": "nope"})
    with pytest.raises(ConfigError, match="embedder 'nope' is not known: use minilm, a folder, or owner/name") as e:
        options.digests()
    assert "\n" not in str(e.value)
    assert SEMIEVOL.parse({"embedder": "nope", "in_context": False}).digests() == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"template": "{responses}"}, r"the template has no \{question\}: put it where the question should stand"),
        ({"template": "{question}"}, r"the template has no \{responses\}: put it where the responses should stand"),
        ({"written": "Answer"}, r"the template has no \{answer\}: put it where the answer should stand"),
        ({"percentile": 0}, "recipe.options.percentile: .* greater than 0"),
        ({"percentile": 101}, "recipe.options.percentile: .* less than or equal to 100"),
        ({"shots": 0}, "recipe.options.shots: .* greater than or equal to 1"),
        ({"predictions": 0}, "recipe.options.predictions: .* greater than or equal to 1"),
        ({"justify": "ever"}, "recipe.options.justify: .*'on_disagreement', 'always' or 'never'"),
        ({"target": "both"}, "recipe.options.target: .*'answer' or 'response'"),
        ({"theta": 50}, "unknown key recipe.options.theta: known keys are "),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        SEMIEVOL.parse(options)
    assert "\n" not in str(caught.value)


def trained_with(gold, tmp_path):
    """The bytes of a training file from a task whose training problems have these gold answers."""
    problems = [choice(problem.text, answer) for problem, answer in zip(PROBLEMS, gold, strict=True)]
    others = {name: [choice(f"{name}?", "A")] for name in ("select", "test")}
    task = make_task("t", splits={"train": problems, "labelled": LABELLED, **others}, judge="choice")
    labels = Labels.of(task, SEMIEVOL.options().reads, "semievol", task.judge)
    assert labels == Labels(labelled=LABELLED)
    rows, round = run(problems=task.splits["train"], labelled=labels.labelled, losses=losses_of(0.4, 0.1, 0.3, 0.2))
    rows.save(tmp_path / "training.parquet")
    return (tmp_path / "training.parquet").read_bytes(), round.pseudo_labels


@settings(max_examples=10, deadline=None)
@given(gold=st.lists(st.sampled_from(["A", "B", "D", None]), min_size=4, max_size=4))
def test_poisoned_gold_answers_change_no_byte(gold, tmp_path_factory):
    folder = tmp_path_factory.mktemp("poison")
    assert trained_with(gold, folder) == trained_with(["A"] * 4, folder)
