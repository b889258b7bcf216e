"""IWSI: of what most responses agree on, the samples whose loss is nearest to that of people's rationales."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_round import make_group, make_round

from selftrain.errors import ConfigError
from selftrain.labels import Labels
from selftrain.recipes import load_recipe
from selftrain.records import Problem

IWSI = load_recipe("iwsi")
VALID = (
    Problem.make("one and one?", gold="2", rationale="solution one"),
    Problem.make("two and two?", gold="4", rationale="solution two"),
)
VALID_LOSSES = {"solution one": 1.0, "solution two": 3.0}
"""Their mean is 2."""


def groups_of(*losses_of_each):
    """A group for each list of losses, all its responses of one answer, and the losses by text."""
    groups = [make_group(f"q{i}.", "R" * len(losses)) for i, losses in enumerate(losses_of_each)]
    texts = [response.text for group in groups for response in group.responses]
    return groups, dict(zip(texts, [loss for losses in losses_of_each for loss in losses], strict=True))


def run(groups, losses, *, gold=False, **options):
    known = {group.problem.id: group.problem for group in groups}
    labels = Labels(gold=known if gold else {}, valid=VALID)
    round = make_round(groups, labels=labels, said={"losses": {**VALID_LOSSES, **losses}})
    return IWSI(round, IWSI.parse(options)), round


def kept(rows):
    return [row.response for row in rows]


@pytest.mark.parametrize(
    ("keep", "places"),
    [(0.2, [0]), (0.4, [0, 1]), (0.6, [0, 1, 2]), (0.8, [0, 1, 2, 3]), (1, [0, 1, 2, 3, 4]), (0.05, [])],
)
def test_the_lowest_ds_weights_are_kept(keep, places):
    """The valid loss is 2: losses of 2, 4, 1, 8, 0.5 weigh 1, 2, 2, 4, 4, and of equals the earlier one is kept."""
    groups, losses = groups_of([2, 4, 1, 8, 0.5])
    rows, _ = run(groups, losses, keep=keep)
    assert kept(rows) == [f"q0.-{place}" for place in places]
    assert {row.weight for row in rows} <= {1.0}
    assert rows.dropped == ({"higher DS weight": 5 - len(places)} if len(places) < 5 else {})


@settings(max_examples=40, deadline=None)
@given(
    losses=st.lists(st.lists(st.sampled_from([0.5, 1, 2, 3, 4, 8]), min_size=1, max_size=4), min_size=1, max_size=4),
    keep=st.sampled_from([0.1, 0.25, 0.5, 0.8, 1]),
)
def test_exactly_round_k_n_of_all_problems_together(losses, keep):
    """In a second way: `exp |ln(L_valid / L)|` sorted with its place."""
    groups, by_text = groups_of(*losses)
    rows, _ = run(groups, by_text, keep=keep)
    names = [f"q{i}.-{j}" for i, each in enumerate(losses) for j in range(len(each))]
    weigh = [round(math.exp(abs(math.log(2 / loss))), 9) for each in losses for loss in each]
    order = sorted(range(len(names)), key=lambda place: (weigh[place], place))
    assert kept(rows) == [names[place] for place in sorted(order[: round(keep * len(names))])]


def test_a_problem_may_lose_all_its_samples():
    groups, losses = groups_of([8, 16], [2, 3])
    assert kept(run(groups, losses, keep=0.5)[0]) == ["q1.-0", "q1.-1"]


def test_only_samples_with_the_majority_answer_are_scored_and_count():
    group = make_group("a", "WRRU", ["4", "3", "3", None])
    losses = {response.text: loss for response, loss in zip(group.responses, (2, 4, 1, 2), strict=True)}
    rows, round = run([group], losses, keep=0.5)
    assert kept(rows) == ["a-1"]
    assert len(round.verbs.scored) == 2 + len(VALID)
    assert set(round.verbs.scorers) == {"parent"}


def test_the_weighted_variant_keeps_all_with_their_ratios_cut_from_above():
    """`min(L_valid / L, C)`, neither normalised nor raised."""
    groups, losses = groups_of([2, 4, 1, 8, 0.5])
    rows, _ = run(groups, losses, weighted=True)
    assert [row.weight for row in rows] == [1, 0.5, 2, 0.25, 2]
    assert not rows.normalised
    assert [row.weight for row in run(groups, losses, weighted=True, cap=3)[0]] == [1, 0.5, 2, 0.25, 3]
    assert not rows.dropped


@settings(max_examples=25, deadline=None)
@given(losses=st.lists(st.floats(0.01, 50), min_size=1, max_size=5), cap=st.floats(0.1, 9))
def test_weights_of_the_variant_in_a_second_way(losses, cap):
    groups, by_text = groups_of(losses)
    rows, _ = run(groups, by_text, weighted=True, cap=cap)
    assert [row.weight for row in rows] == pytest.approx([cap if cap * loss < 2 else 2 / loss for loss in losses])


@pytest.mark.parametrize("weighted", [False, True])
def test_a_loss_of_zero_has_no_weight(weighted):
    groups, losses = groups_of([2, 0, 4, 0.0])
    rows, _ = run(groups, losses, keep=1, weighted=weighted)
    assert kept(rows) == ["q0.-0", "q0.-2"]
    assert rows.dropped == {"no loss above 0": 2}


def test_losses_of_zero_alone_leave_nothing():
    groups, losses = groups_of([0, 0])
    for weighted in (False, True):
        rows, _ = run(groups, losses, weighted=weighted)
        assert (len(rows), rows.dropped) == (0, {"no loss above 0": 2})


@pytest.mark.parametrize(("loss_on", "contexts"), [("completion", "prompt"), ("all", "one token")])
def test_which_tokens_are_scored(loss_on, contexts):
    """Of samples and rationales alike."""
    groups, losses = groups_of([2, 4])
    rows, round = run(groups, losses, keep=1, loss_on=loss_on)
    scored = round.verbs.scored
    assert [context + tokens for context, tokens in scored[len(VALID) :]] == [row.input_ids for row in rows]
    starts = [len(context) for context, _ in scored]
    if contexts == "one token":
        assert starts == [1] * 4
    else:
        assert starts[len(VALID) :] == [row.completion_start for row in rows]
        assert min(starts) > 1


def test_gold_answers_instead_of_votes():
    group = make_group("a", "WRWR", ["4", "3", "4", "3"])
    losses = {response.text: 2 for response in group.responses}
    rows, _ = run([group], losses, gold=True, answers="gold", keep=1)
    assert kept(rows) == ["a-1", "a-3"]
    assert kept(run([group], losses, keep=1)[0]) == ["a-0", "a-2"]


def test_no_majority_as_nothing_is_parsed():
    rows, _ = run([make_group("a", "WU", [None, None])], {})
    assert (len(rows), rows.dropped) == (0, {"no response states an answer": 1})


def test_the_valid_loss_is_told_and_its_rationales_are_not_trained():
    groups, losses = groups_of([2])
    rows, round = run(groups, losses)
    assert round.told == [
        "1 of 1 responses state their problem's majority answer",
        "valid loss 2.000 nats a token on 2 rationales",
    ]
    assert not {row.problem for row in rows} & {problem.id for problem in VALID}
    assert round.funnel.tokens["scored"] == sum(len(a) + len(b) for a, b in round.verbs.scored)


def test_its_paper():
    assert (IWSI.name, IWSI.paper) == ("iwsi", "arXiv:2408.09849")


def test_what_cannot_be_trained_takes_no_place_among_the_kept():
    """Empty responses, the nearest to the valid loss, are dropped before the share is taken."""
    group = make_group("q", "RRRR", texts=["", "  ", "near", "far"])
    rows, _ = run([group], {"near": 2.5, "far": 9}, keep=0.5)
    assert kept(rows) == ["q-2"]
    assert rows.dropped == {"empty response": 2, "higher DS weight": 1}


@pytest.mark.parametrize("loss", [math.nan, math.inf, 0.0])
def test_a_valid_loss_that_tells_nothing(loss):
    groups, losses = groups_of([2])
    with pytest.raises(
        ConfigError, match=r"the parent's loss on the valid split is (nan|inf|0\.0), .*lower training.learning_rate"
    ):
        run(groups, {**losses, "solution one": loss, "solution two": loss})


def test_a_valid_split_that_fits_into_no_row():
    groups, _ = groups_of([2])
    round = make_round(groups, labels=Labels(valid=VALID), max_length=4)
    with pytest.raises(ConfigError, match="no rationale of the valid split fits into 4 tokens"):
        round.valid()
