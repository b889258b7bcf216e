"""One round of self-training as a script on transformers' `generate` and TRL's trainer: the peer of `whole_round.py`.

Problems, prompts, judge and settings are those of a run's configuration; everything else is here. Samples are drawn
in batches of 64, padded on the left, longest prompts last; where a line ends a response, every token with a newline
ends it. Weights are bf16 for sampling, float32 with bf16 products for training. Nothing is kept but the model.
"""

import argparse
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from stock_trl import stock_trainer
from transformers import AutoModelForCausalLM, AutoTokenizer

from selftrain.config import RunConfig, load_config
from selftrain.judges.base import load_judge
from selftrain.models import resolve_model
from selftrain.prompts import PromptConfig, Renderer
from selftrain.records import Problem
from selftrain.sampling import SamplingConfig
from selftrain.tasks import Task, load_task

BATCH = 64


@dataclass(frozen=True)
class Drawn:
    """A judged response."""

    problem: Problem
    text: str
    right: bool
    finished: bool


@dataclass
class Script:
    """What the round works with, and what it has done so far."""

    config: RunConfig
    task: Task
    tokenizer: Any
    judge: Any
    done: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Seconds, responses and tokens by name."""

    def renderer(self, prompt: PromptConfig) -> Renderer:
        return Renderer(self.tokenizer, prompt, self.task.splits["shots"])

    def draw(
        self, model: Any, problems: Sequence[Problem], n: int, prompt: PromptConfig, sampling: SamplingConfig
    ) -> list[Drawn]:
        """`n` judged responses to each problem."""
        start = time.perf_counter()
        renderer = self.renderer(prompt)
        ends = {*renderer.end_ids, *(self.newlines if prompt.stop else ())}
        rows = [(renderer.prompt(problem), problem) for problem in problems for _ in range(n)]
        rows.sort(key=lambda row: len(row[0]))
        found = []
        for first in range(0, len(rows), BATCH):
            part = rows[first : first + BATCH]
            for (_, problem), tokens in zip(part, self.generate(model, part, ends, sampling), strict=True):
                length = next((place for place, token in enumerate(tokens, 1) if token in ends), 0)
                text = self.tokenizer.decode(tokens[: length or None], skip_special_tokens=True)
                text = text.split("\n")[0] if prompt.stop else text
                right = self.judge.judge(problem, text).judgement == "right"
                found.append(Drawn(problem, text, right, finished=bool(length)))
                self.done["new tokens"] += length or len(tokens)
        self.done["responses"] += len(rows)
        self.done["prompt tokens"] += sum(len(ids) for ids, _ in rows)
        self.done["sampling s"] += time.perf_counter() - start
        return found

    def generate(self, model: Any, part: Sequence[Any], ends: set[int], sampling: SamplingConfig) -> list[list[int]]:
        """The new tokens of a batch of prompts."""
        batch = self.tokenizer.pad(
            {"input_ids": [list(ids) for ids, _ in part]}, padding_side="left", return_tensors="pt"
        )
        out = model.generate(
            **batch,
            do_sample=True,
            temperature=sampling.temperature,
            top_k=0,
            max_new_tokens=sampling.max_tokens,
            eos_token_id=sorted(ends),
            pad_token_id=self.tokenizer.pad_token_id,
        )
        new: list[list[int]] = out[:, batch["input_ids"].shape[1] :].tolist()
        return new

    @cached_property
    def newlines(self) -> list[int]:
        """The tokens with a newline in their text."""
        texts = self.tokenizer.batch_decode([[token] for token in range(len(self.tokenizer))])
        return [token for token, text in enumerate(texts) if "\n" in text]

    def train(self, base: Path, drawn: Sequence[Drawn], count: int, folder: Path) -> None:
        """Trains the base on `count` right responses, one of each problem first, and saves it."""
        start = time.perf_counter()
        renderer, settings = self.renderer(self.config.prompt), self.config.training
        rows = []
        for one in one_of_each_first([one for one in drawn if one.right])[:count]:
            prompt = renderer.prompt(one.problem)
            rows.append((prompt + renderer.completion(one.text, finished=one.finished), len(prompt)))
        trainer = stock_trainer(
            AutoModelForCausalLM.from_pretrained(base, dtype="float32"),
            self.tokenizer,
            rows,
            folder,
            batch=settings.batch_size,
            learning_rate=settings.peak_learning_rate(),
            epochs=settings.epochs,
        )
        trainer.train()
        trainer.save_model(str(folder))
        self.done["rows"] = len(rows)
        self.done["trained tokens"] = settings.epochs * sum(len(ids) for ids, _ in rows)
        self.done["training s"] = time.perf_counter() - start


def one_of_each_first(drawn: Sequence[Drawn]) -> list[Drawn]:
    """The first response of each problem, then the second ones, and so on."""
    seen: Counter[str] = Counter()
    turns = []
    for one in drawn:
        turns.append((seen[one.problem.id], one))
        seen[one.problem.id] += 1
    return [one for _, one in sorted(turns, key=lambda turn: turn[0])]


def share_right(drawn: Sequence[Drawn]) -> float:
    return sum(one.right for one in drawn) / len(drawn)


def play(config: RunConfig, rows: int) -> dict[str, float]:
    """The round: the same cells as a run has whose first round is promoted; what was done."""
    base = resolve_model(config.model).folder
    task = load_task(config.task, config.seed)
    script = Script(config, task, AutoTokenizer.from_pretrained(base), load_judge(task.judge))
    prompts, recipe = (config.prompt, config.drawing_prompt), config.recipe.options

    def measure(model: Any, split: str, prompt: PromptConfig) -> float:
        drawn = script.draw(model, task.splits[split], config.audit.samples, prompt, config.audit.sampling)
        return share_right(drawn)

    model = load(base)
    drawn = script.draw(model, task.splits["train"], recipe["samples"], config.drawing_prompt, config.sampling)
    figures = {prompt: measure(model, "select", prompt) for prompt in prompts}
    best = max(prompts, key=lambda prompt: figures[prompt])
    null = measure(model, "select", best)
    for prompt in (*{best, config.prompt}, best):
        measure(model, "test", prompt)
    with tempfile.TemporaryDirectory() as folder:
        script.train(base, drawn, rows, Path(folder))
        model = load(Path(folder))
        after = measure(model, "select", config.prompt)
        measure(model, "test", config.prompt)
    print(f"base {figures[best]:.3f}, again {null:.3f}, candidate {after:.3f}")
    return script.done


def load(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype="bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--rows", type=int, required=True, help="rows to train on")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    done = play(load_config(arguments.config, arguments.overrides), arguments.rows)
    arguments.out.write_text(json.dumps(done))


if __name__ == "__main__":
    main()
