"""Generated problems: distinct across parts, stable, and honest about how many questions exist."""

import json
from dataclasses import replace

import pytest

from selftrain.errors import ConfigError, DataError
from selftrain.tasks import TaskConfig, load_task
from selftrain.tasks.commutative import expression_key, question_keys
from selftrain.tasks.reasoning_gym import level
from selftrain.tasks.streams import Stream

pytest.importorskip("reasoning_gym")

SIZES = {"train": 30, "select": 10, "test": 20, "shots": 2}


def load(options, name="reasoning_gym", seed=0):
    return load_task(TaskConfig(name=name, options=options), seed)


def keys(problems):
    found = [question_keys(p.family, p.reference["entry"])[-1] for p in problems]
    return {(p.family, key) for p, key in zip(problems, found, strict=True)}


@pytest.mark.parametrize(
    ("family", "settings", "number"),
    [
        ("count_bits", {"max_n": 63}, 63),
        ("products", {"min_digits": 1, "max_digits": 1}, 55),  # 0*0 ... 9*9, in either order
        ("lcm", {"min_value": 1, "max_value": 12}, 78),
        ("chain_sum", {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}, 145),
    ],
)
def test_small_families_are_found_whole_and_not_beyond(family, settings, number):
    rest = {"test": 10, "select": 5, "shots": 2}
    enough = load({"settings": settings, "train": number - 17, **rest}, f"reasoning_gym:{family}")
    assert sum(len(part) for _, part in enough.parts()) == number
    with pytest.raises(DataError, match=f"{family} with these settings holds {number} distinct questions"):
        load({"settings": settings, "train": number - 16, **rest}, f"reasoning_gym:{family}")


def test_the_stop_rule_does_not_give_up_on_questions_of_uneven_chance():
    stream = Stream("gcd", {"max_value": 50}, 0, set())  # pairs without a common divisor are drawn seldom
    assert len(stream.take(1200)) == 1200
    assert stream.take(100) is None
    assert 1270 <= stream.found <= 1275


def test_no_part_shares_a_question_in_any_order_of_its_terms():
    tight = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}
    task = load(
        {
            "families": {"chain_sum": tight, "gcd": {"max_value": 30}, "syllogism": None},
            **SIZES,
            "suites": {"again": {"families": {"chain_sum": tight, "gcd": {"max_value": 40}}, "select": 8, "test": 9}},
        }
    )
    seen = set()
    for _, problems in task.parts():
        mine = keys(problems)
        assert len(mine) == len(problems)
        assert not seen & mine
        seen |= mine
    assert len(task.splits["train"]) == 90
    assert len(task.suites["again"].select) == 16
    assert len(task.suites["again"].test) == 18


def test_a_suite_that_asks_too_much_names_itself():
    settings = {"min_value": 1, "max_value": 12}
    suite = {"families": {"lcm": settings}, "select": 20, "test": 30}
    options = {"settings": settings, **SIZES, "suites": {"same": suite}}
    with pytest.raises(DataError, match=r"lcm in suite same, besides .* holds 48 distinct questions, 50 were asked"):
        load(options, "reasoning_gym:lcm")


def test_the_same_seed_gives_the_same_task_and_another_seed_another():
    options = {"families": {"gcd": {}, "chain_sum": {}}, **SIZES}
    first, again, other = load(options), load(options), load(options, seed=1)
    assert first == again
    assert first.digest == again.digest != other.digest
    # neighbouring seeds must not share the items between them
    assert not keys(first.splits["train"]) & keys(other.splits["train"])


def test_raising_train_moves_no_question():
    suites = {"hard": {"families": {"gcd": {"max_numbers": 3}}, "select": 5, "test": 5}}
    small = load({"families": {"gcd": {}, "lcm": {}}, **SIZES, "suites": suites})
    large = load({"families": {"gcd": {}, "lcm": {}}, **SIZES, "train": 60, "suites": suites})
    for split in ("select", "test", "shots"):
        assert small.splits[split] == large.splits[split]
    assert small.suites == large.suites
    known = {p.id for p in small.splits["train"]}
    assert [p.id for p in large.splits["train"] if p.id in known] == [p.id for p in small.splits["train"]]


def test_labelled_problems_are_drawn_after_the_shots():
    options = {"families": {"gcd": {}, "lcm": {}}, **SIZES}
    before, after = load(options), load({**options, "labelled": 10})
    assert "labelled" not in before.splits
    assert [p.family for p in after.splits["labelled"]].count("lcm") == 10 == len(after.splits["labelled"]) / 2
    for split in ("select", "test", "shots"):
        assert before.splits[split] == after.splits[split]
    assert {p.id for p in after.splits["labelled"]} < {p.id for p in before.splits["train"]}


def test_steps_give_every_problem_a_rationale_and_change_nothing_else():
    suites = {"hard": {"families": {"gcd": {"max_numbers": 3}}, "select": 5, "test": 5}}
    options = {"families": {"gcd": {}, "leg_counting": {}}, **SIZES, "suites": suites}
    bare, worked = load(options), load({**options, "steps": True})
    for (part, problems), (same, others) in zip(bare.parts(), worked.parts(), strict=True):
        assert part == same
        assert [replace(problem, rationale=None) for problem in others] == list(problems)
        assert all(problem.rationale.endswith(f"\nThe answer is {problem.gold}.") for problem in others)
    assert bare == load({**options, "steps": False})


def test_valid_problems_are_drawn_after_the_labelled():
    options = {"families": {"gcd": {}, "lcm": {}}, **SIZES, "labelled": 5, "steps": True}
    before, after = load(options), load({**options, "valid": 10})
    assert "valid" not in before.splits
    assert [p.family for p in after.splits["valid"]].count("lcm") == 10 == len(after.splits["valid"]) / 2
    for split in ("select", "test", "shots", "labelled"):
        assert before.splits[split] == after.splits[split]
    assert {p.id for p in after.splits["valid"]} < {p.id for p in before.splits["train"]}


def test_raising_select_leaves_test_alone():
    small, large = load({"families": {"gcd": {}}, **SIZES}), load({"families": {"gcd": {}}, **SIZES, "select": 20})
    assert small.splits["test"] == large.splits["test"]
    assert {p.id for p in small.splits["select"]} < {p.id for p in large.splits["select"]}


def test_families_are_interleaved():
    task = load({"families": {"gcd": {}, "lcm": {}}, **SIZES})
    families = [p.family for p in task.splits["train"]]
    assert len({*families[:15]}) == 2
    assert len({*families[-15:]}) == 2


def test_a_problem_carries_what_its_judge_needs():
    task = load({"families": {"gcd": {}, "syllogism": {}}, **SIZES})
    assert task.judge == "reasoning_gym"
    kinds = {}
    for problem in task.splits["train"]:
        kinds[problem.family] = problem.reference["kind"]
        assert problem.gold == problem.reference["entry"]["answer"]
        assert problem.text == problem.reference["entry"]["question"]
        assert problem.reference["dataset"] == problem.family
        assert json.loads(json.dumps(problem.reference)) == problem.reference
    assert kinds == {"gcd": "number", "syllogism": "text"}


def test_levels_are_small_ranges_the_entry_drew_from():
    task = load({"settings": {"min_digits": 1, "max_digits": 2}, **SIZES}, "reasoning_gym:products")
    assert {p.level for p in task.splits["train"]} == {"num_digits=1", "num_digits=2"}
    assert level({"difficulty": {"n": [1, 2147483647]}, "n": 5}) is None
    assert level({"difficulty": {"n": [3, 3]}, "n": 3}) is None
    assert level({}) is None


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("reasoning_gym:no_such", {}, "unknown reasoning-gym family 'no_such'"),
        ("reasoning_gym:spiral_matrix", {}, "executes the answer as code"),
        ("reasoning_gym", {"families": {"gcd": {}}, "suites": {"s": {"families": {"countdown": {}}}}}, "countdown"),
        ("reasoning_gym:gcd", {"settings": {"max_valu": 9}}, "gcd has no option 'max_valu': known options are min_"),
        ("reasoning_gym:gcd", {"settings": {"seed": 9}}, "gcd has no option 'seed'"),
        ("reasoning_gym:gcd", {"settings": {"max_value": 0}}, "gcd cannot make questions with these settings: max"),
        ("reasoning_gym:gcd", {"settings": {"max_value": "many"}}, "gcd cannot make questions"),
        ("reasoning_gym:gcd", {"trian": 9}, "unknown key task.options.trian: known keys are families, settings, tr"),
        ("reasoning_gym:gcd", {"suites": {"hard": {"families": {}, "tets": 1}}}, "task.options.suites.hard.tets"),
        ("reasoning_gym:gcd", {"train": -1}, "task.options.train: input should be greater than or equal to 0"),
        ("reasoning_gym:gcd", {"families": {"lcm": {}}}, "takes task.options.settings, not families"),
        ("reasoning_gym", {"settings": {"max_value": 9}}, "takes task.options.families, not settings"),
        ("reasoning_gym", {}, "needs task.options.families"),
        ("reasoning_gym:maze", {"steps": True}, "no steps are written for family 'maze': .* or use chain_sum, count"),
        ("reasoning_gym:gcd", {"steps": True, "suites": {"s": {"families": {"dice": {}}}}}, "for family 'dice'"),
        ("reasoning_gym:gcd", {"valid": 5}, "valid needs worked solutions: set task.options.steps: true, or valid: 0"),
    ],
)
def test_unusable_options_are_refused_in_one_line(name, options, message):
    with pytest.raises(ConfigError, match=message.replace("{", r"\{")) as caught:
        load(options, name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("7 - 4 + 2", "2 + 7 - 4", "7 - 2 + 4"),
        ("5 - -3", "5+3", "5 - 3"),
        ("1.50 + 2", "2 + 1.5", "1.5 + 2.1"),
        ("3 * -4 * 2", "2 * 3 * -4", "3 * 4 * 2"),
        ("( 1 + 2 ) * 3", "(1+2)*3", "( 2 + 1 ) * 3"),
    ],
)
def test_expressions_are_compared_as_bags_of_terms_or_factors(one, same, other):
    assert expression_key(one) == expression_key(same)
    assert expression_key(one) != expression_key(other)


def test_a_sum_is_no_product():
    assert expression_key("2 + 2") != expression_key("2 * 2")


@pytest.mark.parametrize(
    ("family", "one", "other"),
    [
        ("gcd", {"numbers": [4, 6]}, {"numbers": [6, 4]}),
        ("isomorphic_strings", {"words": ["ab", "cd"]}, {"words": ["cd", "ab"]}),
        ("leg_counting", {"animals": {"cow": 1, "ant": 2}}, {"animals": {"ant": 2, "cow": 1}}),
        (
            "syllogism",
            {"premise1": "a", "premise2": "b", "conclusion": "c"},
            {"premise1": "b", "premise2": "a", "conclusion": "c"},
        ),
        ("simple_equations", {"equation": "3*y = 9", "variable": "y"}, {"equation": "3*z = 9", "variable": "z"}),
    ],
)
def test_other_symmetries(family, one, other):
    assert (
        question_keys(family, {"question": "one", "metadata": one})[-1]
        == question_keys(family, {"question": "other", "metadata": other})[-1]
    )


def test_every_symmetry_reads_what_its_family_writes():
    from selftrain.tasks.commutative import SYMMETRIES

    for family in SYMMETRIES:
        assert len(Stream(family, {}, 0, set()).take(3)) == 3
