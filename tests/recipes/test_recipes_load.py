"""Recipes are found by name or import path; what is none is refused in one line."""

import pytest
from make_round import make_group, make_round

from selftrain.errors import ConfigError
from selftrain.recipes import builtin_recipes, load_recipe

HEAD = (
    "from selftrain import Round, TrainingSet\n"
    "from selftrain.recipes import RecipeOptions, recipe\n"
    "class Mine(RecipeOptions):\n    samples: int = 2\n"
)
BODY = "    return round.training_set(round.judge(round.sample(round.base, round.problems, n=options.samples)))\n"


def write(tmp_path, text):
    (tmp_path / "own.py").write_text(text)
    return f"{tmp_path}/own.py"


def test_every_recipe_is_found_by_its_file_and_cites_its_paper():
    assert {"east", "vanilla"} <= set(builtin_recipes())
    for name in builtin_recipes():
        found = load_recipe(name)
        assert found.name == name
        assert found.paper.startswith("arXiv:")
        required = [key for key, field in found.options.model_fields.items() if field.is_required()]
        found.options(**dict.fromkeys(required, "given"))


def test_a_recipe_of_ones_own(tmp_path):
    path = write(tmp_path, HEAD + "@recipe('mine', paper='none')\ndef mine(round, options: Mine):\n" + BODY)
    found = load_recipe(f"{path}:mine")
    assert (found.name, found.paper) == ("mine", "none")
    groups = [make_group("a", "RWR"), make_group("b", "WWW")]
    round = make_round(groups)
    assert len(found(round, found.parse({}))) == 4
    assert round.verbs.asked[0][0] == "base"
    with pytest.raises(ConfigError, match=r"unknown key recipe\.options\.sample: known keys are samples"):
        found.parse({"sample": 1})


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("(round, options)", "recipe mine: write .round: Round, options: MyOptions"),
        ("(round, options) -> TrainingSet", "recipe mine: write .round: Round, options: MyOptions"),
        ("(round: Round, options: dict)", "recipe mine: write .round: Round, options: MyOptions"),
        ("(round)", "recipe mine: write .round: Round, options: MyOptions"),
    ],
)
def test_a_recipe_without_options(tmp_path, head, message):
    path = write(tmp_path, HEAD + f"@recipe('mine', paper='none')\ndef mine{head}:\n" + BODY)
    with pytest.raises(ConfigError, match=message) as caught:
        load_recipe(f"{path}:mine")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("eats", "unknown recipe 'eats': known are .*east, .*vanilla; name your own as my_file.py:my_recipe"),
        ("math:sqrt", "math:sqrt is not a recipe: decorate the function with selftrain.recipes.recipe"),
        ("../east", "unknown recipe"),
    ],
)
def test_what_is_no_recipe(name, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe(name)
