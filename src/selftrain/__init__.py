"""Train a language model on its own answers, and know whether it got better."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selftrain.config import RunConfig, load_config
    from selftrain.loop import Result, run
    from selftrain.recipes import recipe
    from selftrain.round import Round
    from selftrain.training_set import TrainingSet

__all__ = ["Result", "Round", "RunConfig", "TrainingSet", "load_config", "recipe", "run"]

_HOMES = {
    "Result": "loop",
    "Round": "round",
    "RunConfig": "config",
    "TrainingSet": "training_set",
    "load_config": "config",
    "recipe": "recipes",
    "run": "loop",
}


def __getattr__(name: str) -> Any:
    """Loads the public names on first use, so that importing the package costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module selftrain has no attribute {name!r}")
    return getattr(import_module(f"selftrain.{_HOMES[name]}"), name)
