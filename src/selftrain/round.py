"""Round: what a recipe may do, from a parent model to a training set. Every verb is a durable step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from selftrain.funnel import Funnel
from selftrain.judges.stated import after_thinking
from selftrain.models import Model
from selftrain.prompts import PromptConfig
from selftrain.records import Groups, Problem, Question, Response
from selftrain.sampling import Draw, Samples, SamplingConfig
from selftrain.training import TrainingConfig
from selftrain.training_set import AnyRow, Labelled, Pair, Row, TrainingSet, rescaled
from selftrain.verbs import Verbs

Item = TypeVar("Item")
Weights = Sequence[float] | np.ndarray | None


@dataclass(slots=True)
class Round:
    """One turn of the loop. A recipe reads these fields and calls these verbs; it opens no file."""

    number: int
    """1 for the first round."""
    parent: Model
    base: Model
    problems: tuple[Problem, ...]
    """The task's training problems."""
    rng: np.random.Generator
    """Seeded by the run's seed and the round's number."""
    prompt: PromptConfig
    """The prompt that is trained, and audited."""
    sampling_prompt: PromptConfig
    """The prompt that training samples are drawn with."""
    sampling: SamplingConfig
    training: TrainingConfig
    train_on_thinking: bool
    """Whether what comes before a closing think tag is trained."""
    verbs: Verbs
    start: Model | None = None
    """What the candidate is trained from; the parent unless the recipe says otherwise (STaR sets the base)."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Problems or rows left out so far, by reason."""
    funnel: Funnel = field(default_factory=Funnel)
    """What was drawn and judged so far."""

    def sample(
        self, model: Model, problems: Sequence[Question], n: int, *, prompt: PromptConfig | None = None
    ) -> Samples:
        """Draws `n` responses to each problem from a model of the run, fresh for this round."""
        samples = self.verbs.sample(
            model,
            problems,
            n,
            prompt=prompt or self.sampling_prompt,
            sampling=self.sampling,
            draw=Draw("train", self.number),
        )
        self.funnel.drew(samples)
        return samples

    def judge(self, samples: Samples) -> Groups:
        """Judges samples against the gold answers of their problems, training problems or others that have one."""
        known = {problem.id: problem for problem in self.problems}
        known.update((problem.id, problem) for problem in samples.problems if isinstance(problem, Problem))
        groups = self.verbs.judge(samples, [known[problem.id] for problem in samples.problems])
        self.funnel.judged(groups)
        return groups

    def score(self, model: Model, groups: Groups, *, prompt: PromptConfig | None = None) -> list[list[list[float]]]:
        """Log-probabilities (nats) of each response's tokens under a model, given the training prompt.

        One list a group, in it one a response; the end marker counts exactly when the response finished.
        """
        renderer = self.verbs.renderer(model, prompt or self.prompt)
        pairs = [
            (renderer.prompt(group.problem), renderer.completion(self._trained(r), finished=r.finish == "stop"))
            for group in groups
            for r in group.responses
        ]
        scores = iter(self.verbs.score(model, pairs))
        return [[next(scores) for _ in group.responses] for group in groups]

    def train(self, rows: TrainingSet, *, start: Model | None = None, name: str | None = None) -> Model:
        """Trains from `start` (the round's start, else the parent, if not given)."""
        return self.verbs.train(
            start or self.start or self.parent,
            rows,
            self.training,
            base=self.base,
            name=name or f"round-{self.number:02d}",
        )

    def keep(self, groups: Groups, *, of: Groups, reason: str) -> Groups:
        """Notes how many of the groups `of` are not among `groups`, and why; returns `groups`."""
        self._drop(reason, len(of) - len(groups))
        return groups

    def nothing(self, groups: Groups, *, reason: str) -> TrainingSet:
        """The empty training set, with the reason noted."""
        self._drop(reason, len(groups))
        return TrainingSet((), dict(self.dropped))

    def training_set(self, groups: Groups, weights: Weights = None) -> TrainingSet:
        """Every response of the groups as a row of the training prompt, with its group's weight, shape [groups].

        Rows too long or with an empty completion are dropped and counted; then weights get mean 1. With no
        weight above zero left, the training set is empty.
        """
        rows = []
        for group, weight in _weighted(groups, weights):
            made = (self._row(group.problem, response, weight) for response in group.responses)
            rows += [row for row in made if row]
        return self._set(rows)

    def labelled_set(self, groups: Groups, weights: Weights = None) -> TrainingSet:
        """Every judged response of the groups, labelled: a right one is desirable, a wrong one is not.

        Unjudged responses are dropped and counted; all else is as in `training_set`.
        """
        rows = []
        for group, weight in _weighted(groups, weights):
            for response, judgement in zip(group.responses, group.judgements, strict=True):
                if judgement.judgement == "unjudged":
                    self._drop("unjudged response", 1)
                elif row := self._row(group.problem, response, weight):
                    rows.append(Labelled.of(row, judgement.judgement == "right"))
        return self._set(rows)

    def pair_set(self, pairs: Sequence[tuple[Question, Response, Response]], weights: Weights = None) -> TrainingSet:
        """Pairs of (problem, chosen, rejected), each with its weight, shape [pairs].

        A pair is dropped and counted once if either side would be, or if both are the same tokens; all else is as
        in `training_set`.
        """
        rows = []
        for (problem, chosen, rejected), weight in _weighted(pairs, weights):
            one = self._row(problem, chosen, weight)
            other = self._row(problem, rejected, weight) if one else None
            if one and other and one.input_ids == other.input_ids:
                self._drop("chosen and rejected are the same", 1)
            elif one and other:
                rows.append(Pair.of(one, other))
        return self._set(rows)

    def _row(self, problem: Question, response: Response, weight: float) -> Row | None:
        """A response as a row of the training prompt; None, and counted, if it cannot be trained."""
        renderer = self.verbs.renderer(self.parent, self.prompt)
        prompt, text = renderer.prompt(problem), self._trained(response)
        completion = renderer.completion(text, finished=response.finish == "stop")
        if not text.strip():
            self._drop("empty response", 1)
            return None
        if len(prompt) + len(completion) > self.training.max_length:
            self._drop(f"longer than {self.training.max_length} tokens", 1)
            return None
        return Row(
            input_ids=prompt + completion,
            completion_start=len(prompt),
            weight=float(weight),
            problem=problem.id,
            response=response.id,
            prompt_text=renderer.text(prompt),
            completion_text=renderer.text(completion),
        )

    def _set(self, rows: Sequence[AnyRow]) -> TrainingSet:
        if rows and not any(row.weight for row in rows):
            self._drop("every weight is zero", len(rows))
            rows = ()
        return TrainingSet(rescaled(rows), dict(self.dropped))

    def _trained(self, response: Response) -> str:
        return response.text if self.train_on_thinking else after_thinking(response.text) or ""

    def _drop(self, reason: str, count: int) -> None:
        if count:
            self.dropped[reason] = self.dropped.get(reason, 0) + count


def _weighted(items: Sequence[Item], weights: Weights) -> Iterator[tuple[Item, float]]:
    """The items with their weights, 1 if there are none; raises ValueError if they are not as many."""
    given = np.ones(len(items)) if weights is None else weights
    if len(given) != len(items):
        raise ValueError(f"weights has {len(given)} values, one for each of {len(items)} is wanted")
    return zip(items, given, strict=True)
