"""Supervised fine-tuning on the labelled problems: the base, once on each, and nothing else."""

import pytest
from make_few_labels import LABELLED, PROBLEMS, choice, run, taught, texts
from make_round import SaidVerbs, make_round

from selftrain.errors import ConfigError
from selftrain.labels import Labels
from selftrain.recipes import load_recipe


def test_the_labelled_problems_are_trained_from_the_base():
    rows, round = run(recipe="supervised")
    assert [row.problem for row in rows] == [problem.id for problem in LABELLED]
    assert texts(rows) == ["Answer: A", "Answer: B", "Answer: C", "Answer: D"]
    assert {row.weight for row in rows} == {1.0}
    assert (round.start, round.pseudo_labels) == ("base", ())


def test_nothing_is_drawn_scored_or_embedded():
    _, round = run(recipe="supervised")
    verbs = round.verbs
    assert [verbs.asked, verbs.scored, verbs.embedded, verbs.trained] == [[], [], [], []]
    assert round.funnel.tokens == {"drawn": 0, "scored": 0, "trained": 0}


def test_what_a_later_round_learns_is_the_same():
    first, _ = run(recipe="supervised")
    assert run(recipe="supervised", settings={"number": 2})[0].rows == first.rows


def test_its_rows_are_those_that_semievol_begins_with():
    """So that the two differ by the pseudo-labels alone."""
    for options in ({}, {"target": "response"}, {"written": "The answer is {answer}."}):
        labelled = [choice("labelled north?", "A", rationale="Up. Answer: A"), *LABELLED[1:]]
        rows, _ = run(recipe="supervised", labelled=labelled, **options)
        _, round = run(labelled=labelled, **options)
        assert round.verbs.trained[0][2].rows == rows.rows


def test_rationales_are_learned_where_the_response_is_the_target():
    """A labelled problem without one teaches its answer."""
    labelled = [choice("north?", "A", rationale="Up. Answer: A"), LABELLED[1]]
    rows, _ = run(recipe="supervised", labelled=labelled, target="response")
    assert texts(rows) == ["Up. Answer: A", "Answer: B"]
    rows, _ = run(recipe="supervised", labelled=labelled)
    assert texts(rows) == ["Answer: A", "Answer: B"]


def test_all_training_problems_where_their_labels_are_read():
    """Whole chains, or their answers alone."""
    known = [choice("north?", "A", rationale="Up. Answer: A"), choice("south?", "B")]
    for target, taught_ in (("response", ["Up. Answer: A", "Answer: B"]), ("answer", ["Answer: A", "Answer: B"])):
        options = load_recipe("supervised").parse({"labels": "rationales", "target": target})
        assert options.reads == {"rationales"}
        round = make_round(known, labels=Labels(given=tuple(known)), verbs=SaidVerbs(None))
        assert texts(load_recipe("supervised")(round, options)) == taught_
        assert round.start == "base"


def test_a_gold_answer_is_trained_as_it_is_written():
    """Case, dots and signs are kept, and braces are text."""
    answers = ["14.1", "-0.5 %", "United States", "{answer}", "f(x) = {x}"]
    labelled = [choice(f"north {number}?", answer) for number, answer in enumerate(answers)]
    rows, _ = run(recipe="supervised", labelled=labelled, judge="exact")
    assert texts(rows) == [f"Answer: {answer}" for answer in answers]


def test_labelled_problems_that_do_not_fit_are_dropped_and_counted():
    labelled = [LABELLED[0], choice("north " * 300, "A")]
    rows, _ = run(recipe="supervised", labelled=labelled, settings={"max_length": 100})
    assert len(rows) == 1
    assert rows.dropped == {"longer than 100 tokens": 1}


@pytest.mark.parametrize("recipe", ["supervised", "semievol"])
def test_the_judge_reads_no_answer_in_what_is_taught(recipe):
    with pytest.raises(ConfigError, match=r"reads no answer in 'It is A\.', .*: change recipe.options.written") as e:
        run(recipe=recipe, written="It is {answer}.")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("recipe", ["supervised", "semievol"])
def test_no_labelled_problem_fits(recipe):
    with pytest.raises(ConfigError, match="no labelled problem fits into 4 tokens: shorten them or raise train") as e:
        run(recipe=recipe, settings={"max_length": 4})
    assert "\n" not in str(e.value)


def test_its_paper_and_what_it_reads():
    found = load_recipe("supervised")
    assert (found.name, found.paper) == ("supervised", "arXiv:2410.14745")
    assert found.options().reads == {"labelled"}


def test_pseudo_labels_of_rounds_before_are_learned_too():
    rows, _ = run(recipe="supervised", settings={"taught": [taught(PROBLEMS[0], "Answer: C", "C")]})
    assert texts(rows)[4:] == ["Answer: C"]
