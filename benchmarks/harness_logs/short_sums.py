"""The problems of this folder as a task of Inspect: several responses each, judged by the last number in them."""

from inspect_ai import Task, task
from inspect_ai.dataset import FieldSpec, json_dataset
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import pattern
from inspect_ai.solver import generate

FIELDS = FieldSpec(input="question", target="answer", id="id", metadata=["level"])


@task
def short_sums() -> Task:
    """60 sums of two numbers below 100."""
    return Task(
        dataset=json_dataset("problems.jsonl", FIELDS),
        solver=generate(),
        scorer=pattern(r"(-?\d+)\D*$"),
        config=GenerateConfig(temperature=0.7, max_tokens=24, seed=0),
        epochs=4,
    )
