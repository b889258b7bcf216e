"""The folder of a made-up run whose last round learned from pseudo-labels, as a real run would leave it."""

import json

import numpy as np
from make_run import Maker, make_run, make_task, plain_text

from selftrain.digest import digest
from selftrain.funnel import Funnel
from selftrain.pseudo_labels import PseudoLabel, save_pseudo_labels
from selftrain.run_folder import PROBLEMS
from selftrain.sampling import Samples
from selftrain.signals import keep_confident
from selftrain.store import read_parquet, write_json, write_parquet
from selftrain.training_set import Row, TrainingSet

SOURCES = tuple(f"{model}, {shots} shots" for model in ("base", "warm") for shots in range(4))
ASKED = 4
"""Configurations that answer a problem."""


def kind_of(i):
    """Families of the made-up problems."""
    return ("sums", "names")[i % 2]


def ask(name):
    """The made-up questions."""
    return f"What is {name}?"


def make_pseudo_run(root, *, count=60, probe=0.5, tied=0.4, text=plain_text, source=str, question=ask, seed=0, **more):
    """A run whose round 1 wrote `count` pseudo-labels, a share of them with a known gold answer, and kept half.

    `tied` of them are as confident as can be; every tenth states no answer, and one in twelve of the others has no
    finite confidence. The surer one is, the more often it is right. `source` renames the configurations.
    """
    settings = {"question": question, "family": kind_of, "level": lambda i: None, "suite": False}
    folder = make_run(root, count=count, text=text, **settings, **more)
    problems = make_task(count, **settings).splits["train"]
    rng, maker = np.random.default_rng(seed), Maker(root, 1, text)
    known = {problem.id for problem in problems[: round(probe * count)]}
    funnel = Funnel()
    groups = _predicted(maker, problems, rng, funnel)
    labels, said = _labelled(problems, groups, rng, tied, source)
    _say(maker, "read", [(p, r, None) for p, group in zip(problems, groups, strict=True) for r in group], said)
    judged = [(p, label.response, _mark(p, label)) for p, label in zip(problems, labels, strict=True) if p.id in known]
    _say(maker, "judge", judged, said)
    place = folder / "rounds" / "01"
    save_pseudo_labels(place / "pseudo_labels.parquet", labels, {r.id: mark for _, r, mark in judged})
    TrainingSet(tuple(map(_row, filter(lambda label: label.kept, labels))), {}).save(place / "training.parquet")
    rows = sum(label.kept for label in labels)
    facts = {**funnel.to_json(), "rows": rows, "dropped": {"not confident": count - rows}, "notes": []}
    write_json(place / "funnel.json", {**facts, "steps": maker.workspace.opened})
    _forget_gold(folder / "problems.parquet", known)
    return folder


def _predicted(maker, problems, rng, funnel):
    """Each configuration is a sample step of its own; a problem is asked of some of them, in any order."""
    chosen = [rng.permutation(len(SOURCES))[:ASKED] for _ in problems]
    drawn = {}
    for place, name in enumerate(SOURCES):
        asked = [problem for problem, places in zip(problems, chosen, strict=True) if place in places]
        samples = maker._sample({"model": "m", "purpose": "train", "with": name}, asked, 1)
        funnel.drew(samples)
        drawn.update(((p.id, place), group[0]) for p, group in zip(samples.problems, samples.responses, strict=True))
    return [[drawn[p.id, place] for place in places.tolist()] for p, places in zip(problems, chosen, strict=True)]


def _labelled(problems, groups, rng, tied, source):
    """A pseudo-label a problem: its first response; and the answers of all responses by id."""
    said, nll, wrote = {}, [], []
    for i, (problem, group) in enumerate(zip(problems, groups, strict=True)):
        own = 0.0 if rng.random() < tied else float(rng.gamma(1.5, 0.2))
        right = rng.random() < 0.95 - min(0.6, own)
        said |= {response.id: "other" for response in group}
        said[group[0].id] = None if i % 10 == 9 else problem.gold if right else "no"
        nll.append(np.nan if i % 12 == 7 else own)
        wrote.append(source(SOURCES[int(rng.integers(3)) + 5 * int(rng.integers(2))]))
    stated = [value if said[group[0].id] else np.nan for value, group in zip(nll, groups, strict=True)]
    _, kept = keep_confident(stated, 50)
    labels = [
        PseudoLabel(question=p.without_gold(), response=g[0], answer=said[g[0].id], nll=n, source=s, kept=bool(k))
        for p, g, n, s, k in zip(problems, groups, nll, wrote, kept, strict=True)
    ]
    return labels, said


def _mark(problem, label):
    if label.answer is None:
        return "wrong"
    return "unjudged" if int(problem.gold) % 25 == 24 else "right" if label.answer == problem.gold else "wrong"


def _say(maker, kind, items, said):
    """Judgements, or answers read without gold, of responses gathered from several sample steps."""
    of = Samples.gathered([p for p, _, _ in items], [[r] for _, r, _ in items]).cell
    inputs = {"judge": "exact", "of": of, **({"gold": False} if kind == "read" else {})}
    rows = [
        {
            "id": digest([r.id, p.gold, p.reference] if kind == "judge" else [r.id, p.family, p.level]),
            "judgement": mark or "unjudged",
            "answer": said[r.id],
            "reason": "compared" if mark else "not compared with a gold answer",
        }
        for p, r, mark in items
    ]
    with maker.workspace.step(kind, inputs) as step:
        step.append(rows)
        step.seal()


def _row(label):
    return Row(
        input_ids=(1, 2, 3),
        completion_start=2,
        weight=1.0,
        problem=label.question.id,
        response=label.response.id,
        prompt_text="prompt",
        completion_text="answer",
    )


def _forget_gold(path, known):
    """The gold answers of the training problems outside the probe, which a task would not have."""
    rows = read_parquet(path)
    bare = {"gold": None, "reference": json.dumps({})}
    rows = [row | (bare if row["part"] == "train" and row["id"] not in known else {}) for row in rows]
    write_parquet(path, rows, PROBLEMS)
