"""In-context propagation: the nearest labelled problems as demonstrations of a problem without a label."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from selftrain.embeddings import DEFAULT_EMBEDDER, embedder_digest
from selftrain.errors import ConfigError
from selftrain.neighbours import nearest
from selftrain.recipes import RecipeOptions
from selftrain.records import Group, Groups, Problem, Question
from selftrain.round import Round

if TYPE_CHECKING:
    from selftrain.labels import Labels
    from selftrain.models import Model
    from selftrain.prompts import PromptConfig

Near = dict[str, list[Problem]]
"""Demonstrations of each problem, by its id, nearest first."""


class DemonstrationOptions(RecipeOptions):
    """Which demonstrations are shown."""

    in_context: bool = True
    """Show predictions the nearest labelled problems as demonstrations; without it they see the bare question."""
    shots: int = Field(3, ge=1, le=64)
    """Demonstrations at most: configurations show 0, 1, ... so many, nearest first."""
    embedder: str = DEFAULT_EMBEDDER
    """Model of sentence embeddings that tells which questions are near: `minilm`, a folder, or a hub name."""

    def digests(self) -> dict[str, str]:
        """See `RecipeOptions.digests`."""
        return {"embedder": embedder_digest(self.embedder)} if self.in_context else {}

    def check(self, labels: "Labels", prompt: "PromptConfig", base: "Model") -> None:
        """See `RecipeOptions.check`."""
        if self.in_context:
            _enough(self.shots, len(labels.labelled), "labelled rows")


def demonstrations(round: Round, known: Groups, problems: Sequence[Question], options: DemonstrationOptions) -> Near:
    """Of every problem the labelled ones whose questions are nearest to its own; none where they are switched off.

    Where they leave no room for a response, the farthest go. Source: SemiEvol, arXiv:2410.14745, in-context
    propagation: cosine of sentence embeddings of the question alone.
    """
    if not options.in_context:
        return {}
    _enough(options.shots, len(known), f"labelled rows of at most {round.training.max_length} tokens")
    questions = [*(group.problem for group in known), *problems]
    embedded = round.embed([question.text for question in questions], options.embedder)
    places = nearest(embedded[: len(known)], embedded[len(known) :], options.shots)
    shown = [_shown(group) for group in known]
    near = {problem.id: [shown[place] for place in row] for problem, row in zip(problems, places, strict=True)}
    return _fitted(round, problems, near, options.shots)


def _fitted(round: Round, problems: Sequence[Question], near: Near, shots: int) -> Near:
    prompt = round.sampling_prompt.model_copy(update={"shots": shots})
    long = round.too_long(problems, prompt=prompt, shots=near)
    if long:
        round.tell(f"{len(long):,} problems have no room for {shots} shots, and are shown fewer")
    while long := [problem for problem in round.too_long(long, prompt=prompt, shots=near) if near[problem.id]]:
        near |= {problem.id: near[problem.id][:-1] for problem in long}
    return near


def _enough(shots: int, count: int, what: str) -> None:
    if count < shots:
        raise ConfigError(
            f"{shots} shots are wanted, there are {count} {what}: give more or set recipe.options.shots lower"
        )


def _shown(group: Group) -> Problem:
    question = group.problem
    return Problem(
        id=question.id,
        messages=question.messages,
        level=question.level,
        family=question.family,
        options=question.options,
        rationale=group.responses[0].text,
    )
