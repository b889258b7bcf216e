"""Scripted groups, and a round whose verbs hand them out, for tests of recipes and training sets."""

from dataclasses import replace

import numpy as np

from selftrain.judges.pool import cluster
from selftrain.prompts import PromptConfig, Renderer
from selftrain.records import Group, Groups, Judgement, Problem, Response
from selftrain.round import Round
from selftrain.sampling import Samples, SamplingConfig
from selftrain.training import TrainingConfig

MARKS = {"R": "right", "W": "wrong", "U": "unjudged"}


def make_group(question, marks, answers=None, *, texts=None, finish=None, same=None):
    """The group of a question with one response a letter of `marks` (R, W, U).

    By default right answers agree, wrong and unjudged ones have none; `same` is a judge for equivalent answers;
    `finish` has one letter a response (s, l).
    """
    problem = Problem.make(question, gold="gold")
    answers = answers or [{"R": "gold"}.get(mark) for mark in marks]
    texts = texts or [f"text {index} of {question}" for index in range(len(marks))]
    finish = finish or "s" * len(marks)
    responses = tuple(
        Response(
            id=f"{question}-{index}",
            problem=problem.id,
            index=index,
            text=text,
            tokens=(5, 6),
            logprobs=(-0.5, -0.5),
            finish={"s": "stop", "l": "length"}[finish[index]],
        )
        for index, text in enumerate(texts)
    )
    judgements = tuple(
        Judgement(judgement=MARKS[mark], answer=answer, reason="scripted")
        for mark, answer in zip(marks, answers, strict=True)
    )
    clusters = cluster(answers, same)
    return Group(problem=problem, responses=responses, judgements=judgements, clusters=clusters)


class ScriptedVerbs:
    """Verbs that know the groups of every problem; only the renderer is real."""

    def __init__(self, groups, tokenizer=None):
        self._groups = {group.problem.id: group for group in groups}
        self._tokenizer = tokenizer
        self.asked = []

    def renderer(self, model, prompt):
        return Renderer(self._tokenizer or tokenizer(), prompt, ())

    def sample(self, model, problems, n, *, prompt, sampling, draw):
        self.asked.append((model, n, prompt, draw))
        responses = tuple(self._groups[problem.id].responses[:n] for problem in problems)
        return Samples(tuple(problems), responses, "cell")

    def judge(self, samples, problems):
        found = []
        for problem, responses in zip(problems, samples.responses, strict=True):
            group, n = self._groups[problem.id], len(responses)
            found.append(
                replace(
                    group,
                    problem=problem,
                    responses=responses,
                    judgements=group.judgements[:n],
                    clusters=group.clusters[:n],
                )
            )
        return Groups(found)


def make_round(groups, *, tokenizer=None, seed=0, **settings):
    """A round over the groups' problems; `settings` go to its TrainingConfig, `prompt` to its prompt."""
    prompt = settings.pop("prompt", PromptConfig())
    verbs = ScriptedVerbs(groups, tokenizer)
    return Round(
        number=1,
        parent="parent",
        base="base",
        problems=tuple(group.problem for group in groups),
        rng=np.random.default_rng(seed),
        prompt=prompt,
        sampling_prompt=prompt,
        sampling=SamplingConfig(),
        train_on_thinking=settings.pop("train_on_thinking", True),
        training=TrainingConfig(**settings),
        verbs=verbs,
    )


def tokenizer():
    """The tiny tokenizer, made once."""
    from tiny import tiny_tokenizer

    if not _made:
        _made.append(tiny_tokenizer())
    return _made[0]


_made: list[object] = []
