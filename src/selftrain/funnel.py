"""What a recipe drew and what the judge said of it, counted: the way from questions to training rows."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, get_args

from selftrain.records import Groups, Mark
from selftrain.sampling import Samples


@dataclass(slots=True)
class Funnel:
    """The counts of a round; what is drawn again, or judged again, counts once."""

    steps: dict[str, int] = field(default_factory=dict)
    """The sample steps that were drawn from, with the responses to each question."""
    questions: set[str] = field(default_factory=set)
    """Ids of the questions asked."""
    responses: set[str] = field(default_factory=set)
    """Ids of the responses to them."""
    marks: dict[str, Mark] = field(default_factory=dict)
    """Judgement by response id; none if the recipe asked for no judgement."""
    solved: set[str] = field(default_factory=set)
    """Ids of the questions with at least one right response."""
    tokens: Counter[str] = field(default_factory=lambda: Counter(drawn=0, scored=0, trained=0))
    """Tokens drawn, scored, and trained (those of the rows, in every epoch), whether a step had them or not."""

    def drew(self, samples: Samples) -> None:
        """Counts what was drawn."""
        n = max(map(len, samples.responses), default=0)
        step = f"sample-{samples.cell}"
        self.steps[step] = max(n, self.steps.get(step, 0))
        self.questions.update(problem.id for problem in samples.problems)
        fresh = {response.id: response for group in samples.responses for response in group}
        self.tokens["drawn"] += sum(len(fresh[key].tokens) for key in fresh.keys() - self.responses)
        self.responses.update(fresh)

    def asked(self, samples: Samples) -> None:
        """Counts the tokens of responses to questions of the recipe's own."""
        self.tokens["drawn"] += sum(len(response.tokens) for group in samples.responses for response in group)

    def scored(self, tokens: int) -> None:
        """Counts tokens that were scored."""
        self.tokens["scored"] += tokens

    def trained(self, tokens: int) -> None:
        """Counts tokens that were trained."""
        self.tokens["trained"] += tokens

    def judged(self, groups: Groups) -> None:
        """Counts what was judged."""
        for group in groups:
            self.marks.update((r.id, j.judgement) for r, j in zip(group.responses, group.judgements, strict=True))
        self.solved.update(group.problem.id for group in groups.where_any_right())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        marks = Counter(self.marks.values())
        return {
            "draws": self.steps,
            "questions": len(self.questions),
            "responses": len(self.responses),
            **{mark: marks[mark] for mark in get_args(Mark)},
            "groups_right": len(self.solved),
            "tokens": dict(self.tokens),
        }
