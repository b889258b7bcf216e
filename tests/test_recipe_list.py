"""Recipes are told from their own words: every option with its type, default and text, whatever these hold."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from typer.testing import CliRunner

from selftrain.cli import app
from selftrain.config import as_named, presets, read_mapping
from selftrain.errors import ConfigError
from selftrain.recipe_list import WIDTH, in_words, list_recipes, tell_recipe
from selftrain.recipes import builtin_recipes, load_recipe
from selftrain.validation import Options

OWN = '''
from typing import Literal
from pydantic import Field
from selftrain.recipes import RecipeOptions, recipe
from selftrain.round import Round
from selftrain.sampling import SamplingConfig
from selftrain.training_set import TrainingSet

class Parent(RecipeOptions):
    """Shared."""
    share: float = Field(0.5, gt=0, le=1)
    """Share
    that is kept."""

class Mine(Parent):
    """Options."""
    model: str
    r"""Red \x1b[31m, turned \u202e, [bold]marked[/bold].

    Second paragraph."""
    kind: Literal["gold", "none"] | None = "none"
    rounds: int | None = Field(None, ge=2, le=9)
    words: list[str] = ["a\\nb"]
    sampling: SamplingConfig = SamplingConfig(temperature=0)

    @property
    def reads(self):
        return frozenset({"gold", "valid"} if self.kind == "gold" else ())

@recipe("mine\x1b[2J", paper="arXiv:1")
def mine(round: Round, options: Mine) -> TrainingSet:
    """Train \x1b[31mred\x07 things.

    More on it, at some length, so that the line must be folded somewhere before it ends, which is here.
    """

class Needy(RecipeOptions):
    model: str
    @property
    def reads(self):
        return frozenset({self.model})

@recipe("needy", paper="")
def needy(round: Round, options: Needy) -> TrainingSet: ...

@recipe("long", paper="")
def long(round: Round, options: RecipeOptions) -> TrainingSet: ...
long.function.__doc__ = "x" * 1000
'''
TOLD = r"""
mine\x1b[2J (arXiv:1)

Train \x1b[31mred\x07 things.

More on it, at some length, so that the line must be folded somewhere before it ends, which is here.

reads: no labels; with kind=gold: the gold answers and the rationales of the valid split
presets: none

options, set as recipe.options.KEY=VALUE:
  share: number above 0 and at most 1; default 0.5
      Share that is kept.
  model: text; required
      Red \x1b[31m, turned \u202e, [bold]marked[/bold].
      Second paragraph.
  kind: gold | none | null; default none
  rounds: whole number from 2 to 9 | null; default null
  words: list of text; default ["a\nb"]
  sampling: mapping with temperature, top_p, max_tokens; default {"temperature": 0.0}
"""


class Inner(Options):
    """Nested."""

    one: int = 1
    two: int = 2


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def test_an_own_recipe_is_told_in_full_and_printable(own: Path) -> None:
    assert "\n".join(tell_recipe(f"{own}:mine")) == TOLD.strip()


def test_what_a_recipe_does_not_say_is_left_out(own: Path) -> None:
    assert tell_recipe(f"{own}:needy") == [
        "needy",
        "",
        "reads: what its required options say",
        "presets: none",
        "",
        "options, set as recipe.options.KEY=VALUE:",
        "  model: text; required",
    ]
    told = tell_recipe(f"{own}:long")
    assert told[-1] == "options: none"
    assert max(map(len, told)) == WIDTH


@pytest.mark.parametrize("name", builtin_recipes())
def test_every_option_of_the_package_is_described(name: str) -> None:
    told = tell_recipe(name)
    assert told[0].startswith(f"{name} (arXiv:")
    assert max(map(len, told)) <= WIDTH
    for option in load_recipe(name).options.model_fields:
        (place,) = (place for place, line in enumerate(told) if line.startswith(f"  {option}: "))
        assert told[place + 1].startswith("      "), option


def test_the_list_names_every_recipe_with_paper_sentence_and_defaults() -> None:
    lines = list_recipes()
    assert max(map(len, lines)) <= WIDTH
    titles = [line for line in lines if line and not line.startswith((" ", "`"))]
    assert titles == [f"{name} ({load_recipe(name).paper})" for name in builtin_recipes()]
    text = " ".join(" ".join(lines).split())
    for name in builtin_recipes():
        assert " ".join((load_recipe(name).function.__doc__ or "").split("\n\n")[0].split()) in text
    assert "samples=8 " in text


def test_presets_are_named_by_their_recipe() -> None:
    users: dict[str, list[str]] = {name: [] for name in builtin_recipes()}
    for preset in presets():
        users[as_named(read_mapping(preset)["recipe"])["name"]].append(preset)
    assert users["vanilla"]
    for name, wanted in users.items():
        told = " ".join(" ".join(tell_recipe(name)).split())
        assert f"presets: {', '.join(wanted) or 'none'} options" in told


@pytest.mark.parametrize(
    ("annotation", "limits", "wanted"),
    [
        (Literal["sft", "dpo", 3, None], [], "sft | dpo | 3 | null"),
        (bool | None, [], "true | false | null"),
        (int, [Field(ge=1)], "whole number of 1 or more"),
        (float, [Field(ge=0)], "number of 0 or more"),
        (float, [Field(ge=0.5, lt=2)], "number at least 0.5 and below 2"),
        (float, [Field(gt=0)], "number above 0"),
        (int, [], "whole number"),
        (Path, [], "path"),
        (Annotated[int, Field(ge=1, le=3)] | None, [], "whole number from 1 to 3 | null"),
        (tuple[float, ...], [], "list of number"),
        (list, [], "list"),
        (dict[str, int], [], "mapping of text to whole number"),
        (dict[str, Any], [], "mapping of text to any value"),
        (Inner | None, [], "mapping with one, two | null"),
        (complex, [], "complex"),
    ],
)
def test_types_are_told_in_words(annotation: Any, limits: list[Any], wanted: str) -> None:
    assert in_words(annotation, [limit for field in limits for limit in field.metadata]) == wanted


def test_the_command_prints_the_list_or_one(own: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["recipes"]).output == "\n".join(list_recipes()) + "\n"
    assert runner.invoke(app, ["recipes", f"{own}:mine"]).output == TOLD.lstrip()


def test_an_unknown_recipe_is_one_line() -> None:
    with pytest.raises(ConfigError, match="unknown recipe 'nope': known are"):
        tell_recipe("nope")


def test_no_model_library_is_loaded() -> None:
    used = "from selftrain.recipe_list import list_recipes; list_recipes()"
    code = f"import json, sys; {used}; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "trl", "openvino"} & set(json.loads(done.stdout))
