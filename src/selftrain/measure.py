"""Measuring models: from a model, problems and a prompt to a cell, and from two models to an audit."""

from collections.abc import Sequence

import numpy as np

from selftrain.audit import Audit, Cell, Figure, compare, non_inferior
from selftrain.config import AuditConfig
from selftrain.models import Model
from selftrain.prompts import PromptConfig
from selftrain.records import Problem
from selftrain.sampling import Draw, SamplingConfig
from selftrain.tasks import Task
from selftrain.verbs import Verbs

TRAINED = "training prompt"


class Measure:
    """Measures the models of a run on its select and test splits and its out-of-distribution suites."""

    def __init__(
        self,
        verbs: Verbs,
        task: Task,
        config: AuditConfig,
        *,
        prompt: PromptConfig,
        drawing_prompt: PromptConfig,
    ) -> None:
        self._verbs = verbs
        self._task = task
        self._config = config
        self._prompt = prompt
        self._prompts = {TRAINED: prompt}
        if drawing_prompt != prompt:
            self._prompts["sampling prompt"] = drawing_prompt

    def baseline(self, model: Model) -> dict[str, float]:
        """pass@1 of a model on select under each prompt of the run, by the prompt's name."""
        problems = self._task.splits["select"]
        return {name: pass_at_1(self._cell(model, problems, name, "select")) for name in self._prompts}

    def best_prompt(self, model: Model) -> str:
        """The name of the prompt with the higher pass@1 on select; the training prompt if equal."""
        figures = self.baseline(model)
        return max(figures, key=lambda name: figures[name])

    def holds_base(self, base: Model, candidate: Model) -> Figure:
        """A candidate under the training prompt against the base under its best, pass@1 on select."""
        problems = self._task.splits["select"]
        before = self._cell(base, problems, self.best_prompt(base), "select")
        after = self._cell(candidate, problems, TRAINED, "select")
        return non_inferior(before, after, self._config.settings)

    def compare(self, before: Model, after: Model, split: str) -> Audit:
        """Audits `after` under the training prompt against `before` under its own best prompt."""
        problems, best = self._task.splits[split], self.best_prompt(before)
        n = self._config.samples
        greedy = None
        if split == "test" and self._config.greedy and n > 1:
            greedy = (self._greedy(before, problems, best), self._greedy(after, problems, TRAINED))
        parts = {name: getattr(suite, split) for name, suite in self._task.suites.items()}
        return compare(
            self._cell(before, problems, best, split),
            self._cell(after, problems, TRAINED, split),
            same_prompt=None if best == TRAINED else self._cell(before, problems, TRAINED, split),
            null=self._cell(before, problems, best, "null") if n > 1 else None,
            suites={
                name: (
                    self._cell(before, part, best, split, suite=name),
                    self._cell(after, part, TRAINED, split, suite=name),
                )
                for name, part in parts.items()
            },
            greedy=greedy,
            settings=self._config.settings,
        )

    def _greedy(self, model: Model, problems: Sequence[Problem], prompt: str) -> Cell:
        sampling = self._config.sampling.model_copy(update={"temperature": 0.0})
        return self._cell(model, problems, prompt, "test", n=1, sampling=sampling)

    def _cell(
        self,
        model: Model,
        problems: Sequence[Problem],
        prompt: str,
        purpose: str,
        *,
        suite: str | None = None,
        n: int | None = None,
        sampling: SamplingConfig | None = None,
    ) -> Cell:
        n, sampling = n or self._config.samples, sampling or self._config.sampling
        samples = self._verbs.sample(
            model, problems, n, prompt=self._prompts[prompt], sampling=sampling, draw=Draw(purpose)
        )
        groups = self._verbs.judge(samples, problems)
        rows = (
            {"problem": r.problem, "judgement": j.judgement, "answer": j.answer, "finish": r.finish}
            for group in groups
            for r, j in zip(group.responses, group.judgements, strict=True)
        )
        labels = {
            "model": model.name,
            "prompt": prompt,
            "suite": suite,
            "samples": n,
            **sampling.model_dump(),
        }
        return Cell.from_rows(rows, labels)


def pass_at_1(cell: Cell) -> float:
    """Mean share of right responses over the problems with a judged response; nan if there are none."""
    known = cell.n > 0
    return float(np.mean(cell.right[known] / cell.n[known])) if known.any() else float("nan")
