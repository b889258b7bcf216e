"""The durable verbs: sample, judge, score, train, each a step of the workspace that is read back when it is there."""

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from selftrain.digest import digest
from selftrain.embedding_step import embedded, embedding_inputs
from selftrain.embeddings import Embed, load_embedder
from selftrain.engines import Engine, EngineConfig, Sampling, load_engine
from selftrain.engines.scoring import PAIRS_AT_ONCE
from selftrain.errors import DataError
from selftrain.judges import JudgePool
from selftrain.judges.identity import judge_identity
from selftrain.metrics import Count, Metrics
from selftrain.models import Model, context_length, load_tokenizer, merge, open_model
from selftrain.progress import progress
from selftrain.prompts import PromptConfig, Renderer, Shots
from selftrain.records import Group, Groups, Judgement, Problem, Question
from selftrain.reward_model import RewardModel, RewardScorer
from selftrain.sampling import Asked, Draw, Samples, SamplingConfig, requests, response_of
from selftrain.store import Step, Workspace
from selftrain.training import TrainingConfig
from selftrain.training_set import TrainingSet
from selftrain.training_step import Training

JUDGED_AT_ONCE = 256
"""Judgements written together."""
RATED_AT_ONCE = 16
"""Responses that a reward model rates together."""
Item = TypeVar("Item")


class Verbs:
    """The verbs, bound to a workspace, a seed, an engine, a judge and the task's demonstrations."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        seed: int,
        engine: EngineConfig,
        judge: str,
        judge_workers: int,
        judge_deadline: float,
        shots: Sequence[Problem],
        metrics: Metrics,
    ) -> None:
        self._workspace = workspace
        self._seed = seed
        self._engine_config = engine
        self._judge = judge
        self._deadline = judge_deadline
        self._shots = tuple(shots)
        self._metrics = metrics
        self._pool = JudgePool(judge, workers=judge_workers, deadline=judge_deadline)
        self._loaded: tuple[str, Engine] | None = None
        self._tokenizers: dict[str, Any] = {}
        self._renderers: dict[tuple[str, PromptConfig], Renderer] = {}

    def __enter__(self) -> "Verbs":
        self._pool.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unload()
        self._pool.__exit__(kind, error, trace)

    def holds(self, model: Model) -> bool:
        """Whether a model is loaded for sampling."""
        return self._loaded is not None and self._loaded[0] == model.digest

    def renderer(self, model: Model, prompt: PromptConfig, shots: Shots | None = None) -> Renderer:
        """The prompt, ready to render for a model's tokenizer; with the task's demonstrations unless given others."""
        if shots is not None:
            return Renderer(self._tokenizer(model), prompt, shots)
        key = (model.digest, prompt)
        if key not in self._renderers:
            self._renderers[key] = Renderer(self._tokenizer(model), prompt, self._shots)
        return self._renderers[key]

    def _tokenizer(self, model: Model) -> Any:
        if model.digest not in self._tokenizers:
            self._tokenizers[model.digest] = load_tokenizer(model)
        return self._tokenizers[model.digest]

    def context(self, model: Model) -> int | None:
        """The longest sequence that a model reads, in tokens; None if that is not known."""
        return context_length(model)

    def sample(
        self,
        model: Model,
        problems: Sequence[Question],
        n: int,
        *,
        prompt: PromptConfig,
        sampling: SamplingConfig,
        draw: Draw,
        shots: Shots | None = None,
    ) -> Samples:
        """Draws `n` responses to each problem, or reads back those that are there; for `shots` see `renderer`."""
        renderer = self.renderer(model, prompt, shots)
        cell = self._cell(model, renderer, sampling, draw)
        settings = Sampling(**sampling.model_dump(), stop=prompt.stop, end_ids=renderer.end_ids)
        owed = requests(problems, n, renderer, digest(cell))
        label = f"sample {draw.purpose}"
        with (
            self._workspace.step("sample", cell) as step,
            self._metrics.stage(label, len(owed), silent_if_done=draw.purpose != "train") as count,
        ):
            missing = sorted((owed[i] for i in owed if i not in step.rows), key=lambda asked: asked.request.prompt)
            with progress(label, len(owed), len(owed) - len(missing)) as tick:
                for row in self._draw(model, missing, settings, step, count):
                    count(rows=1, tokens=len(row["tokens"]), prompt_tokens=row["prompt_tokens"])
                    tick()
            step.seal()
            responses = [response_of(step.rows[i]) for i in owed]
        grouped = tuple(tuple(responses[start : start + n]) for start in range(0, len(responses), n))
        return Samples(tuple(problems), grouped, digest(cell))

    def judge(self, samples: Samples, problems: Sequence[Problem]) -> Groups:
        """Judges every response; `problems` are the samples' problems with their gold answers.

        Raises DataError if not one of them could be judged.
        """
        inputs = {"judge": judge_identity(self._judge), "deadline": self._deadline, "of": samples.cell}
        items = {
            digest([response.id, problem.gold, problem.reference]): (problem, response.text)
            for problem, responses in zip(problems, samples.responses, strict=True)
            for response in responses
        }
        judgements = self._said_of("judge", inputs, items, self._pool.judge)
        if judgements and all(judgement.judgement == "unjudged" for judgement in judgements):
            raise DataError(
                f"the judge {self._judge} could mark none of {len(judgements):,} responses "
                f"({judgements[0].reason}): correct the judge or the gold answers"
            )
        return self._grouped(samples, judgements, inputs)

    def read(self, samples: Samples) -> Groups:
        """The answers of every response and their clusters, without any gold answer: all judgements are `unjudged`."""
        inputs = {"judge": judge_identity(self._judge), "deadline": self._deadline, "of": samples.cell, "gold": False}
        items = {
            digest([response.id, problem.family, problem.level]): (problem, response.text)
            for problem, responses in zip(samples.problems, samples.responses, strict=True)
            for response in responses
        }
        return self._grouped(samples, self._said_of("read", inputs, items, self._pool.answers), inputs)

    def check_reading(self) -> None:
        """Raises ConfigError if the judge cannot read answers without gold answers."""
        self._pool.check_answers()

    def _said_of(self, kind: str, inputs: dict[str, Any], items: Mapping[str, Any], judge: Any) -> list[Judgement]:
        """What the pool says of each (problem, response text), in order, or said before."""
        with self._workspace.step(kind, inputs) as step, self._metrics.stage("judge", len(items)) as count:
            missing = ((key, *item) for key, item in items.items() if key not in step.rows)
            with progress("judge", len(items), sum(key in step.rows for key in items)) as tick:
                for batch in _batches(judge(missing), JUDGED_AT_ONCE):
                    step.append([{"id": key, **_judgement_row(judgement)} for key, judgement in batch])
                    count(rows=len(batch))
                    tick(len(batch))
            step.seal()
            return [_judgement(step.rows[key]) for key in items]

    def score(
        self, model: Model, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], label: str = "score"
    ) -> list[list[float]]:
        """Log-probabilities (nats) of each pair's completion tokens given its prompt tokens.

        What is computed together rounds together: the blocks are cut from all pairs of the call, in one order, and a
        score is known by its block, so that neither a crash nor what was scored before changes a bit.
        """
        keys = [digest([list(prompt), list(completion)]) for prompt, completion in pairs]
        ordered = sorted(dict(zip(keys, pairs, strict=True)).items(), key=_by_prompt)
        inputs = {"model": model.digest, "engine": self._engine_config.identity()}
        with self._workspace.step("score", inputs) as step, self._metrics.stage(label, len(pairs)) as count:
            found: dict[str, list[float]] = {}
            with progress(label, len(ordered)) as tick:
                for name, block in _blocks(ordered, PAIRS_AT_ONCE):
                    rows = [f"{name}-{key}" for key, _ in block]
                    if rows[0] not in step.rows:
                        scores = self._engine(model).score([pair for _, pair in block])
                        step.append([{"id": row, "logprobs": each} for row, each in zip(rows, scores, strict=True)])
                        count(rows=len(rows), tokens=sum(len(step.rows[row]["logprobs"]) for row in rows))
                    found.update((key, step.rows[row]["logprobs"]) for row, (key, _) in zip(rows, block, strict=True))
                    tick(len(rows))
            step.seal()
        return [found[key] for key in keys]

    def reward(self, model: RewardModel, pairs: Sequence[tuple[Question, str]]) -> tuple[list[float], int]:
        """What a reward model gives each response to its question, and how many tokens it reads for that.

        A reward is nan where that is no finite number. Blocks are as those of `score`, the longest texts first.
        """
        keys = [digest([question.messages, response]) for question, response in pairs]
        ordered = sorted(dict(zip(keys, pairs, strict=True)).items(), key=_by_length)
        precision, device = self._engine_config.precision, self._engine_config.device
        inputs = {"model": model.digest, "precision": precision, "device": device}
        with self._workspace.step("reward", inputs) as step, self._metrics.stage("reward", len(pairs)) as count:
            found: dict[str, dict[str, Any]] = {}
            scorer: RewardScorer | None = None
            with progress("reward", len(ordered)) as tick:
                for name, block in _blocks(ordered, RATED_AT_ONCE):
                    rows = [f"{name}-{key}" for key, _ in block]
                    if rows[0] not in step.rows:
                        scorer = scorer or self._scorer(model)
                        encoded = [scorer.encode(*pair) for _, pair in block]
                        lengths = [len(item["input_ids"]) for item in encoded]
                        rewards = scorer.scores(encoded)
                        step.append([_reward_row(*row) for row in zip(rows, rewards, lengths, strict=True)])
                        count(rows=len(rows), tokens=sum(lengths))
                    found.update((key, step.rows[row]) for row, (key, _) in zip(rows, block, strict=True))
                    tick(len(rows))
            step.seal()
        rated = [math.nan if found[key]["reward"] is None else found[key]["reward"] for key in keys]
        return rated, sum(row["tokens"] for row in found.values())

    def _scorer(self, model: RewardModel) -> RewardScorer:
        self._unload()
        return RewardScorer(model, precision=self._engine_config.precision, device=self._engine_config.device)

    def embed(self, texts: Sequence[str], name: str) -> NDArray[np.float32]:
        """What the embedder called `name` makes of each text, shape [texts, dimensions]: see `Embed`.

        Blocks are as those of `score`, the longest texts first. Raises as `embedder_folder` does.
        """
        inputs = embedding_inputs(name, self._engine_config.precision)
        with self._workspace.step("embed", inputs) as step, self._metrics.stage("embed", len(set(texts))) as count:
            rows = embedded(step, texts, lambda: self._embedder(name), count)
            step.seal()
        return rows

    def _embedder(self, name: str) -> Embed:
        """Loaded in the engine's place, so that two big models never meet; all texts of a run cost it one reload."""
        self._unload()
        return load_embedder(name, precision=self._engine_config.precision)

    def train(self, parent: Model, rows: TrainingSet, config: TrainingConfig, *, base: Model, name: str) -> Model:
        """Trains a copy of a model: the parent with a fresh adapter on top, or a whole model.

        `base` is the run's, with which pairs and labelled responses may be compared.
        """
        training = Training(seed=self._seed, parent=self.merged(parent), base=base, rows=rows, config=config)
        with (
            self._workspace.step("train", training.inputs) as step,
            self._references(training) as references,
            self._metrics.stage("train", len(rows)) as count,
        ):
            result, checkpoints = step.folder / training.makes, step.folder / "checkpoints"
            if not result.exists():
                self._unload()
                with self._metrics.training() as log:
                    logs = self._metrics.logs_of(name)
                    training.run(result, checkpoints=checkpoints, references=references, on_log=log, logs=logs)
                count(rows=len(rows), tokens=config.epochs * rows.tokens)
            shutil.rmtree(checkpoints, ignore_errors=True)
        if config.adapts:
            return open_model(training.parent.folder, name=name, adapter=result)
        return open_model(result, name=name)

    @contextmanager
    def _references(self, training: Training) -> Iterator[Path | None]:
        """The file of the reference's log-probabilities, in a step that its trainings share; None if there is none.

        It is opened for a training that is done, too: a round's steps are the same however often it was killed.
        Always after the training's own step, so that no two processes wait for each other.
        """
        if training.reference is None:
            yield None
        else:
            with self._workspace.step("reference", training.reference_inputs) as step:
                yield step.folder / "logprobs.jsonl"

    def merged(self, model: Model) -> Model:
        """The model with its adapter merged into the master weights; it samples exactly as before."""
        if model.adapter is None:
            return model
        with self._workspace.step("merge", {"model": model.digest}) as step:
            folder = step.build("model", lambda target: merge(model, target))
        return replace(model, folder=folder, adapter=None)

    def _cell(self, model: Model, renderer: Renderer, sampling: SamplingConfig, draw: Draw) -> dict[str, Any]:
        """Everything that determines the responses to a problem."""
        return {
            "seed": self._seed,
            "purpose": draw.purpose,
            "draw": draw.number,
            "prompt": renderer.digest,
            "sampling": sampling.model_dump(),
            "model": model.digest,
            "engine": self._engine_config.identity(),
        }

    def _draw(
        self, model: Model, missing: Sequence[Asked], sampling: Sampling, step: Step, count: Count
    ) -> Iterator[dict[str, Any]]:
        if not missing:
            return
        engine = self._engine(model)
        before = engine.prefilled
        size = engine.block or len(missing)
        for start in range(0, len(missing), size):
            block = {asked.request.id: asked for asked in missing[start : start + size]}
            rows = {}
            for completion in engine.generate([asked.request for asked in block.values()], sampling):
                row = block[completion.id].row(completion)
                if engine.block is None:
                    step.append([row])
                rows[completion.id] = row
                yield row
            if engine.block is not None:
                step.append([rows[asked] for asked in block])
        prompts = {asked.request.prompt for asked in missing}
        count(problem_tokens=sum(map(len, prompts)), prefill_tokens=engine.prefilled - before)

    def _grouped(self, samples: Samples, said: Sequence[Judgement], inputs: dict[str, Any]) -> Groups:
        each = iter(said)
        judgements = [tuple(next(each) for _ in responses) for responses in samples.responses]
        answers = [[j.answer for j in group] for group in judgements]
        keys = [digest([p.id, a]) for p, a in zip(samples.problems, answers, strict=True)]
        with self._workspace.step("cluster", inputs) as step:
            missing = [(key, a) for key, a in zip(keys, answers, strict=True) if key not in step.rows]
            found = [{"id": key, "clusters": list(clusters)} for key, clusters in self._pool.clusters(missing)]
            if found:
                step.append(found)
            step.seal()
            clusters = [tuple(step.rows[key]["clusters"]) for key in keys]
        parts = zip(samples.problems, samples.responses, judgements, clusters, strict=True)
        return Groups([Group(problem=p, responses=r, judgements=j, clusters=c) for p, r, j, c in parts])

    def _engine(self, model: Model) -> Engine:
        if self._loaded is None or self._loaded[0] != model.digest:
            self._unload()
            self._loaded = (model.digest, load_engine(model, self._engine_config))
        return self._loaded[1]

    def _unload(self) -> None:
        if self._loaded is not None:
            self._loaded[1].close()
            self._loaded = None


def _by_prompt(item: tuple[str, tuple[Sequence[int], Sequence[int]]]) -> tuple[Any, ...]:
    """Where a keyed pair stands among those scored together: prompts of one length, and equal ones, side by side."""
    prompt, completion = item[1]
    return len(prompt), list(prompt), len(completion), list(completion)


def _by_length(item: tuple[str, tuple[Question, str]]) -> tuple[Any, ...]:
    """Where a keyed response stands among those rated together: the longest first."""
    key, (question, response) = item
    return -sum(len(message.content) for message in question.messages) - len(response), key


def _blocks(items: Sequence[tuple[str, Item]], size: int) -> Iterator[tuple[str, list[tuple[str, Item]]]]:
    """Keyed items in consecutive blocks, each named by the keys in it."""
    for block in _batches(iter(items), size):
        yield digest([key for key, _ in block]), block


def _reward_row(key: str, reward: float, tokens: int) -> dict[str, Any]:
    return {"id": key, "reward": reward if math.isfinite(reward) else None, "tokens": tokens}


def _judgement_row(judgement: Judgement) -> dict[str, Any]:
    return {"judgement": judgement.judgement, "answer": judgement.answer, "reason": judgement.reason}


def _judgement(row: dict[str, Any]) -> Judgement:
    return Judgement(judgement=row["judgement"], answer=row["answer"], reason=row["reason"])


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
