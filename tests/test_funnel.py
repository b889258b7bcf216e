"""The counts of a round, from questions to what was judged right."""

from make_round import make_group, make_round

from selftrain.recipes.vanilla import VanillaOptions, vanilla


def test_a_round_counts_what_its_recipe_draws_and_has_judged():
    round = make_round([make_group("a", "RRWU"), make_group("b", "WWWW"), make_group("c", "RWWW")])
    rows = vanilla(round, VanillaOptions(samples=4))
    assert len(rows) == 2
    assert round.funnel.to_json() == {
        "draws": {"sample-cell": 4},
        "questions": 3,
        "responses": 12,
        "right": 3,
        "wrong": 8,
        "unjudged": 1,
        "groups_right": 2,
    }


def test_two_draws_add_up_and_a_question_counts_once():
    round = make_round([make_group("a", "RRWW"), make_group("b", "WWWW")])
    for problems, n in ((round.problems, 4), (round.problems[:1], 2)):
        round.judge(round.sample(round.parent, problems, n=n))
    found = round.funnel.to_json()
    assert (found["questions"], found["responses"], found["right"]) == (2, 10, 4)
    assert found["draws"] == {"sample-cell": 4}


def test_what_is_not_judged_is_not_counted_as_judged():
    round = make_round([make_group("a", "RR")])
    round.sample(round.parent, round.problems, n=2)
    found = round.funnel.to_json()
    assert (found["responses"], found["right"], found["wrong"], found["unjudged"]) == (2, 0, 0, 0)
