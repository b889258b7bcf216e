"""Round: what a recipe may do, from a parent model to a training set. Every verb is a durable step."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np

from selftrain.errors import ConfigError
from selftrain.funnel import Funnel
from selftrain.judges.stated import after_thinking
from selftrain.labels import Labels
from selftrain.models import Model
from selftrain.parts import Given, Pair, Parted, TokenValue, cut_up, in_passes
from selftrain.prompts import Ids, PromptConfig, demonstration, separated
from selftrain.pseudo_labels import PseudoLabel
from selftrain.records import Groups, Problem, Question, Response, given
from selftrain.reward_model import RewardModel
from selftrain.sampling import Draw, Samples, SamplingConfig
from selftrain.segments.chains import Chain
from selftrain.signals import mean_nll
from selftrain.training import TrainingConfig
from selftrain.training_set import AnyRow, Labelled, Row, TrainingSet, rescaled
from selftrain.training_set import Pair as PairRow
from selftrain.verbs import Verbs

Item = TypeVar("Item")
LossOn = Literal["completion", "all"]
"""The tokens of a loss: the completion's, or the prompt's too."""
Preference = tuple[Question, Response, Response]
"""A problem with a chosen and a rejected response."""
Weights = Sequence[float] | np.ndarray | None
OwnShots = Mapping[str, Sequence[Problem]]
"""Demonstrations of each problem's own, by its id."""


@dataclass(slots=True)
class Round:
    """One turn of the loop. A recipe reads these fields and calls these verbs; it opens no file."""

    number: int
    """1 for the first round."""
    parent: Model
    base: Model
    problems: tuple[Question, ...]
    """The task's training problems, without their gold answers."""
    labels: Labels
    """What of the task's labels the recipe reads."""
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
    taught: tuple[PseudoLabel, ...] = ()
    """The pseudo-labels that the rounds before kept, of those that were promoted; in the order they came."""
    pseudo_labels: tuple[PseudoLabel, ...] = ()
    """What the recipe took for labels in this round, kept or not; all of them in problem order."""
    start: Model | None = None
    """What the candidate is trained from; the parent unless the recipe says otherwise (STaR sets the base)."""
    extractive: Model | None = None
    """What writes the candidate's extractive segments, if the recipe trained a model for them (dual-path AS-ES)."""
    chains: tuple[Chain, ...] = ()
    """The chains that the recipe cut into segments, trained or not."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Problems or rows left out so far, by reason."""
    funnel: Funnel = field(default_factory=Funnel)
    """What was drawn and judged so far."""
    told: list[str] = field(default_factory=list)
    """What the recipe said of this round, a line each."""

    def sample(
        self,
        model: Model,
        problems: Sequence[Question],
        n: int,
        *,
        prompt: PromptConfig | None = None,
        shots: OwnShots | None = None,
    ) -> Samples:
        """Draws `n` responses to each problem from a model of the run, fresh for this round.

        `shots` are demonstrations of each problem's own, by its id, in place of the task's; the prompt says how many.
        """
        samples = self._draw(model, problems, n, prompt or self.sampling_prompt, self.sampling, shots)
        self.funnel.drew(samples)
        return samples

    def too_long(
        self,
        problems: Sequence[Question],
        *,
        prompt: PromptConfig,
        shots: OwnShots | None = None,
    ) -> list[Question]:
        """Those of the problems whose prompt leaves no room for a response in the model's context; see `sample`."""
        context = self.verbs.context(self.base)
        if context is None:
            return []
        renderer, room = self.verbs.renderer(self.base, prompt, shots), context - self.sampling.max_tokens
        return [problem for problem in problems if len(renderer.prompt(problem)) > room]

    def ask(
        self, model: Model, questions: Sequence[Question], *, prompt: PromptConfig, sampling: SamplingConfig
    ) -> list[Response]:
        """One response to each question of the recipe's own making, such as one about a response."""
        samples = self._draw(model, questions, 1, prompt, sampling)
        self.funnel.asked(samples)
        return [response for (response,) in samples.responses]

    def judge(self, samples: Samples) -> Groups:
        """Judges samples against the gold answers of their problems, training problems or others that have one.

        Raises ConfigError for a training problem if the recipe's options do not say that it reads gold answers.
        """
        known = dict(self.labels.gold)
        known.update((problem.id, problem) for problem in samples.problems if isinstance(problem, Problem))
        if any(problem.id not in known for problem in samples.problems):
            raise ConfigError(
                "the recipe judges responses, its options say it reads no gold answers: add gold to `reads`"
            )
        groups = self.verbs.judge(samples, [known[problem.id] for problem in samples.problems])
        self.funnel.judged(groups)
        return groups

    def read(self, samples: Samples) -> Groups:
        """The answers of samples and their clusters, read without any gold answer: every judgement is `unjudged`."""
        return self.verbs.read(samples)

    def embed(self, texts: Sequence[str], embedder: str) -> np.ndarray:
        """Embeddings of texts as rows of unit length, shape [texts, dimensions]; see `embeddings.load_embedder`."""
        return self.verbs.embed(texts, embedder)

    def score(self, model: Model, groups: Groups, *, loss_on: LossOn = "completion") -> list[list[list[float]]]:
        """Log-probabilities (nats) of each response's tokens under a model, given the training prompt.

        One list a group, in it one a response; the end marker counts exactly when the response finished. With
        `loss_on="all"` the prompt's tokens come first, but the very first, which nothing foretells. A response that
        does not fit into the model's context has none.
        """
        renderer = self.verbs.renderer(model, self.prompt)
        start = None if loss_on == "completion" else 1
        pairs = [
            _parted(renderer.prompt(group.problem), renderer.completion(self.trained(r), finished=_finished(r)), start)
            for group in groups
            for r in group.responses
        ]
        scores = self._read(self.verbs.score, model, pairs)
        return [[next(scores) for _ in group.responses] for group in groups]

    def values(
        self, model: Model, chains: Sequence[Parted], *, of: TokenValue, given: Given
    ) -> list[list[list[float]]]:
        """What a model makes of each token of each part of some chains, in nats: its entropy there, or its loss.

        One list a chain, in it one a part. A part is read after the question and the parts before it, or after the
        question alone. A chain that does not fit into the model's context has none.
        """
        renderer = self.verbs.renderer(model, self.prompt)
        read = [in_passes(renderer, chain, given) for chain in chains]
        pairs = [(context, sum(parts, ())) for passes in read for context, parts in passes]
        found = self._read(self.verbs.entropies if of == "entropy" else self.verbs.score, model, pairs)
        sign = 1 if of == "entropy" else -1
        made = []
        for passes in read:
            values = [[sign * value for value in next(found)] for _ in passes]
            made.append([part for own, (_, parts) in zip(values, passes, strict=True) for part in cut_up(own, parts)])
        return made

    def _read(
        self, verb: Callable[[Model, list[Pair]], list[list[float]]], model: Model, pairs: Sequence[Pair]
    ) -> Iterator[list[float]]:
        """What a verb says of the tokens of pairs that fit into the model's context; nothing of the others."""
        room = self.verbs.context(model) or math.inf
        fit = [len(context) + len(tokens) <= room for context, tokens in pairs]
        short = [pair for pair, fits in zip(pairs, fit, strict=True) if fits]
        self.funnel.scored(sum(len(context) + len(tokens) for context, tokens in short))
        scores = iter(verb(model, short))
        return iter([next(scores) if fits else [] for fits in fit])

    def losses(self, model: Model, groups: Groups, *, loss_on: LossOn = "completion") -> np.ndarray:
        """Mean negative log-likelihood (nats a token) of every response, shape [responses]; see `score`.

        nan where a log-probability is missing or not finite.
        """
        scores = self.score(model, groups, loss_on=loss_on)
        return np.array([mean_nll(logprobs) for group in scores for logprobs in group], dtype=float)

    def rewards(self, model: RewardModel, groups: Groups) -> np.ndarray:
        """What a reward model gives every response, shape [responses]; nan where that is not finite."""
        pairs = [(group.problem, self.trained(response)) for group in groups for response in group.responses]
        rewards, tokens = self.verbs.reward(model, pairs)
        self.funnel.scored(tokens)
        return np.array(rewards, dtype=float)

    def solutions(self) -> Groups:
        """The training problems' rationales, or gold answers where there is none, as right responses."""
        return Groups([given(problem, demonstration(problem)) for problem in self.labels.given])

    def valid(self) -> Groups:
        """The rationales of the valid split as right responses. Raises ConfigError if none fits into a row."""
        groups = Groups([given(problem, demonstration(problem)) for problem in self.labels.valid])
        kept = self.trainable(groups)
        if groups and not kept:
            raise ConfigError(
                f"no rationale of the valid split fits into {self.training.max_length} tokens: shorten them"
            )
        return kept

    def tell(self, line: str) -> None:
        """Says something of this round to whoever reads its story and its page."""
        self.told.append(line)

    def train(self, rows: TrainingSet, *, start: Model | None = None, name: str | None = None) -> Model:
        """Trains from `start` (the round's start, else the parent, if not given)."""
        self.funnel.trained(self.training.epochs * rows.tokens)
        return self.verbs.train(
            start or self.start or self.parent,
            rows,
            self.training,
            base=self.base,
            name=name or f"round-{self.number:02d}",
        )

    def candidate(self, rows: TrainingSet) -> Model:
        """The model trained on the round's training set, with the one that writes its extractive segments if any."""
        return replace(self.train(rows), extractive=self.extractive)

    def keep(self, groups: Groups, *, of: Groups, reason: str) -> Groups:
        """Notes how many of the groups `of` are not among `groups`, and why; returns `groups`.

        They are problems, or single responses if these stand `apart`.
        """
        self.drop(reason, len(of) - len(groups))
        return groups

    def nothing(self, groups: Groups, *, reason: str) -> TrainingSet:
        """The empty training set, with the reason noted."""
        self.drop(reason, len(groups))
        return TrainingSet((), dict(self.dropped))

    def trainable(self, groups: Groups) -> Groups:
        """Each group cut down to the responses that can be rows; the others are dropped and counted, as `training_set`
        would: what is ranked should be what can be kept."""
        return groups.cut(lambda group: [p for p, r in enumerate(group.responses) if self._row(group.problem, r, 1.0)])

    def training_set(self, groups: Groups, weights: Weights = None, *, normalise: bool = True) -> TrainingSet:
        """Every response of the groups as a row of the training prompt, with its group's weight, shape [groups].

        Rows too long or with an empty completion are dropped and counted; then weights get mean 1, unless
        `normalise` is false. With no weight above zero left, the training set is empty.
        """
        rows = []
        for group, weight in _weighted(groups, weights):
            made = (self._row(group.problem, response, weight) for response in group.responses)
            rows += [row for row in made if row]
        return self._set(rows, normalise=normalise)

    def segment_rows(self, chain: Parted) -> list[Row]:
        """A row for each segment of a chain, whose prompt is the question with the segments before it.

        The decoder of an encoder ends every segment alike: one row more teaches it that nothing follows the last.
        None, and counted, if one of them is too long. Source: AS-ES, arXiv 2403.01969.
        """
        renderer = self.verbs.renderer(self.parent, self.prompt)
        targets = renderer.parts(separated(chain.parts), finished=_finished(chain.response))
        if renderer.encoder and _finished(chain.response):
            targets.append(renderer.end_marker)
        prompts = [renderer.prompt(chain.question, chain.parts[:place]) for place in range(len(targets))]
        rows = [self._made(chain.question, chain.response, *both, 1.0) for both in zip(prompts, targets, strict=True)]
        return [] if any(self._too_long(row) for row in rows) else rows

    def row_set(self, rows: Sequence[Row]) -> TrainingSet:
        """Rows of the recipe's own making as a training set; weights get mean 1."""
        return self._set(rows)

    def labelled_set(self, groups: Groups, weights: Weights = None) -> TrainingSet:
        """Every judged response of the groups, labelled: a right one is desirable, a wrong one is not.

        Unjudged responses are dropped and counted; all else is as in `training_set`.
        """
        rows = []
        for group, weight in _weighted(groups, weights):
            for response, judgement in zip(group.responses, group.judgements, strict=True):
                if judgement.judgement == "unjudged":
                    self.drop("unjudged response", 1)
                elif row := self._row(group.problem, response, weight):
                    rows.append(Labelled.of(row, judgement.judgement == "right"))
        return self._set(rows)

    def pair_set(self, pairs: Sequence[Preference], weights: Weights = None) -> TrainingSet:
        """Pairs of (problem, chosen, rejected), each with its weight, shape [pairs].

        A pair is dropped and counted once if either side would be, or if both are the same tokens; all else is as
        in `training_set`.
        """
        return self._set([PairRow.of(chosen, rejected) for chosen, rejected in self._pairs(pairs, weights)])

    def unpaired_set(self, pairs: Sequence[Preference], weights: Weights = None) -> TrainingSet:
        """The rows of `pair_set` taken apart: of each pair a desirable and an undesirable response."""
        rows = self._pairs(pairs, weights)
        return self._set([Labelled.of(row, row is chosen) for chosen, rejected in rows for row in (chosen, rejected)])

    def _pairs(self, pairs: Sequence[Preference], weights: Weights) -> list[tuple[Row, Row]]:
        rows = []
        for (problem, chosen, rejected), weight in _weighted(pairs, weights):
            one = self._row(problem, chosen, weight)
            other = self._row(problem, rejected, weight) if one else None
            if one and other and one.input_ids == other.input_ids:
                self.drop("chosen and rejected are the same", 1)
            elif one and other:
                rows.append((one, other))
        return rows

    def _draw(
        self,
        model: Model,
        problems: Sequence[Question],
        n: int,
        prompt: PromptConfig,
        sampling: SamplingConfig,
        shots: OwnShots | None = None,
    ) -> Samples:
        draw = Draw("train", self.number)
        return self.verbs.sample(model, problems, n, prompt=prompt, sampling=sampling, draw=draw, shots=shots)

    def _row(self, problem: Question, response: Response, weight: float) -> Row | None:
        """A response as a row of the training prompt; None, and counted, if it cannot be trained."""
        renderer = self.verbs.renderer(self.parent, self.prompt)
        prompt, text = renderer.prompt(problem), self.trained(response)
        completion = renderer.completion(text, finished=_finished(response))
        if not text.strip():
            self.drop("empty response", 1)
            return None
        row = self._made(problem, response, prompt, completion, weight)
        return None if self._too_long(row) else row

    def _made(self, problem: Question, response: Response, prompt: Ids, completion: Ids, weight: float) -> Row:
        renderer = self.verbs.renderer(self.parent, self.prompt)
        return Row(
            input_ids=prompt + completion,
            completion_start=len(prompt),
            weight=float(weight),
            problem=problem.id,
            response=response.id,
            prompt_text=renderer.text(prompt),
            completion_text=renderer.text(completion),
        )

    def _too_long(self, row: Row) -> bool:
        """Whether a row is longer than training takes; it is counted then."""
        if len(row.input_ids) <= self.training.max_length:
            return False
        self.drop(f"longer than {self.training.max_length} tokens", 1)
        return True

    def _set(self, rows: Sequence[AnyRow], *, normalise: bool = True) -> TrainingSet:
        if rows and not any(row.weight for row in rows):
            self.drop("every weight is zero", len(rows))
            rows = ()
        kept = rescaled(rows) if normalise else tuple(rows)
        return TrainingSet(kept, dict(self.dropped), normalised=normalise)

    def trained(self, response: Response) -> str:
        """What of a response's text is trained: without its thinking, if that is not."""
        return response.text if self.train_on_thinking else after_thinking(response.text) or ""

    def drop(self, reason: str, count: int) -> None:
        """Notes how many problems or rows were left out, and why."""
        if count:
            self.dropped[reason] = self.dropped.get(reason, 0) + count


def _finished(response: Response) -> bool:
    return response.finish == "stop"


def _parted(prompt: Ids, completion: Ids, start: int | None) -> tuple[Ids, Ids]:
    """A sequence as (context, scored tokens), parted after the prompt or at `start`."""
    place = len(prompt) if start is None else start
    return (prompt + completion)[:place], (prompt + completion)[place:]


def _weighted(items: Sequence[Item], weights: Weights) -> Iterator[tuple[Item, float]]:
    """The items with their weights, 1 if there are none; raises ValueError if they are not as many."""
    given = np.ones(len(items)) if weights is None else weights
    if len(given) != len(items):
        raise ValueError(f"weights has {len(given)} values, one for each of {len(items)} is wanted")
    return zip(items, given, strict=True)
