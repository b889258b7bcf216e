"""A small model that learns its own right responses is right more often, and its right responses grow alike."""

import itertools
import random
from statistics import median

import numpy as np
import pytest
from scipy import stats
from small import NAMES, read_json, write_lab, write_rows
from tiny import tiny_model_folder

from selftrain.audit import distinct_n
from selftrain.models import load_model, load_tokenizer, open_model
from selftrain.prompts import PromptConfig, Renderer
from selftrain.records import Problem
from selftrain.report.record import read_run
from selftrain.report.responses import Responses
from selftrain.report.views import compared_responses

SUMS = list(itertools.product(NAMES, range(6), range(6)))
STARTS = {
    "Let us count on from {a} with care": 1.0,
    "We put {b} on top of {a} and look": 0.8,
    "Think of a bag that holds {a} nuts": 0.4,
    "It is a sum of {a} and {b}": 0.1,
    "This is a quick guess for {a} and {b}": 0.0,
}
"""How a response may begin, and how often one that begins so is right."""
MIDDLES = ("then {b} more come in", "we go {b} steps up", "both are put together", "nothing is left out")
ENDS = ("so the answer is {c}.", "which means the answer is {c}.", "and now we see the answer is {c}.")
SIZES = {"train": 80, "select": 10, "test": 60}
STEPS = 300
PROMPT = {"style": "plain"}
SAMPLING = {"temperature": 0.7, "max_tokens": 48}
CONFIG = {
    "recipe": {"name": "vanilla", "options": {"samples": 8}},
    "rounds": 4,
    "prompt": PROMPT,
    "sampling": SAMPLING,
    "engine": {"name": "transformers", "precision": "fp32", "batch": 128},
    "training": {"method": "full", "precision": "fp32", "learning_rate": 0.001, "batch_size": 10},
    "audit": {"samples": 8, "sampling": SAMPLING, "greedy": False},
}


def asked(name, a, b):
    return f"The {name} asks for {a} + {b}."


def told(rng, name, a, b):
    """A chain of reasoning in one of 60 wordings; where it is wrong, the answer is one too large."""
    start = rng.choice(list(STARTS))
    total = a + b + (rng.random() >= STARTS[start])
    return ", ".join((start, rng.choice(MIDDLES), rng.choice(ENDS))).format(a=a, b=b, c=total)


def taught(folder, corpus, rng):
    """A tiny Llama that has read a corpus of questions and responses for some seconds."""
    import torch

    tiny_model_folder(folder, layers=1, hidden=64, vocab=420, lines=[text for row in corpus for text in row])
    tokenizer, model = load_tokenizer(open_model(folder)), load_model(open_model(folder))
    renderer = Renderer(tokenizer, PromptConfig(**PROMPT), ())
    rows = [(renderer.prompt(Problem.make(q)), renderer.completion(text, finished=True)) for q, text in corpus]
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=STEPS)
    for _ in range(STEPS):
        chosen = rng.sample(rows, 64)
        longest = max(len(prompt + completion) for prompt, completion in chosen)
        ids, labels = (
            torch.tensor([[*start, *rest, *[end] * (longest - len(start + rest))] for start, rest, end in given])
            for given in (
                [(prompt, completion, 0) for prompt, completion in chosen],
                [((-100,) * len(prompt), completion, -100) for prompt, completion in chosen],
            )
        )
        model(input_ids=ids, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of four rounds, each of which is promoted."""
    folder, rng = tmp_path_factory.mktemp("reversal"), random.Random(0)
    corpus = [(asked(*each), told(rng, *each)) for each in SUMS for _ in range(12)]
    model = taught(folder / "base", corpus, rng)
    rows = iter([{"question": asked(*each), "answer": str(sum(each[1:]))} for each in rng.sample(SUMS, len(SUMS))])
    files = {
        split: str(write_rows(folder / f"sums-{split}.jsonl", [next(rows) for _ in range(size)]))
        for split, size in SIZES.items()
    }
    task = {"name": "files", "options": {**files, "judge": "number"}}
    lab = write_lab(folder / "lab", model, {**CONFIG, "task": task})
    return lab.run("reversal", "promote=always")


@pytest.fixture(scope="module")
def right(finished):
    """The right responses of the base and of the final model, by test problem."""
    run = read_run(finished)
    before, after = compared_responses(run, Responses(run)).view.drawn
    return [[[one.text for one in side[name] if one.mark == "right"] for side in (before, after)] for name in before]


def diversity(texts):
    return np.mean([distinct_n(texts, n) for n in range(1, 6)])


@pytest.mark.slow
def test_right_more_often(finished):
    figure = read_json(finished / "audit.json")["figures"]["pass@1"]
    assert figure["state"] == "up"
    assert figure["low"] > 0.1


@pytest.mark.slow
def test_and_more_alike(right):
    differences = []
    for before, after in right:
        if (size := min(8, len(before), len(after))) >= 2:
            differences.append(diversity(after[:size]) - diversity(before[:size]))
    assert len(differences) > 30
    assert median(len(text.split()) for before, _ in right for text in before) >= 10
    assert stats.ttest_1samp(differences, -0.05, alternative="less").pvalue < 0.001


@pytest.mark.slow
def test_is_a_reversal(finished):
    audit = read_json(finished / "audit.json")
    assert audit["figures"]["distinct-n right"]["state"] == "down"
    assert audit["verdict"] == "reversal"
