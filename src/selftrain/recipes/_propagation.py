"""How labels reach problems without: by models that learned them, and by the nearest of them as demonstrations."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from selftrain.errors import ConfigError
from selftrain.models import Model
from selftrain.neighbours import nearest
from selftrain.prompts import filled
from selftrain.records import Group, Groups, Message, Problem, Question, Response
from selftrain.round import Round
from selftrain.sampling import Samples

SHOWN = 1_000
"""Characters of a prediction, from its end, that the warm model is shown when it decides."""
DECIDED = "warm, self-justified"
"""The configuration that decides between predictions."""


class Configuration(NamedTuple):
    """Who answers, and how many of the nearest labelled problems it is shown."""

    model: str
    """base or warm"""
    shots: int

    def __str__(self) -> str:
        return f"{self.model}, {self.shots} shot{'' if self.shots == 1 else 's'}"


Drawn = Sequence[Configuration]
"""The configurations that answer one problem, in the order drawn; one that answers again comes again."""


def drawn(every: Sequence[Configuration], predictions: int, rng: np.random.Generator) -> Drawn:
    """So many configurations, none of them again before all of them were drawn."""
    laps = -(-predictions // len(every))
    return [every[place] for _ in range(laps) for place in rng.permutation(len(every))][:predictions]


def demonstrations(
    round: Round, known: Groups, problems: Sequence[Question], most: int, embedder: str
) -> dict[str, list[Problem]]:
    """Of every problem, by its id, the labelled ones whose questions are nearest to its own, nearest first.

    Source: SemiEvol, arXiv:2410.14745, in-context propagation: cosine of sentence embeddings of the question alone.
    """
    if len(known) < most:
        raise ConfigError(
            f"{most} shots are wanted, {len(known)} labelled problems fit into a row: give more or set "
            "recipe.options.shots lower"
        )
    questions = [*(group.problem for group in known), *problems]
    embedded = round.embed([question.text for question in questions], embedder)
    places = nearest(embedded[: len(known)], embedded[len(known) :], most)
    shown = [_shown(group) for group in known]
    return {problem.id: [shown[place] for place in near] for problem, near in zip(problems, places, strict=True)}


def predicted(
    round: Round,
    models: Mapping[str, Model],
    problems: Sequence[Question],
    turns: Sequence[Drawn],
    near: Mapping[str, Sequence[Problem]],
) -> Groups:
    """The responses of each problem's configurations in the order drawn, with their answers.

    One configuration after another, those of one model together: so one model is in memory at a time.
    """
    counts = [Counter(turn) for turn in turns]
    said: list[dict[Configuration, list[Response]]] = [{} for _ in problems]
    for configuration in sorted({one for turn in turns for one in turn}):
        prompt = round.sampling_prompt.model_copy(update={"shots": configuration.shots})
        for times in sorted({count[configuration] for count in counts} - {0}):
            places = [place for place, count in enumerate(counts) if count[configuration] == times]
            asked = [problems[place] for place in places]
            shots = near if configuration.shots else None
            samples = round.sample(models[configuration.model], asked, times, prompt=prompt, shots=shots)
            for place, responses in zip(places, samples.responses, strict=True):
                said[place][configuration] = list(responses)
    # Indices count a configuration's own responses; in the group each has its place.
    ordered = [[found[one].pop(0) for one in turn] for turn, found in zip(turns, said, strict=True)]
    return round.read(Samples.gathered(problems, ordered))


def agree(group: Group) -> bool:
    """Whether every response states an answer, and the same one."""
    return len(group.majority()) == len(group.responses)


def elected(groups: Groups, turns: Sequence[Drawn]) -> list[tuple[Group, str]]:
    """Of each group one response with its majority answer, and which configuration wrote it.

    It is one of the warm model with the most shots that has it, since the text is to be learned, or scored, as the
    warm model writes. Where no response states an answer it is the first.
    """
    chosen = []
    for group, turn in zip(groups, turns, strict=True):
        places = group.majority() or [0]
        best = max(places, key=lambda place: (turn[place].model == "warm", turn[place].shots, -place))
        chosen.append((group.only([best]), str(turn[best])))
    return chosen


def decided(round: Round, warm: Model, groups: Groups, template: str) -> Groups:
    """The warm model's own response to each problem, once it has seen the predictions.

    Source: SemiEvol, arXiv:2410.14745, self-justification. Greedy, with the training prompt.
    """
    # Still the problem, with its id and its options: what is said is an answer to it.
    questions = [replace(group.problem, messages=(Message("user", _case(round, group, template)),)) for group in groups]
    prompt = round.prompt.model_copy(update={"shots": 0})
    sampling = round.sampling.model_copy(update={"temperature": 0.0})
    responses = round.ask(warm, questions, prompt=prompt, sampling=sampling)
    return round.read(Samples.gathered([group.problem for group in groups], [[said] for said in responses]))


def _case(round: Round, group: Group, template: str) -> str:
    said = [round.trained(response).strip()[-SHOWN:] for response in group.responses]
    listed = "\n".join(f"{number}. {text}" for number, text in enumerate(said, start=1))
    return filled(template, question=group.problem.whole, responses=listed)


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
