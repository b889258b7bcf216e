"""Scripted groups, and a round whose verbs hand them out, for tests of recipes and training sets."""

from dataclasses import replace

import numpy as np

from selftrain.judges import load_judge
from selftrain.judges.base import unjudged
from selftrain.judges.pool import cluster
from selftrain.labels import Labels
from selftrain.prompts import PromptConfig, Renderer, demonstration
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
    """Verbs that know the groups of every problem; only the renderer is real.

    `losses` has the loss a token of a completion by its text, `rewards` the reward of a response by its text, and
    `replies` what is replied to a question that is none of the groups', by a word in it.
    """

    def __init__(self, groups, tokenizer=None, *, losses=None, rewards=None, replies=None):
        self._groups = {group.problem.id: group for group in groups}
        self._tokenizer = tokenizer
        self._losses, self._rewards, self._replies = losses or {}, rewards or {}, replies or {}
        self.asked = []
        self.room = None
        self.questions = []
        self.samplings = []
        self.scored = []
        self.scorers = []

    def renderer(self, model, prompt, shots=None):
        return Renderer(self._tokenizer_or_tiny(), prompt, () if shots is None else shots)

    def context(self, model):
        return self.room

    def sample(self, model, problems, n, *, prompt, sampling, draw, shots=None):
        self.asked.append((model, n, prompt, draw))
        self.questions.append([problem.text for problem in problems])
        self.samplings.append(sampling)
        responses = tuple(self._responses(problem)[:n] for problem in problems)
        return Samples(tuple(problems), responses, "cell")

    def _responses(self, problem):
        if problem.id in self._groups:
            return self._groups[problem.id].responses
        reply = next(reply for word, reply in self._replies.items() if word in problem.text)
        return make_group(problem.text, "U", texts=[reply]).responses

    def read(self, samples):
        found = self.judge(samples, samples.problems)
        return Groups([replace(group, judgements=tuple(map(not_compared, group.judgements))) for group in found])

    def score(self, model, pairs):
        self.scored += pairs
        self.scorers.append(model)
        said = [self._tokenizer_or_tiny().decode(completion, skip_special_tokens=True) for _, completion in pairs]
        lost = [next(loss for text, loss in self._losses.items() if text in one) for one in said]
        return [[-loss] * len(completion) for loss, (_, completion) in zip(lost, pairs, strict=True)]

    def reward(self, model, pairs):
        return [self._rewards[text] for _, text in pairs], sum(len(text) for _, text in pairs)

    def _tokenizer_or_tiny(self):
        return self._tokenizer or tokenizer()

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


class SaidVerbs(ScriptedVerbs):
    """Verbs of a round whose models say what `says(model, question, shots shown, index)` gives, a text.

    A judge by name reads the answers in this process. `losses` has the mean loss of a completion by its text, 1 if
    there is none, `vectors` the embedding of a text by a word in it. What is trained is kept in `trained`, as
    (name, start, rows), the name being the model.
    """

    def __init__(self, says, *, judge="choice", losses=None, vectors=None):
        super().__init__((), losses=losses)
        self._says, self._judge, self._vectors = says, load_judge(judge), vectors or {}
        self.shown, self.prompts = {}, {}
        """By model, question and number of shots the questions and answers shown with it, and the whole prompt."""
        self.embedded, self.trained, self.configs = [], [], []

    def sample(self, model, problems, n, *, prompt, sampling, draw, shots=None):
        self.asked.append((model, n, prompt, draw))
        self.questions.append([problem.text for problem in problems])
        self.samplings.append(sampling)
        assert len({problem.id for problem in problems}) == len(problems)  # as the real verb demands
        for problem in problems:
            ids = self.renderer(model, prompt, shots).prompt(problem)
            self.prompts[model, problem.text, prompt.shots] = self._tokenizer_or_tiny().decode(list(ids))
            shown = list(shots[problem.id])[: prompt.shots] if prompt.shots else []
            self.shown[model, problem.text, prompt.shots] = [(one.text, demonstration(one)) for one in shown]
        responses = tuple(
            tuple(self._said(model, problem, prompt.shots, index) for index in range(n)) for problem in problems
        )
        return Samples(tuple(problems), responses, f"{model}, {prompt.shots}")

    def _said(self, model, problem, shots, index):
        text = self._says(model, problem, shots, index)
        (response,) = make_group(problem.text, "U", texts=[text]).responses
        name = f"{model}-{shots}-{problem.id}-{problem.text}-{index}"
        return replace(response, id=name, problem=problem.id, index=index)

    def read(self, samples):
        found = []
        for problem, responses in zip(samples.problems, samples.responses, strict=True):
            assert {response.problem for response in responses} == {problem.id}
            answers = [self._judge.answer(problem, response.text) for response in responses]
            judgements = tuple(unjudged("not compared with a gold answer", answer) for answer in answers)
            clusters = cluster(answers, self._judge)
            found.append(Group(problem=problem, responses=responses, judgements=judgements, clusters=clusters))
        return Groups(found)

    def score(self, model, pairs):
        self.scored += pairs
        self.scorers.append(model)
        said = [self._tokenizer_or_tiny().decode(completion, skip_special_tokens=True) for _, completion in pairs]
        return [self._logprobs(text, len(tokens)) for text, (_, tokens) in zip(said, pairs, strict=True)]

    def _logprobs(self, text, tokens):
        loss = self._losses.get(text, 1.0)
        return loss if isinstance(loss, list) else [-loss] * tokens

    def embed(self, texts, name):
        self.embedded.append((name, list(texts)))
        vectors = [next(vector for word, vector in self._vectors.items() if word in text) for text in texts]
        return np.array(vectors, dtype=np.float32)

    def train(self, start, rows, config, *, base, name):
        self.trained.append((name, start, rows))
        self.configs.append(config)
        return name


def not_compared(judgement):
    return replace(judgement, judgement="unjudged", reason="not compared with a gold answer")


def make_round(groups, *, tokenizer=None, seed=0, number=1, labels=None, said=None, verbs=None, taught=(), **settings):
    """A round over the groups' problems; `settings` go to its TrainingConfig, `prompt` to its prompt.

    `labels` are what the recipe may read, the gold answers unless given; `said` goes to `ScriptedVerbs`, unless other
    `verbs` are given. A problem may stand for a group.
    """
    prompt = settings.pop("prompt", PromptConfig())
    problems = [one.problem if isinstance(one, Group) else one for one in groups]
    verbs = verbs or ScriptedVerbs(groups, tokenizer, **(said or {}))
    return Round(
        number=number,
        parent="parent",
        base="base",
        problems=tuple(problem.without_gold() for problem in problems),
        labels=labels or Labels(gold={problem.id: problem for problem in problems}),
        rng=np.random.default_rng(seed),
        prompt=prompt,
        sampling_prompt=prompt,
        sampling=SamplingConfig(),
        train_on_thinking=settings.pop("train_on_thinking", True),
        training=TrainingConfig(**settings),
        verbs=verbs,
        taught=tuple(taught),
    )


def tokenizer():
    """The tiny tokenizer, made once."""
    from tiny import tiny_tokenizer

    if not _made:
        _made.append(tiny_tokenizer())
    return _made[0]


_made: list[object] = []
