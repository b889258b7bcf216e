"""A session: one process working on a run, with everything the loop needs at hand."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from selftrain import training
from selftrain.audit import Audit, promotes, verdict_line
from selftrain.config import RunConfig
from selftrain.digest import files_digest, seed_from
from selftrain.engines import choose_engine
from selftrain.errors import DataError
from selftrain.imports import source_digest
from selftrain.labels import Labels
from selftrain.measure import Measure
from selftrain.metrics import Metrics
from selftrain.models import Model, resolve_model
from selftrain.progress import say
from selftrain.pseudo_labels import PseudoLabel
from selftrain.recipes import Recipe, RecipeOptions, load_recipe
from selftrain.records import Mark
from selftrain.report.pseudo_words import pseudo_line
from selftrain.report.segment_words import segments_line
from selftrain.round import Round
from selftrain.run_folder import RunFolder, open_run_folder
from selftrain.sampling import Samples
from selftrain.store import Workspace, write_json
from selftrain.tasks import Task, load_task
from selftrain.texts import read_texts
from selftrain.training_set import TrainingSet
from selftrain.verbs import Verbs


@dataclass(slots=True)
class Session:
    """What the loop works with."""

    config: RunConfig
    task: Task
    base: Model
    recipe: Recipe
    options: RecipeOptions
    labels: Labels
    folder: RunFolder
    workspace: Workspace
    verbs: Verbs
    measure: Measure
    metrics: Metrics
    tell: Callable[[str], None] = say
    """Takes each line of the story as it happens."""
    lines: list[str] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    """The base and every promoted model."""
    taught: list[PseudoLabel] = field(default_factory=list)
    """The pseudo-labels that promoted rounds kept."""

    def baseline(self) -> None:
        """Measures the base on the select split under each prompt of the run."""
        self.metrics.round = 0
        self.models = [self.base]
        figures = self.measure.baseline(self.base)
        write_json(
            self.folder.round(0) / "baseline.json", {"split": "select", "pass@1": figures, "steps": self._steps()}
        )
        for name, figure in figures.items():
            self._tell(f"base, {name}: pass@1 {figure:.3f} on select ({len(self.task.splits['select'])} problems)")

    def round(self, number: int, parent: Model) -> Round:
        """A round to hand to the recipe."""
        self.metrics.round = number
        self.workspace.opened.clear()
        return Round(
            number=number,
            parent=parent,
            base=self.base,
            problems=tuple(problem.without_gold() for problem in self.task.splits["train"]),
            labels=self.labels,
            rng=np.random.default_rng(seed_from([self.config.seed, "round", number])),
            prompt=self.config.prompt,
            sampling_prompt=self.config.drawing_prompt,
            sampling=self.config.sampling,
            training=self.config.training,
            train_on_thinking=self.config.train_on_thinking,
            verbs=self.verbs,
            taught=tuple(self.taught),
        )

    def keep_rows(self, round: Round, rows: TrainingSet) -> None:
        """Keeps a round's training set and says what is in it."""
        self.folder.save_rows(round.number, rows)
        told = list(round.told)
        if round.pseudo_labels:
            marks = self._probed(round.pseudo_labels)
            told.append(pseudo_line(self.folder.save_pseudo_labels(round.number, round.pseudo_labels, marks)))
        if round.chains:
            self.folder.save_chains(round.number, round.chains)
            told.append(segments_line(round.chains))
        counts = round.funnel.to_json()
        counts["tokens"]["trained"] += self.config.training.epochs * rows.tokens
        made = {
            "rows": len(rows),
            "dropped": rows.dropped,
            "notes": round.told,
            "options": self.options.model_dump(mode="json"),
            "steps": self._steps(),
        }
        self.folder.save_funnel(round.number, {**counts, **made})
        for line in told:
            self._tell(f"round {round.number}: {line}")
        dropped = "".join(f"; dropped {count:,}: {reason}" for reason, count in rows.dropped.items())
        if rows:
            weights = [row.weight for row in rows]
            spread = f"weights {min(weights):.2f} to {max(weights):.2f}"
            self._tell(f"round {round.number}: {len(rows):,} {rows.kind.noun}, {spread}{dropped}")
        else:
            self._tell(f"round {round.number}: nothing to train on{dropped}")
            self._close(round, promoted=False, reason="nothing to train on")

    def decide(self, round: Round, candidate: Model) -> Model | None:
        """The candidate as the next parent if the audit on the select split promotes it.

        Its adapter is then merged into the master weights.
        """
        self.folder.save_model(round.number, candidate)
        audit = self.measure.compare(round.parent, candidate, "select")
        self.folder.save_audit(round.number, audit)
        against_base = self.measure.holds_base(self.base, candidate)
        promoted, reason = promotes(self.config.promote, audit, against_base)
        self._tell(f"round {round.number}: {verdict_line(audit)} (select)")
        self._tell(f"round {round.number}: {reason}")
        merged = self.verbs.merged(candidate) if promoted else None
        if merged is not None:
            self.folder.save_model(round.number, merged)
            self.models.append(merged)
            self.taught += [label for label in round.pseudo_labels if label.kept]
        self._close(round, promoted=promoted, reason=reason)
        return merged

    def final_audit(self, final: Model) -> Audit:
        """The final model against the base on the split that the final verdict is told from."""
        self.metrics.round = self.config.rounds
        self.workspace.opened.clear()
        return self.measure.compare(self.base, final, self.config.audit.split, self.models)

    def finish(self, final: Model, promoted: Sequence[int], audit: Audit | None) -> tuple[str, ...]:
        """Keeps the final model and verdict; returns the story of the run."""
        before = self.folder.result
        reads = int(before.get("test_reads", 0))
        on_test = audit is not None and self.config.audit.split == "test"
        if on_test and before.get("model") != final.identity:
            reads += 1
        if reads > 1:
            self._tell(f"note: the test split was read for {reads} final models of this run; the last verdict counts")
        verdict = audit.verdict if audit else None
        facts = {
            "rounds": self.config.rounds,
            "promoted": list(promoted),
            "verdict": verdict,
            "model": final.identity,
            "test_reads": reads,
            "steps": self._steps(),
        }
        self.folder.finish(final if promoted else None, audit, facts)
        if audit is None:
            self._tell("nothing was promoted: the base is kept")
        return tuple(self.lines)

    def _probed(self, labels: Sequence[PseudoLabel]) -> dict[str, Mark]:
        """Judgements of the pseudo-labels whose gold answers the task knows, by response; the recipe is done by now."""
        known = {problem.id: problem for problem in self.task.splits["train"] if problem.gold is not None}
        probe = [label for label in labels if label.question.id in known]
        problems = [known[label.question.id] for label in probe]
        if not probe:
            return {}
        try:
            groups = self.verbs.judge(Samples.gathered(problems, [(label.response,) for label in probe]), problems)
        except DataError as error:
            self._tell(f"note: the probe tells nothing: {error}")
            return {}
        return {r.id: j.judgement for group in groups for r, j in zip(group.responses, group.judgements, strict=True)}

    def _close(self, round: Round, *, promoted: bool, reason: str) -> None:
        facts = {"parent": round.parent.name, "promoted": promoted, "reason": reason, "dropped": round.dropped}
        self.folder.save_round(round.number, {**facts, "steps": self._steps()})

    def _steps(self) -> list[str]:
        """Names of the steps used since the round began; their order depends on what was loaded."""
        return sorted(set(self.workspace.opened))

    def _tell(self, line: str) -> None:
        self.lines.append(line)
        self.tell(line)


@contextmanager
def open_session(
    config: RunConfig, *, make_verbs: Callable[..., Verbs] = Verbs, tell: Callable[[str], None] = say
) -> Iterator[Session]:
    """Loads task, recipe and base, takes the run's folder and starts the judges.

    `make_verbs` makes the session's verbs and `tell` takes the lines of its story; a plan puts its own there.
    """
    recipe = load_recipe(config.recipe.name)
    options = recipe.parse(config.recipe.options)
    task = load_task(config.task, config.seed)
    for note in task.notes:
        say(f"note: {note}")
    labels = Labels.of(task, options.reads, recipe.name, config.judge.name or task.judge)
    base = resolve_model(config.model)
    options.check(labels, config.prompt, base)
    config = config.model_copy(update={"engine": choose_engine(base, config.engine)})
    workspace = Workspace(config.workspace)
    with open_run_folder(workspace, config.name) as folder:
        metrics = Metrics(folder.metrics)
        verbs = make_verbs(
            workspace,
            seed=config.seed,
            engine=config.engine,
            judge=config.judge.name or task.judge,
            judge_workers=config.judge.workers,
            judge_deadline=config.judge.deadline,
            shots=task.splits.get("shots", ()),
            metrics=metrics,
        )
        measure = Measure(
            verbs,
            task,
            config.audit,
            prompt=config.prompt,
            drawing_prompt=config.drawing_prompt,
            texts=read_texts(config.audit.texts, base),
        )
        if "gold" not in options.reads:
            verbs.check_reading()
        for prompt in (config.prompt, config.drawing_prompt, *options.prompts):
            renderer = verbs.renderer(base, prompt)
            for problem in {problem.family: problem for problem in task.splits["train"]}.values():
                renderer.prompt(problem)
        if not folder.begun:
            training.check_training(config.training)
        # Once everything the configuration names is known to exist: a correction must not look like a change.
        folder.begin(config, run_digests(config, task, base, options))
        folder.save_problems(task)
        with verbs:
            yield Session(config, task, base, recipe, options, labels, folder, workspace, verbs, measure, metrics, tell)


def run_digests(config: RunConfig, task: Task, base: Model, options: RecipeOptions) -> dict[str, str]:
    """Of what the run is made of besides its configuration: data, weights, texts, and code of the user's own."""
    own = {"task code": config.task.name, "recipe code": config.recipe.name, "judge code": config.judge.name or ""}
    code = {name: source_digest(spec) for name, spec in own.items()}
    texts = {f"text {name}": files_digest([path]) for name, path in config.audit.texts.items()}
    code = {name: found for name, found in code.items() if found}
    return {"task": task.digest, "model": base.identity, **options.digests(), **texts, **code}
