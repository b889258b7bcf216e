"""The durable verbs: sample, judge, score, train, each a step of the workspace that is read back when it is there."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selftrain.blocks import Blocks
from selftrain.digest import digest
from selftrain.embedding_step import embedded, embedding_inputs
from selftrain.embeddings import Embed, load_embedder
from selftrain.engines import Engine, EngineConfig, Sampling, load_engine
from selftrain.engines.scoring import Pair
from selftrain.errors import DataError
from selftrain.judges import JudgePool
from selftrain.judges.identity import judge_identity
from selftrain.metrics import Count, Metrics
from selftrain.models import Model, context_length, is_encoder_decoder, load_tokenizer, merge, open_model
from selftrain.progress import progress
from selftrain.prompts import PromptConfig, Renderer, Shots
from selftrain.records import Group, Groups, Judgement, Problem, Question
from selftrain.reward_model import RewardModel, RewardScorer
from selftrain.reward_step import rewarded
from selftrain.sampling import Asked, Draw, Samples, SamplingConfig, requests, response_of
from selftrain.scoring_step import told
from selftrain.segments.alternation import Kind
from selftrain.store import Step, Workspace
from selftrain.training import TrainingConfig
from selftrain.training_set import TrainingSet
from selftrain.training_step import Training
from selftrain.turns import drawn_in_turns

JUDGED_AT_ONCE = 256
"""Judgements written together."""


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
        """Whether a model is loaded for sampling, or one of a pair."""
        return self._loaded is not None and self._loaded[0] in [m.digest for m in (model, model.extractive) if m]

    def renderer(self, model: Model, prompt: PromptConfig, shots: Shots | None = None) -> Renderer:
        """The prompt, ready to render for a model's tokenizer; with the task's demonstrations unless given others."""
        if shots is not None:
            return Renderer(self._tokenizer(model), prompt, shots, encoder=is_encoder_decoder(model))
        key = (model.digest, prompt)
        if key not in self._renderers:
            self._renderers[key] = self.renderer(model, prompt, self._shots)
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
            missing = sorted((owed[i] for i in owed if i not in step.rows), key=_by_request)
            with progress(label, len(owed), len(owed) - len(missing)) as tick:
                if prompt.alternate:
                    rows = self._draw_in_turns(model, missing, problems, renderer, settings, cell, step, count)
                else:
                    rows = self._draw(model, missing, settings, step, count)
                for row in rows:
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
                    step.append([{"id": key, **judgement.row()} for key, judgement in batch])
                    count(rows=len(batch))
                    tick(len(batch))
            step.seal()
            return [Judgement.of_row(step.rows[key]) for key in items]

    def score(self, model: Model, pairs: Sequence[Pair], label: str = "score") -> list[list[float]]:
        """Log-probabilities (nats) of each pair's completion tokens given its prompt tokens; see `Blocks`."""
        blocks = self._blocks("score", self._told_by(model), label)
        return told(blocks, pairs, "logprobs", lambda block: self._engine(model).score(block))

    def entropies(self, model: Model, pairs: Sequence[Pair], label: str = "entropies") -> list[list[float]]:
        """Entropies (nats) of the distributions that each pair's completion tokens come of; see `Blocks`."""
        blocks = self._blocks("entropies", self._told_by(model), label)
        return told(blocks, pairs, "entropies", lambda block: self._engine(model).entropies(block))

    def _told_by(self, model: Model) -> dict[str, Any]:
        return {"model": model.digest, "engine": self._engine_config.identity()}

    def _blocks(self, kind: str, inputs: dict[str, Any], label: str) -> Blocks:
        return Blocks(self._workspace, self._metrics, kind, inputs, label)

    def reward(self, model: RewardModel, pairs: Sequence[tuple[Question, str]]) -> tuple[list[float], int]:
        """What a reward model gives each response to its question, and how many tokens it reads for that.

        A reward is nan where that is no finite number. In blocks, the longest texts first.
        """
        precision, device = self._engine_config.precision, self._engine_config.device
        inputs = {"model": model.digest, "precision": precision, "device": device}
        return rewarded(self._blocks("reward", inputs, "reward"), pairs, lambda: self._scorer(model))

    def _scorer(self, model: RewardModel) -> RewardScorer:
        self._unload()
        return RewardScorer(model, precision=self._engine_config.precision, device=self._engine_config.device)

    def embed(self, texts: Sequence[str], name: str) -> NDArray[np.float32]:
        """What the embedder called `name` makes of each text, shape [texts, dimensions]: see `Embed`.

        In blocks, the longest texts first. Raises as `embedder_folder` does.
        """
        inputs = embedding_inputs(name, self._engine_config.precision)
        return embedded(self._blocks("embed", inputs, "embed"), texts, lambda: self._embedder(name))

    def _embedder(self, name: str) -> Embed:
        """Loaded in the engine's place, so that two big models never meet; all texts of a run cost it one reload."""
        self._unload()
        return load_embedder(name, precision=self._engine_config.precision)

    def train(self, parent: Model, rows: TrainingSet, config: TrainingConfig, *, base: Model, name: str) -> Model:
        """Trains a copy of a model, without its partner: the parent with a fresh adapter on top, or a whole model.

        `base` is the run's, with which pairs and labelled responses may be compared.
        """
        training = Training(seed=self._seed, parent=self.merged(parent.alone), base=base, rows=rows, config=config)
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
            return open_model(training.parent.folder, name=name, adapter=result).alone
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
        """The model, and its partner, with their adapters merged into the master weights; it samples as before."""
        if model.extractive is not None:
            model = replace(model, extractive=self.merged(model.extractive))
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
            "model": model.identity,
            "engine": self._engine_config.identity(),
        }

    def _draw_in_turns(
        self,
        model: Model,
        missing: Sequence[Asked],
        problems: Sequence[Question],
        renderer: Renderer,
        sampling: Sampling,
        cell: dict[str, Any],
        step: Step,
        count: Count,
    ) -> Iterator[dict[str, Any]]:
        """As `_draw`, segment by segment; the segments are in a step of their own, so that none is drawn twice."""
        with self._workspace.step("segments", cell) as kept:

            def draw(kind: Kind, asked: Sequence[Asked], segment: Sampling) -> Mapping[str, dict[str, Any]]:
                writer = model.extractive if kind == "E" and model.extractive else model
                owed = sorted((one for one in asked if one.request.id not in kept.rows), key=_by_request)
                for _ in self._draw(writer, owed, segment, kept, count):
                    pass
                return kept.rows

            questions, context = {problem.id: problem for problem in problems}, self.context(model)
            for row in drawn_in_turns(missing, questions, renderer, sampling, draw, context=context):
                step.append([row])
                yield row
            kept.seal()

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


def _by_request(asked: Asked) -> tuple[int, ...]:
    """Where a request stands among others: prompts that begin alike side by side."""
    return asked.request.prompt


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
