"""Collaborative learning: several configurations answer a problem, and confer where they disagree."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator

from selftrain.models import Model
from selftrain.prompts import filled, holding
from selftrain.pseudo_labels import PseudoLabel
from selftrain.recipes import RecipeOptions
from selftrain.recipes._demonstrations import Near
from selftrain.records import Group, Groups, Message, Question, Response
from selftrain.round import Round
from selftrain.sampling import Samples

SHOWN = 4_000
"""Characters of the predictions for a problem, from the end of each, that are shown to who decides."""


class Configuration(NamedTuple):
    """Who answers, and how many of the nearest labelled problems it is shown."""

    model: str
    """base or warm"""
    shots: int

    def __str__(self) -> str:
        return f"{self.model}, {self.shots} shot{'' if self.shots == 1 else 's'}"


Turn = Sequence[Configuration]
"""The configurations that answer one problem, in the order drawn; one that answers again comes again."""


class CollaborationOptions(RecipeOptions):
    """Who predicts, and who decides."""

    collaborate: bool = True
    """Let several configurations predict; without it one does, the warm model with all shots."""
    predictions: int = Field(4, ge=1, le=64)
    """Responses to each problem, of configurations drawn from {base, warm} x shots, none again before all of them."""
    justify: Literal["on_disagreement", "always", "never"] = "on_disagreement"
    """When the warm model looks at the predictions and decides; where it does not, the majority answer is taken."""
    template: str = "Answers given to the question below, right or wrong:\n{responses}\n\n{question}"
    """How it is shown them; `{question}` and `{responses}` stand for the two. With the question last, what follows
    answers it, as in training."""

    @field_validator("template")
    @classmethod
    def _both(cls, template: str) -> str:
        return holding(template, "question", "responses")

    def decides(self, group: Group) -> bool:
        """Whether the warm model is to decide between the predictions for a problem."""
        return self.collaborate and (self.justify == "always" or (self.justify != "never" and not agree(group)))


def configurations(models: Sequence[str], shots: int, options: CollaborationOptions) -> list[Configuration]:
    """Those that may predict: each of the models with 0, 1, ... shots; without collaboration the last of them."""
    every = [Configuration(model, number) for model in models for number in range(shots + 1)]
    return every if options.collaborate else every[-1:]


def pseudo_responses(
    round: Round,
    models: Mapping[str, Model],
    every: Sequence[Configuration],
    problems: Sequence[Question],
    near: Near,
    options: CollaborationOptions,
) -> list[PseudoLabel]:
    """One response to each problem: what the predictions agree on, or what the last of the models decides.

    Source: SemiEvol, arXiv:2410.14745, collaborative learning and self-justification.
    """
    count = options.predictions if options.collaborate else 1
    turns = [drawn(every, count, round.rng) for _ in problems]
    groups = predicted(round, models, problems, turns, near)
    asked = groups.where(options.decides)
    own = {label.question.id: label for label in decided(round, models, asked, options.template)}
    if options.collaborate:
        agreed = f"predictions agree on {sum(map(agree, groups)):,} of {len(groups):,} problems"
        round.tell(f"{agreed}; the {list(models)[-1]} model decided {len(own):,}")
    return [own.get(label.question.id, label) for label in map(elected, groups, turns)]


def drawn(every: Sequence[Configuration], predictions: int, rng: np.random.Generator) -> Turn:
    """So many configurations, none of them again before all of them were drawn."""
    laps = -(-predictions // len(every))
    return [every[place] for _ in range(laps) for place in rng.permutation(len(every))][:predictions]


def predicted(
    round: Round, models: Mapping[str, Model], problems: Sequence[Question], turns: Sequence[Turn], near: Near
) -> Groups:
    """The responses of each problem's configurations in the order drawn, with their answers.

    One configuration after another, those of one model together: so one model is in memory at a time.
    """
    counts = [Counter(turn) for turn in turns]
    said: list[dict[Configuration, list[Response]]] = [{} for _ in problems]
    for configuration in sorted({one for turn in turns for one in turn}):
        prompt = round.sampling_prompt.model_copy(update={"shots": configuration.shots})
        shots = near if configuration.shots else None
        for times in sorted({count[configuration] for count in counts} - {0}):
            places = [place for place, count in enumerate(counts) if count[configuration] == times]
            asked = [problems[place] for place in places]
            samples = round.sample(models[configuration.model], asked, times, prompt=prompt, shots=shots)
            for place, responses in zip(places, samples.responses, strict=True):
                said[place][configuration] = list(responses)
    # Indices count a configuration's own responses; in the group each has its place.
    ordered = [[found[one].pop(0) for one in turn] for turn, found in zip(turns, said, strict=True)]
    return round.read(Samples.gathered(problems, ordered))


def agree(group: Group) -> bool:
    """Whether every response states an answer, and the same one."""
    return len(group.majority()) == len(group.responses)


def elected(group: Group, turn: Turn) -> PseudoLabel:
    """A response with the majority answer: the warm model's with the most shots, if it wrote one that has it.

    Since the text is to be learned, or scored, as the warm model writes. Where no response states an answer it is the
    first.
    """
    places = group.majority() or [0]
    best = max(places, key=lambda place: (turn[place].model == "warm", turn[place].shots, -place))
    return _taken(group, best, str(turn[best]))


def decided(round: Round, models: Mapping[str, Model], groups: Groups, template: str) -> list[PseudoLabel]:
    """The own response of the last of the models to each problem, once it has seen the predictions.

    Greedy, with the training prompt; a problem whose predictions do not fit into that is left out.
    """
    name, model = list(models.items())[-1]
    # Still the problem, with its id and its options: what is said is an answer to it.
    cases = [replace(group.problem, messages=(Message("user", _case(round, group, template)),)) for group in groups]
    long = {case.id for case in round.too_long(cases, prompt=round.prompt)}
    fit = [(group.problem, case) for group, case in zip(groups, cases, strict=True) if case.id not in long]
    sampling = round.sampling.model_copy(update={"temperature": 0.0})
    responses = round.ask(model, [case for _, case in fit], prompt=round.prompt, sampling=sampling)
    read = round.read(Samples.gathered([problem for problem, _ in fit], [[response] for response in responses]))
    return [_taken(group, 0, f"{name}, self-justified") for group in read]


def _case(round: Round, group: Group, template: str) -> str:
    most = SHOWN // len(group.responses)
    said = [round.trained(response).strip()[-most:] for response in group.responses]
    listed = "\n".join(f"{number}. {text}" for number, text in enumerate(said, start=1))
    return filled(template, question=group.problem.whole, responses=listed)


def _taken(group: Group, place: int, source: str) -> PseudoLabel:
    return PseudoLabel(
        question=group.problem,
        response=group.responses[place],
        answer=group.judgements[place].answer,
        nll=math.nan,
        source=source,
        kept=False,
    )
