"""The verbs on paper: they count what a run asks for, and measure with the real ones what they need to answer."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from selftrain.config import RunConfig
from selftrain.digest import digest
from selftrain.engines.base import check_room
from selftrain.engines.scoring import Pair as Given
from selftrain.errors import DataError
from selftrain.metrics import Metrics
from selftrain.models import Model
from selftrain.plan.calibration import Calibration, calibrate
from selftrain.plan.dealt import Dealt
from selftrain.plan.needs import Shape, resident_memory, training_memory
from selftrain.plan.pool import Pool, batches, with_one_right
from selftrain.plan.rates import CALIBRATION_STEPS, SamplingRate, TrainingRate, checkpoints, tokens_read
from selftrain.prompts import SEPARATOR, PromptConfig, Renderer, Shots
from selftrain.records import Group, Groups, Problem, Question, Response
from selftrain.reward_model import RewardModel
from selftrain.sampling import Asked, Draw, Samples, SamplingConfig, requests
from selftrain.store import STEPS, Workspace, read_json_lines, read_parquet
from selftrain.training import TrainingConfig
from selftrain.training_set import Kind, Pair, TrainingSet
from selftrain.training_step import Training
from selftrain.verbs import Verbs

BLOCKS, SECONDS = 3, 5.0
"""A calibration draws blocks of responses until there are so many, or it has heard every family for so long."""
UNBLOCKED = 128
"""Most requests of such a batch for an engine without blocks: it is about as quick with more."""
EACH = 8
"""Responses to a problem in a calibration of the sampling prompt, at least: recipes ask for more than audits."""
READ = 8192
"""Tokens that a calibration of scoring reads, about: rows of text are long."""
REWARDS = 64
"""Responses that a calibration has rated."""
EMBEDDED = 128
"""Texts that a calibration embeds."""
PURPOSE = "calibration"
"""Of the calibration's responses: with another purpose they have other seeds than any of a run."""

Tell = Callable[[Model, Sequence[Given]], list[list[float]]]
"""A verb that reads given completions."""


class Asking(NamedTuple):
    """How problems are put to a model."""

    prompt: PromptConfig
    sampling: SamplingConfig
    shots: Shots | None = None


class PaperVerbs(Verbs):
    """Verbs that draw, judge and train a little in a workspace of their own, the first time they have to.

    All else is answered from that: a problem gets the responses of a calibration problem, and a candidate answers
    the training prompt as its base answers the sampling prompt. What a run would do is written to `metrics` as a
    run writes what it did, with the seconds expected.
    """

    def __init__(self, workspace: Workspace, *, config: RunConfig, metrics: Metrics, **settings: Any) -> None:
        self._log = workspace.root / "calibration.jsonl"
        super().__init__(workspace, metrics=Metrics(self._log), **settings)
        self._config = config
        self._ledger = metrics
        self._bases: dict[str, Model] = {}
        self._steps = config.workspace / STEPS
        self._drawn: set[str] = set()
        """Ids of the responses that were drawn on paper."""
        self.dealt = Dealt()
        self._rates: dict[PromptConfig, SamplingRate] = {}
        self._judging: float | None = None
        self._draws = 0
        self._trained: dict[Kind, tuple[TrainingRate, int]] = {}
        self._made: dict[str, Model] = {}
        """What was trained on paper, by what determines it."""
        self._told_of: dict[str, tuple[float, list[float]]] = {}
        """Of each verb that reads given completions, its seconds a token and some of what it told."""
        self._rewarded: Calibration[tuple[list[float], int]] | None = None
        self._embedded: Calibration[NDArray[np.float32]] | None = None
        self._texts: set[str] = set()
        """Texts that were embedded on paper."""
        self._loading = 0.0
        self._ready: str | None = None
        self._block: int | None = None
        self.known: dict[str, Problem] = {}
        """Training problems with their gold answers, by id: a recipe asks questions without."""
        self.pools: list[Pool] = []
        self.prompts: dict[PromptConfig, list[tuple[int, str]]] = {}
        """Of each prompt that is used, the (length in tokens, text) of an example and of the longest."""
        self.training_memory = 0
        """Bytes at the peak of training; 0 if there was none."""
        self.trainings = self.checkpoints = 0
        """How many trainings there are, and checkpoints in the longest."""
        self.libraries = 0
        """Bytes of memory held before a model was loaded."""

    @property
    def trained_bytes(self) -> int:
        """Size of what one training saves; 0 if there was none."""
        return max((saved for _, saved in self._trained.values()), default=0)

    def renderer(self, model: Model, prompt: PromptConfig, shots: Shots | None = None) -> Renderer:
        """See `Verbs.renderer`; models on paper have their base's tokenizer."""
        return super().renderer(self._base(model), prompt, shots)

    def context(self, model: Model) -> int | None:
        """See `Verbs.context`."""
        return super().context(self._base(model))

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
        """See `Verbs.sample`; what the run's workspace has of it costs nothing."""
        base, renderer = self._base(model), self.renderer(model, prompt, shots)
        cell = self._cell(model, renderer, sampling, draw)
        owed = requests(problems, n, renderer, digest(cell))
        if not owed:
            return Samples(tuple(problems), tuple(() for _ in problems), digest(cell))
        self._look(base, prompt, renderer, list(owed.values()))
        pool = self._pool_of(base, problems, n, Asking(prompt, sampling, shots))
        if model != base and draw.purpose != "train" and prompt == self._config.prompt:
            pool = self._pool_of(base, problems, n, Asking(self._config.drawing_prompt, sampling))
        skipped = n * self.dealt.before(model, prompt, draw) if draw.purpose == "train" else 0
        grouped = tuple(
            self.dealt.deal(group, list(islice(owed.items(), place * n, (place + 1) * n)), skipped)
            for place, group in enumerate(pool.deal(problems))
        )
        there = self._drawn | self._there(digest(cell))
        missing = [response for responses in grouped for response in responses if response.id not in there]
        self._drawn.update(owed)
        self._count(f"sample {draw.purpose}", model, prompt, missing, owed)
        return Samples(tuple(problems), grouped, digest(cell))

    def judge(self, samples: Samples, problems: Sequence[Problem]) -> Groups:
        """See `Verbs.judge`."""
        return self._judged_on_paper(samples, gold=True)

    def read(self, samples: Samples) -> Groups:
        """See `Verbs.read`; what no model wrote is there to be read."""
        groups = self._judged_on_paper(samples, gold=False)
        return groups if self.dealt.knows_any(samples) else super().read(samples)

    def _judged_on_paper(self, samples: Samples, *, gold: bool) -> Groups:
        rows = self.dealt.fresh(samples, gold=gold)
        self._write("judge", rows * (self._judging or 0.0), rows=rows)
        each = zip(samples.problems, samples.responses, strict=True)
        return Groups([self.dealt.judged(problem, responses, gold=gold) for problem, responses in each])

    def score(self, model: Model, pairs: Sequence[Given], label: str = "score") -> list[list[float]]:
        """See `Verbs.score`."""
        return self._told_on_paper("score", super().score, model, pairs, label)

    def entropies(self, model: Model, pairs: Sequence[Given], label: str = "entropies") -> list[list[float]]:
        """See `Verbs.entropies`."""
        return self._told_on_paper("entropies", super().entropies, model, pairs, label)

    def _told_on_paper(
        self, verb: str, tell: Tell, model: Model, pairs: Sequence[Given], label: str
    ) -> list[list[float]]:
        """What a verb tells of given completions; each has a calibration of its own."""
        if not pairs:
            return []
        if verb not in self._told_of:
            few = pairs[: self._block or self._engine_config.at_once]
            few = few[: max(1, READ * len(few) // _length(few))]
            self._engine(self._base(model))
            start = time.monotonic()
            found = tell(self._base(model), few)
            took = time.monotonic() - start
            self._told_of[verb] = (took / _length(few), [v for values in found for v in values] or [0.0])
        rate, values = self._told_of[verb]
        completions = sum(len(completion) for _, completion in pairs)
        self._write(label, self._load(model) + rate * _length(pairs), rows=len(pairs), tokens=completions)
        again = cycle(values)
        return [list(islice(again, len(completion))) for _, completion in pairs]

    def embed(self, texts: Sequence[str], name: str) -> NDArray[np.float32]:
        """See `Verbs.embed`; texts that were not calibrated with are dealt the rows of those that were."""
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        if self._embedded is None:
            self._embedded = calibrate(partial(super().embed, name=name), texts, EMBEDDED)
        if fresh := set(texts) - self._texts:
            self._ready = None
            self._texts |= fresh
            self._write("embed", self._embedded.seconds(len(fresh)), rows=len(fresh))
        rows = self._embedded.found
        return rows[np.arange(len(texts)) % len(rows)]

    def reward(self, model: RewardModel, pairs: Sequence[tuple[Question, str]]) -> tuple[list[float], int]:
        """See `Verbs.reward`."""
        if not pairs:
            return [], 0
        if self._rewarded is None:
            self._rewarded = calibrate(partial(super().reward, model), pairs, REWARDS)
        self._ready = None
        rewards, read = self._rewarded.found
        tokens = round(read * len(pairs) / self._rewarded.items)
        self._write("reward", self._rewarded.seconds(len(pairs)), rows=len(pairs), tokens=tokens)
        return list(islice(cycle(rewards), len(pairs))), tokens

    def train(self, parent: Model, rows: TrainingSet, config: TrainingConfig, *, base: Model, name: str) -> Model:
        """See `Verbs.train`; the model it returns has no weights. What was trained before costs nothing."""
        training = Training(seed=self._seed, parent=parent, base=base, rows=rows, config=config)
        key = digest([training.inputs, _taught(rows)])
        if key not in self._made:
            self._made[key] = self._trained_on_paper(training)
        return replace(self._made[key], name=name)

    def _trained_on_paper(self, training: Training) -> Model:
        rows, config, real = training.rows, training.config, self._base(training.parent)
        if rows.kind not in self._trained:
            self._trained[rows.kind] = self._calibrate_training(real, rows, config)
        rate, saved = self._trained[rows.kind]
        self._ready = None
        seconds = rate.seconds(len(rows), rows.tokens, config)
        self._write("train", seconds, rows=len(rows), tokens=config.epochs * rows.tokens)
        needed = training_memory(Shape.read(real.folder), config, saved // 4, rows, apart=training.apart)
        self.training_memory = max(self.training_memory, needed)
        self.checkpoints = max(self.checkpoints, checkpoints(len(rows), config))
        self.trainings += 1
        folder = self._workspace.root / "paper" / str(self.trainings)
        folder.mkdir(parents=True)
        made = Model(name=folder.name, folder=folder, digest=f"paper {self.trainings}")
        self._bases[made.digest] = real
        return made

    def merged(self, model: Model) -> Model:
        """See `Verbs.merged`; there is nothing to merge."""
        return model

    def _base(self, model: Model) -> Model:
        """The real model that one on paper descends from."""
        return self._bases.get(model.digest, model)

    def _look(self, base: Model, prompt: PromptConfig, renderer: Renderer, owed: Sequence[Asked]) -> None:
        """Keeps examples of a prompt; raises ConfigError for one that the model cannot read."""
        context = self.context(base)
        for asked in owed:
            check_room(len(asked.request.prompt), context)
        longest = max((asked.request.prompt for asked in owed), key=len)
        seen = self.prompts.get(prompt) or [(len(ids), renderer.text(ids)) for ids in [owed[0].request.prompt]]
        self.prompts[prompt] = [seen[0], max(seen[-1], (len(longest), renderer.text(longest)))]

    def _there(self, cell: str) -> set[str]:
        """Ids of the responses that the run's own workspace has."""
        folder = self._steps / f"sample-{cell}"
        sealed, rows = folder / "rows.parquet", read_json_lines(folder / "rows.jsonl")
        return {row["id"] for row in [*rows, *(read_parquet(sealed, ["id"]) if sealed.exists() else [])]}

    def _count(
        self, stage: str, model: Model, prompt: PromptConfig, missing: Sequence[Response], owed: dict[str, Asked]
    ) -> None:
        prompts = sorted(owed[response.id].request.prompt for response in missing)
        tokens = sum(len(response.tokens) for response in missing)
        if not missing:
            return
        turns = max(response.text.count(SEPARATOR) + 1 for response in missing)
        # Of a pair one model is in memory at a time: each loads again when its turn comes.
        loads = self._loading * (turns - 1) if prompt.alternate and model.extractive else 0.0
        seconds = self._rates[prompt].seconds(tokens_read(prompts, self._block), tokens) + self._load(model) + loads
        self._write(stage, seconds, rows=len(missing), tokens=tokens, prompt_tokens=sum(map(len, prompts)))

    def _write(self, stage: str, seconds: float, *, rows: int, tokens: int = 0, prompt_tokens: int = 0) -> None:
        made = {"rows": rows, "tokens": tokens, "prompt_tokens": prompt_tokens}
        self._ledger.write("stage", stage=stage, seconds=round(seconds, 3), **made)

    def holds(self, model: Model) -> bool:
        """See `Verbs.holds`."""
        return self._ready in [m.digest for m in (model, model.extractive) if m]

    def _load(self, model: Model) -> float:
        """Seconds until the engine has a model: none if it is the one it had."""
        before, self._ready = self._ready, model.digest
        return 0.0 if before == model.digest else self._loading

    def _pool_of(self, base: Model, problems: Sequence[Question], n: int, asking: Asking) -> Pool:
        for pool in self.pools:
            if pool.serves(asking.prompt, asking.sampling, n):
                return pool
        self.pools.append(self._calibrate(base, problems, n, asking))
        return self.pools[-1]

    def _calibrate(self, base: Model, problems: Sequence[Question], n: int, asking: Asking) -> Pool:
        """Draws and judges some responses of a model under a prompt, and times it."""
        prompt, sampling, _ = asking
        n = max(n, EACH) if prompt == self._config.drawing_prompt else n
        one = asking._replace(sampling=sampling.model_copy(update={"max_tokens": 1}))
        if self._loaded is None:
            self.libraries = self.libraries or resident_memory()
            _, self._loading = self._timed(base, problems[:1], 1, one)
            self._block = self._engine(base).block
        size = max(1, (self._block or min(self._engine_config.at_once, UNBLOCKED)) // n)
        few = batches(problems, size, BLOCKS + 1, by_family=prompt.shots > 0 and self._block is not None)
        reading = 0.0
        if prompt not in self._rates:
            # Of prompts that are not used again: an engine may remember them.
            unused = few.pop() if len(few) > 1 else few[0]
            _, seconds = self._timed(base, unused, n, one)
            reading = seconds / self._read(base, unused, n, asking)
        families = {problem.family for batch in few for problem in batch}
        groups: list[Group] = []
        blocks = []
        for batch in few[:BLOCKS]:
            samples, seconds = self._timed(base, batch, n, asking)
            groups += self._marked(samples)
            drawn = sum(len(response.tokens) for responses in samples.responses for response in responses)
            blocks.append((seconds, self._read(base, batch, n, asking), drawn))
            unseen = families - {group.problem.family for group in groups}
            if sum(seconds for seconds, *_ in blocks) > SECONDS and not unseen:
                break
        if prompt not in self._rates:
            self._rates[prompt] = SamplingRate.of(reading, blocks)
        return Pool(prompt, sampling, n, with_one_right(groups), sum(seconds for seconds, *_ in blocks))

    def _timed(self, base: Model, problems: Sequence[Question], n: int, asking: Asking) -> tuple[Samples, float]:
        self._draws += 1
        start = time.monotonic()
        draw = Draw(PURPOSE, self._draws)
        prompt, sampling, shots = asking
        samples = super().sample(base, problems, n, prompt=prompt, sampling=sampling, draw=draw, shots=shots)
        return samples, time.monotonic() - start

    def _read(self, base: Model, problems: Sequence[Question], n: int, asking: Asking) -> int:
        renderer = self.renderer(base, asking.prompt, asking.shots)
        prompts = sorted(renderer.prompt(problem) for problem in problems for _ in range(n))
        return tokens_read(prompts, self._block)

    def _marked(self, samples: Samples) -> list[Group]:
        """The responses judged, if their problems have gold answers."""
        known = [self.known.get(problem.id, problem) for problem in samples.problems]
        problems = [problem for problem in known if isinstance(problem, Problem)]
        if len(problems) < len(samples.problems):
            return list(super().read(samples))
        start = time.monotonic()
        try:
            groups = super().judge(samples, problems)
        except DataError:  # None could be marked: the gold answers are missing, and a run may never ask for them.
            return list(super().read(samples))
        # The quickest: in the first ones the judge's processes are still starting.
        rate = (time.monotonic() - start) / sum(map(len, samples.responses))
        self._judging = min(rate, self._judging or rate)
        return list(groups)

    def _calibrate_training(self, base: Model, rows: TrainingSet, config: TrainingConfig) -> tuple[TrainingRate, int]:
        """Trains for a few steps on rows of all lengths; also returns the size of what was saved."""
        wanted = CALIBRATION_STEPS * config.batch_size
        ordered = sorted(rows, key=lambda row: row.sequences)
        few = TrainingSet(tuple(ordered[place * len(ordered) // wanted] for place in range(wanted)), normalised=False)
        trl = {**config.trl, "max_steps": CALIBRATION_STEPS, "report_to": "none"}
        short = config.model_copy(update={"epochs": 1, "trl": trl})
        start = time.monotonic()
        made = super().train(base, few, short, base=base, name=PURPOSE)
        seconds = time.monotonic() - start
        ends = [line["seconds"] for line in read_json_lines(self._log) if line["event"] == "train"][-CALIBRATION_STEPS:]
        rate = TrainingRate.of(seconds, ends, few.tokens // CALIBRATION_STEPS, rows.kind)
        saved = made.adapter or made.folder
        return rate, sum(path.stat().st_size for path in saved.iterdir())


def _length(pairs: Sequence[Given]) -> int:
    return sum(len(prompt) + len(completion) for prompt, completion in pairs)


def _taught(rows: TrainingSet) -> list[list[str]]:
    """Ids of the responses in the rows: on paper others may have the same tokens."""
    return [[row.chosen_response, row.rejected_response] if isinstance(row, Pair) else [row.response] for row in rows]
