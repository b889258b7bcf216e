"""Measuring models: from a model, problems and a prompt to a cell, and from two models to an audit."""

from typing import Literal

import numpy as np

from selftrain.audit import Audit, Cell, Figure, compare, non_inferior
from selftrain.config import AuditConfig
from selftrain.models import Model
from selftrain.prompts import PromptConfig
from selftrain.sampling import Draw, SamplingConfig
from selftrain.tasks import Task
from selftrain.verbs import Verbs

Split = Literal["select", "test"]
TRAINED = "training prompt"
DRAWN = "sampling prompt"


class Measure:
    """Measures the models of a run on its select and test splits and its out-of-distribution suites."""

    def __init__(
        self, verbs: Verbs, task: Task, config: AuditConfig, *, prompt: PromptConfig, drawing_prompt: PromptConfig
    ) -> None:
        self._verbs = verbs
        self._task = task
        self._config = config
        self._prompts = {TRAINED: prompt}
        if drawing_prompt != prompt:
            self._prompts[DRAWN] = drawing_prompt
        self._cells: dict[tuple[object, ...], Cell] = {}

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

    def compare(self, before: Model, after: Model, split: Split) -> Audit:
        """Audits `after` under the training prompt against `before` under its own best prompt."""
        best, several = self.best_prompt(before), self._config.samples > 1
        greedy = split == "test" and self._config.greedy and several
        return compare(
            self._cell(before, split, best),
            self._cell(after, split, TRAINED),
            same_prompt=None if best == TRAINED else self._cell(before, split, TRAINED),
            null=self._cell(before, split, best, purpose="null") if several else None,
            suites={
                suite: (
                    self._cell(before, split, best, suite=suite),
                    self._cell(after, split, TRAINED, suite=suite),
                )
                for suite in self._task.suites
            },
            greedy=(self._greedy(before, split, best), self._greedy(after, split, TRAINED)) if greedy else None,
            settings=self._config.settings,
        )

    def _greedy(self, model: Model, split: Split, prompt: str) -> Cell:
        sampling = self._config.sampling.model_copy(update={"temperature": 0.0})
        return self._cell(model, split, prompt, n=1, sampling=sampling)

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
        key = (model.digest, split, prompt, suite, purpose, n, sampling)
        if key not in self._cells:
            problems = self._task.splits[split] if suite is None else getattr(self._task.suites[suite], split)
            n, sampling = n or self._config.samples, sampling or self._config.sampling
            draw = Draw(purpose or split)
            drawn = self._verbs.sample(model, problems, n, prompt=self._prompts[prompt], sampling=sampling, draw=draw)
            groups = self._verbs.judge(drawn, problems)
            rows = (
                {"problem": r.problem, "judgement": j.judgement, "answer": j.answer, "finish": r.finish}
                for group in groups
                for r, j in zip(group.responses, group.judgements, strict=True)
            )
            labels = {"model": model.name, "prompt": prompt, "suite": suite, "samples": n, **sampling.model_dump()}
            labels["step"] = f"sample-{drawn.cell}"
            self._cells[key] = Cell.from_rows(rows, labels)
        return self._cells[key]


def pass_at_1(cell: Cell) -> float:
    """Mean share of right responses over the problems with a judged response; nan if there are none."""
    known = cell.n > 0
    return float(np.mean(cell.right[known] / cell.n[known])) if known.any() else float("nan")
