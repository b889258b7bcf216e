"""What a recipe drew and what the judge said of it, counted: the way from questions to training rows."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from selftrain.records import Groups
from selftrain.sampling import Samples


@dataclass(slots=True)
class Funnel:
    """The counts of a round."""

    steps: dict[str, int] = field(default_factory=dict)
    """The sample steps that were drawn from, with the responses to each question."""
    questions: set[str] = field(default_factory=set)
    """Ids of the questions asked."""
    responses: int = 0
    marks: Counter[str] = field(default_factory=Counter)
    """Responses by judgement; none if the recipe asked for no judgement."""
    groups_right: int = 0
    """Groups with at least one right response."""

    def drew(self, samples: Samples) -> None:
        """Counts what was drawn."""
        n = max(map(len, samples.responses), default=0)
        step = f"sample-{samples.cell}"
        self.steps[step] = max(n, self.steps.get(step, 0))
        self.questions.update(problem.id for problem in samples.problems)
        self.responses += sum(map(len, samples.responses))

    def judged(self, groups: Groups) -> None:
        """Counts what was judged."""
        self.marks.update(judgement.judgement for group in groups for judgement in group.judgements)
        self.groups_right += len(groups.where_any_right())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        marks = {mark: self.marks[mark] for mark in ("right", "wrong", "unjudged")}
        return {
            "draws": self.steps,
            "questions": len(self.questions),
            "responses": self.responses,
            **marks,
            "groups_right": self.groups_right,
        }
