"""Recipes: from a round to a training set, one paper a file.

A recipe is a function decorated with `recipe`; its second parameter is its options, a pydantic
model derived from `RecipeOptions`:

    @recipe("mine", paper="arXiv:...")
    def mine(round: Round, options: MyOptions) -> TrainingSet: ...

Those of this package are named by their file; a user's own by `my_file.py:my_recipe` or `package.module:my_recipe`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import ConfigDict

from selftrain.errors import ConfigError
from selftrain.imports import load_object
from selftrain.validation import Options, parse

if TYPE_CHECKING:
    from selftrain.labels import Label, Labels
    from selftrain.models import Model
    from selftrain.prompts import PromptConfig
    from selftrain.round import Round
    from selftrain.training_set import TrainingSet


class RecipeOptions(Options):
    """What a recipe can be told; the text below each option is its description in `selftrain recipes`."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    @property
    def reads(self) -> "frozenset[Label]":
        """What of the task's labels the recipe reads; it gets no other. The gold answers unless it says otherwise."""
        return frozenset({"gold"})

    @property
    def prompts(self) -> "tuple[PromptConfig, ...]":
        """Prompts of the recipe's own, which a run tries out before anything is sampled."""
        return ()

    def digests(self) -> dict[str, str]:
        """Digests of the files that the options name, by what they are. Raises ConfigError for one that is not there.

        Asked for before anything is sampled; a run goes on only if they are what they were.
        """
        return {}

    def check(self, labels: "Labels", prompt: "PromptConfig", base: "Model") -> None:
        """Raises ConfigError if the labels of a task, the prompt that is trained, or the base do not suit the recipe.

        Asked before anything is sampled.
        """


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe with what is known of it."""

    name: str
    paper: str
    function: Callable[["Round", Any], "TrainingSet"]
    options: type[RecipeOptions]

    def __call__(self, round: "Round", options: RecipeOptions) -> "TrainingSet":
        return self.function(round, options)

    def parse(self, options: Mapping[str, Any]) -> RecipeOptions:
        """The options checked; raises ConfigError naming what is wrong."""
        return parse(self.options, options, "recipe.options")


def recipe(name: str, *, paper: str) -> Callable[[Callable[["Round", Any], "TrainingSet"]], Recipe]:
    """Makes a function a recipe; `paper` is where it comes from."""

    def wrap(function: Callable[["Round", Any], "TrainingSet"]) -> Recipe:
        parameters = list(signature(function).parameters)
        options = get_type_hints(function).get(parameters[1]) if len(parameters) == 2 else None
        if not (isinstance(options, type) and issubclass(options, RecipeOptions)):
            raise ConfigError(
                f"recipe {name}: write (round: Round, options: MyOptions), "
                "MyOptions a subclass of selftrain.recipes.RecipeOptions"
            )
        return Recipe(name, paper, function, options)

    return wrap


def builtin_recipes() -> list[str]:
    """Names of the recipes of this package."""
    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def load_recipe(name: str) -> Recipe:
    """The recipe of a name or import path. Raises ConfigError for what is none."""
    if ":" in name:
        found = load_object(name)
    elif name in builtin_recipes():
        found = getattr(import_module(f"selftrain.recipes.{name}"), name)
    else:
        known = ", ".join(builtin_recipes())
        raise ConfigError(f"unknown recipe {name!r}: known are {known}; name your own as my_file.py:my_recipe")
    if not isinstance(found, Recipe):
        raise ConfigError(f"{name} is not a recipe: decorate the function with selftrain.recipes.recipe")
    return found
