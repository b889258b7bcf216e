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
        "tokens": {"drawn": 24, "scored": 0, "trained": 0},
    }


def test_what_is_drawn_or_judged_again_counts_once():
    round = make_round([make_group("a", "RRWWRRWU"), make_group("b", "WWWW")])
    for problems, n in ((round.problems, 4), (round.problems[:1], 8)):
        drawn = round.sample(round.parent, problems, n=n)
        for _ in range(2):
            round.judge(drawn)
    assert round.funnel.to_json() == {
        "draws": {"sample-cell": 8},
        "questions": 2,
        "responses": 12,
        "right": 4,
        "wrong": 7,
        "unjudged": 1,
        "groups_right": 1,
        "tokens": {"drawn": 24, "scored": 0, "trained": 0},
    }


def test_what_is_not_judged_is_not_counted_as_judged():
    round = make_round([make_group("a", "RR")])
    round.sample(round.parent, round.problems, n=2)
    found = round.funnel.to_json()
    assert (found["responses"], found["right"], found["wrong"], found["unjudged"]) == (2, 0, 0, 0)
