"""The folder of a made-up run with the steps it rests on, as a real run would leave them; no model is needed."""

from pathlib import Path

import numpy as np

from selftrain.audit import AuditSettings, compare, tally
from selftrain.config import RunConfig
from selftrain.digest import digest
from selftrain.funnel import Funnel
from selftrain.records import Group, Groups, Judgement, Problem, Response
from selftrain.run_folder import RunFolder, open_run_folder
from selftrain.sampling import Samples
from selftrain.store import Workspace, write_json
from selftrain.tasks import Task
from selftrain.tasks.task import Suite
from selftrain.training_set import Labelled, Pair, Row, TrainingSet, rescaled


def plain_text(index, place):
    """What a made-up model says."""
    return f"text {place} of problem {index}"


def make_task(count, question, family, suite, level):
    """A task with `count` problems a split, and perhaps a suite."""

    def part(name):
        return tuple(
            Problem.make(question(f"{name} {i}"), gold=str(i), family=family(i), level=level(i), reference={"i": i})
            for i in range(count)
        )

    hard = Suite(select=part("hard select"), test=part("hard test"))
    return Task(
        name="made",
        splits={name: part(name) for name in ("train", "select", "test")},
        suites={"hard": hard} if suite else {},
        judge="exact",
    )


class Maker:
    """Writes the samples, judgements and clusters of made-up models into a workspace."""

    def __init__(self, root: Path, each: int, text, seed: int = 0) -> None:
        self.workspace = Workspace(root)
        self.each = each
        self._text = text
        self._rng = np.random.default_rng(seed)

    def drawn(self, model, purpose, problems, chance, n=None):
        """Samples of a model, right with a given chance, and the groups they make."""
        n = n or self.each
        inputs = {"model": model, "purpose": purpose}
        samples = self._sample(inputs, problems, n)
        marks = self._rng.random((len(problems), n)) < chance
        said = {"judge": "exact", "of": samples.cell}
        groups, judged, clusters = [], [], []
        for problem, responses, right in zip(problems, samples.responses, marks.tolist(), strict=True):
            answers = [problem.gold if r else None if i % 2 else "no" for i, r in enumerate(right)]
            found = tuple(
                Judgement(judgement="right" if r else "wrong", answer=a, reason="equals gold" if r else "differs")
                for r, a in zip(right, answers, strict=True)
            )
            codes = [sorted(set(map(str, answers))).index(str(a)) for a in answers]
            groups.append(Group(problem=problem, responses=responses, judgements=found, clusters=tuple(codes)))
            judged += [
                {"id": digest([r.id, problem.gold, problem.reference]), "judgement": j.judgement, "answer": j.answer,
                 "reason": j.reason}
                for r, j in zip(responses, found, strict=True)
            ]  # fmt: skip
            clusters.append({"id": digest([problem.id, answers]), "clusters": codes})
        for kind, rows in (("judge", judged), ("cluster", clusters)):
            with self.workspace.step(kind, said) as step:
                step.append([row for row in rows if row["id"] not in step.rows])
                step.seal()
        return samples, Groups(groups)

    def cell(self, model, purpose, problems, chance, n=None, **labels):
        """What an audit compares."""
        samples, groups = self.drawn(model, purpose, problems, chance, n)
        facts = {
            "model": model,
            "prompt": "training prompt",
            "samples": n or self.each,
            "step": f"sample-{samples.cell}",
        }
        return tally((row for group in groups for row in group.log()), {**facts, **labels})

    def audit(self, before, after, split, task, rise, **more):
        """An audit of two made-up models, right with chance .2 and .2 + `rise`."""
        problems = task.splits[split]
        hard = {name: getattr(suite, split) for name, suite in task.suites.items()}
        return compare(
            self.cell(before, split, problems, 0.2),
            self.cell(after, split, problems, 0.2 + rise),
            null=self.cell(before, "null", problems, 0.2),
            suites={
                name: (self.cell(before, split, part, 0.1), self.cell(after, split, part, 0.1 + rise))
                for name, part in hard.items()
            },
            settings=AuditSettings(draws=300),
            **more,
        )

    def final_audit(self, last, task, rise, rounds):
        """The audit of the last model on test, which has more parts than that of a round."""
        test, select = task.splits["test"], task.splits["select"]
        sides = (("smollm2", 0.3), (last, 0.3 + rise))
        return self.audit(
            "smollm2", last, "test", task, rise,
            same_prompt=self.cell("smollm2", "same prompt", test, 0.1),
            greedy=tuple(self.cell(model, "greedy", test, chance, n=1, temperature=0.0) for model, chance in sides),
            rounds=[self.cell(f"model {i}", "select", select, 0.2 + rise * i / rounds) for i in range(rounds + 1)],
        )  # fmt: skip

    def _sample(self, inputs, problems, n):
        cell = digest(inputs)
        responses = tuple(
            tuple(self._response(cell, problem, number, index) for index in range(n))
            for number, problem in enumerate(problems)
        )
        with self.workspace.step("sample", inputs) as step:
            step.append(
                [
                    {"id": r.id, "problem": r.problem, "index": r.index, "text": r.text, "tokens": [1],
                     "logprobs": [-1.0], "finish": r.finish, "prompt_tokens": 4}
                    for group in responses for r in group if r.id not in step.rows
                ]
            )  # fmt: skip
            step.seal()
        return Samples(tuple(problems), responses, cell)

    def _response(self, cell, problem, number, index):
        return Response(
            id=digest([cell, problem.id, index]),
            problem=problem.id,
            index=index,
            text=self._text(number, index),
            tokens=(1,),
            logprobs=(-1.0,),
            finish="length" if index == 3 else "stop",
        )


def make_run(
    root,
    *,
    name="run",
    count=12,
    each=4,
    rounds=1,
    rise=0.6,
    promoted=True,
    decided=True,
    finished=True,
    longer=None,
    text=plain_text,
    question=lambda name: f"What is {name}?",
    family=lambda i: ("sums", "names")[i % 2],
    level=lambda i: None,
    suite=True,
    kind=Row,
):
    """The folder of a run of `rounds` rounds that train on rows of a kind; the last is undecided unless `decided`.

    A run with `longer` was begun again, with so many rounds, after it had come to its end.
    """
    maker, task = Maker(Path(root), each, text), make_task(count, question, family, suite, level)
    config = RunConfig.model_validate(
        {"name": name, "workspace": root, "task": "files", "recipe": "vanilla", "rounds": rounds}
    )
    digests = {"task": task.digest, "model": "0" * 16}
    with open_run_folder(maker.workspace, name) as folder:
        folder.begin(config, digests)
        folder.save_problems(task)
        write_json(folder.round(0) / "baseline.json", {"split": "select", "pass@1": {"training prompt": 0.2}})
        for number in range(1, rounds + 1):
            _round(maker, folder, task, number, rise, promoted, decided or number < rounds, kind)
        if finished:
            _finish(maker, folder, task, rise, [*range(1, rounds + 1)] if promoted else [])
        if longer:
            folder.begin(config.model_copy(update={"rounds": longer}), digests)
    return folder.path


def _round(maker, folder: RunFolder, task, number, rise, promoted, decided, kind):
    parent = "smollm2" if number == 1 else f"round-{number - 1:02d}"
    maker.workspace.opened.clear()
    funnel = Funnel()
    samples, groups = maker.drawn(parent, f"train {number}", task.splits["train"], 0.4)
    funnel.drew(samples)
    funnel.judged(groups)
    kept = groups.where_any_right() if kind is Row else groups.where_any_right().where_any_wrong()
    rows = rescaled([row for i, group in enumerate(kept) for row in _rows(group, 1 + i % 3, kind)])
    dropped = {"no right response": len(groups) - len(kept)}
    folder.save_rows(number, TrainingSet(rows, dropped))
    facts = {**funnel.to_json(), "rows": len(rows), "dropped": dropped, "steps": list(maker.workspace.opened)}
    folder.save_funnel(number, facts)
    _measured(folder, number)
    if decided:
        audit = maker.audit(parent, f"round-{number:02d}", "select", task, rise)
        folder.save_audit(number, audit)
        word = "promoted" if promoted else "refused"
        reason = f"{word}: the verdict is {audit.verdict} and the policy is on_progress"
        steps = list(dict.fromkeys(maker.workspace.opened))
        folder.save_round(number, {"parent": parent, "promoted": promoted, "reason": reason, "steps": steps})


def _rows(group, weight, kind):
    """The first right response; beside it the first wrong one, if it is a matter of preferences."""
    right, wrong = _row(group, group.right[0], weight), [_row(group, one, weight) for one in group.marked("wrong")[:1]]
    if kind is Pair:
        return [Pair.of(right, wrong[0])]
    return [right] if kind is Row else [Labelled.of(right, True), Labelled.of(wrong[0], False)]


def _row(group, response, weight):
    return Row(
        input_ids=(1, 2, 3),
        completion_start=2,
        weight=float(weight),
        problem=group.problem.id,
        response=response.id,
        prompt_text="prompt",
        completion_text=response.text.encode("utf-8", "replace").decode(),
    )


def _measured(folder, number):
    from selftrain.metrics import Metrics

    metrics = Metrics(folder.metrics)
    metrics.round = number
    for stage, tokens in (("sample train", 960), ("judge", 0), ("train", 4000)):
        made = {"rows": 9, "tokens": tokens, "prompt_tokens": 36, "problem_tokens": 12, "prefill_tokens": 15}
        metrics.write("stage", stage=stage, wanted=9, seconds=30.0 + tokens / 100, **made)


def _finish(maker, folder: RunFolder, task, rise, promoted):
    maker.workspace.opened.clear()
    audit = maker.final_audit(f"round-{promoted[-1]:02d}", task, rise, len(promoted)) if promoted else None
    steps = list(dict.fromkeys(maker.workspace.opened))
    facts = {
        "rounds": folder.settings["rounds"],
        "promoted": promoted,
        "verdict": audit and audit.verdict,
        "model": "m",
        "test_reads": int(bool(audit)),
        "steps": steps,
    }
    folder.finish(None, audit, facts)
