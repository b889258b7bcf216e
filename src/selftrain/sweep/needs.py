"""What the variants of a sweep need, looked at before the first of them runs."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from selftrain import training
from selftrain.errors import ConfigError, SelftrainError
from selftrain.labels import Labels
from selftrain.models import Model, resolve_model
from selftrain.sweep.variants import Variant
from selftrain.tasks import load_task


def check_needs(variants: Sequence[Variant]) -> None:
    """Raises ConfigError, naming the variant, for a task, label, model, file or training library that it has not got.

    Everything is loaded once, and one task at a time.
    """
    for alike in _grouped(variants, "training"):
        with _naming(alike[0]):
            training.check_training(alike[0].config.training)
    models: dict[str, Model] = {}
    for alike in _grouped(variants, "model"):
        with _naming(alike[0]):
            models[alike[0].config.model] = resolve_model(alike[0].config.model)
    for alike in _grouped(variants, "task", "seed"):
        with _naming(alike[0]):
            task = load_task(alike[0].config.task, alike[0].config.seed)
        for one in alike:
            judge = one.config.judge.name or task.judge
            with _naming(one):
                labels = Labels.of(task, one.options.reads, one.config.recipe.name, judge)
                one.options.check(labels, one.config.prompt, models[one.config.model])
                one.options.digests()


def _grouped(variants: Sequence[Variant], *keys: str) -> list[list[Variant]]:
    """The variants that have the same values under some keys, together."""
    groups: dict[str, list[Variant]] = {}
    for one in variants:
        values = one.config.model_dump(mode="json", include=set(keys))
        groups.setdefault(json.dumps(values, sort_keys=True), []).append(one)
    return list(groups.values())


@contextmanager
def _naming(variant: Variant) -> Iterator[None]:
    try:
        yield
    except SelftrainError as error:
        raise ConfigError(f"the variant {variant.name}: {error}") from None
