"""Measuring models: from a model, problems and a prompt to a cell, and from two models to an audit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from selftrain.audit import Audit, Cell, Figure, TextLoss, compare, non_inferior, tally
from selftrain.config import AuditConfig, Split
from selftrain.embeddings import load_embedder
from selftrain.models import Model
from selftrain.prompts import PromptConfig
from selftrain.sampling import Draw, SamplingConfig
from selftrain.tasks import Task
from selftrain.texts import Text, text_loss
from selftrain.verbs import Verbs

TRAINED = "training prompt"
DRAWN = "sampling prompt"


@dataclass(frozen=True, slots=True)
class _Side:
    """What an audit needs of one of its two models."""

    cell: Cell
    trained: Cell
    """Under the training prompt."""
    null: Cell | None
    suites: Mapping[str, Cell]
    greedy: Cell | None
    texts: Mapping[str, TextLoss]


class Measure:
    """Measures the models of a run on its select and test splits, its out-of-distribution suites and its texts."""

    def __init__(
        self,
        verbs: Verbs,
        task: Task,
        config: AuditConfig,
        *,
        prompt: PromptConfig,
        drawing_prompt: PromptConfig,
        texts: Sequence[Text],
    ) -> None:
        self._verbs = verbs
        self._task = task
        self._config = config
        self._prompts = {TRAINED: prompt}
        if drawing_prompt != prompt:
            self._prompts[DRAWN] = drawing_prompt
        self._embed = load_embedder(config.embeddings) if config.embeddings else None
        self._texts = texts
        self._cells: dict[tuple[object, ...], Cell] = {}
        self._losses: dict[tuple[object, ...], TextLoss] = {}

    def baseline(self, model: Model) -> dict[str, float]:
        """pass@1 of a model on select under each prompt of the run, by the prompt's name."""
        return {name: pass_at_1(self._cell(model, "select", name)) for name in self._prompts}

    def best_prompt(self, model: Model) -> str:
        """The name of the prompt with the higher pass@1 on select; the training prompt if equal."""
        figures = self.baseline(model)
        return max(figures, key=lambda name: -1.0 if np.isnan(figures[name]) else figures[name])

    def holds_base(self, base: Model, candidate: Model) -> Figure:
        """A candidate under the training prompt against the base under its best, pass@1 on select."""
        before = self._cell(base, "select", self.best_prompt(base))
        return non_inferior(before, self._cell(candidate, "select", TRAINED), self._config.settings)

    def compare(self, before: Model, after: Model, split: Split, rounds: Sequence[Model] = ()) -> Audit:
        """Audits `after` under the training prompt against `before` under its own best prompt.

        `rounds`: the base and every promoted model, for their rise and collapse on select.
        """
        best = self.best_prompt(before)
        prompts = {before: best, after: TRAINED}
        sides: dict[Model, _Side] = {}
        for model in sorted(prompts, key=self._verbs.holds, reverse=True):  # the one at hand first: loading takes time
            sides[model] = self._side(model, split, prompts[model], again=model is before)
        old, new = sides[before], sides[after]
        return compare(
            old.cell,
            new.cell,
            same_prompt=None if best == TRAINED else old.trained,
            null=old.null,
            suites={suite: (old.suites[suite], new.suites[suite]) for suite in self._task.suites},
            texts={name: (old.texts[name], new.texts[name]) for name in old.texts},
            greedy=(old.greedy, new.greedy) if old.greedy and new.greedy else None,
            rounds=[
                self._cell(model, "select", TRAINED if i else self.best_prompt(model)) for i, model in enumerate(rounds)
            ],
            settings=self._config.settings,
        )

    def _side(self, model: Model, split: Split, prompt: str, *, again: bool) -> "_Side":
        """All cells of one model; `again`, those that only the earlier of two has, too."""
        several = self._config.samples > 1
        greedy = split == "test" and self._config.greedy and several
        return _Side(
            cell=self._cell(model, split, prompt),
            trained=self._cell(model, split, TRAINED),
            null=self._cell(model, split, prompt, purpose="null") if several and again else None,
            suites={suite: self._cell(model, split, prompt, suite=suite) for suite in self._task.suites},
            greedy=self._greedy(model, split, prompt) if greedy else None,
            texts={text.name: self._loss(model, text.part(split)) for text in self._texts},
        )

    def _greedy(self, model: Model, split: Split, prompt: str) -> Cell:
        sampling = self._config.sampling.model_copy(update={"temperature": 0.0})
        return self._cell(model, split, prompt, n=1, sampling=sampling)

    def _loss(self, model: Model, text: Text) -> TextLoss:
        key = (model.digest, text.name, text.digest)
        if key not in self._losses:
            self._losses[key] = text_loss(text, model, self._verbs.score(model, text.pairs, "score texts"))
        return self._losses[key]

    def _cell(
        self,
        model: Model,
        split: Split,
        prompt: str,
        *,
        suite: str | None = None,
        purpose: str | None = None,
        n: int | None = None,
        sampling: SamplingConfig | None = None,
    ) -> Cell:
        key = (model.identity, split, prompt, suite, purpose, n, sampling)
        if key not in self._cells:
            problems = self._task.splits[split] if suite is None else getattr(self._task.suites[suite], split)
            n, sampling = n or self._config.samples, sampling or self._config.sampling
            draw = Draw(purpose or split)
            drawn = self._verbs.sample(model, problems, n, prompt=self._prompts[prompt], sampling=sampling, draw=draw)
            groups = self._verbs.judge(drawn, problems)
            labels = {"model": model.name, "prompt": prompt, "suite": suite, "samples": n, **sampling.model_dump()}
            labels["step"] = f"sample-{drawn.cell}"
            rows = (row for group in groups for row in group.log())
            self._cells[key] = tally(rows, labels, embed=self._embed)
        return self._cells[key]


def pass_at_1(cell: Cell) -> float:
    """Mean share of right responses over the problems with a judged response; nan if there are none."""
    known = cell.n > 0
    return float(np.mean(cell.right[known] / cell.n[known])) if known.any() else float("nan")
