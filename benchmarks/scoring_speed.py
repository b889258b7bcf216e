"""How fast the losses of samples are computed, beside a plain loop of transformers with one sample at a time.

    python benchmarks/scoring_speed.py --samples 10000 --pairs 2 --out scoring_speed.json

SmolLM2-135M in bf16 scores made-up samples of the shape that recipes draw: questions of 40 to 80 tokens in the chat
format, which begin alike, with 15 responses of 10 to 80 tokens to each. Ours go through the verb `score` into an
empty workspace; the plain loop asks the model for the loss of one sample after the other, and is timed on samples
evenly spread over all of them (`--plain`). Tokens are those of prompts and responses, for both alike. Each measurement
is a process of its own and the sides take turns; loading is not part of the speed, but of the peak of memory. What was
measured is kept in the file, so a run that was cut short goes on where it stopped.
"""

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from measuring import Measurement, Record, in_own_process, machine
from rich.table import Table

MODEL = "smollm2"
RESPONSES = 15
HEAD, PROMPT, RESPONSE = 20, (40, 80), (10, 80)
"""Tokens: what all prompts begin with, prompts and responses from - to."""
IDS = range(100, 49_000)
WARM_UP = 8
SEED = 0
PLAIN = "plain loop"
OURS: dict[str, Any] = {f"selftrain, {engine}": engine for engine in ("openvino", "transformers")}
SIDES = (PLAIN, *OURS)

Pair = tuple[tuple[int, ...], tuple[int, ...]]


def make_samples(count: int) -> list[Pair]:
    """Prompts with the completions to be scored, in the order of the questions."""
    rng = random.Random(SEED)
    head = rng.choices(IDS, k=HEAD)
    pairs: list[Pair] = []
    while len(pairs) < count:
        prompt = (*head, *rng.choices(IDS, k=rng.randint(*PROMPT) - HEAD))
        pairs += [(prompt, tuple(rng.choices(IDS, k=rng.randint(*RESPONSE)))) for _ in range(RESPONSES)]
    return pairs[:count]


class PlainLoop:
    """The losses from transformers, a forward pass a sample."""

    def __init__(self) -> None:
        from transformers import AutoModelForCausalLM

        from selftrain.models import resolve_model

        self._model = AutoModelForCausalLM.from_pretrained(resolve_model(MODEL).folder, dtype="bfloat16").eval()

    def losses(self, pairs: Sequence[Pair]) -> list[float]:
        """The mean loss of each completion."""
        import torch

        found = []
        with torch.inference_mode():
            for prompt, completion in pairs:
                ids = torch.tensor([[*prompt, *completion]])
                labels = ids.clone()
                labels[:, : len(prompt)] = -100
                found.append(self._model(input_ids=ids, labels=labels, use_cache=False).loss.item())
        return found


class OwnVerb:
    """The losses from `Verbs.score` with an engine, in a workspace of its own."""

    def __init__(self, engine: Any, folder: Path) -> None:
        from selftrain.engines import EngineConfig
        from selftrain.metrics import Metrics
        from selftrain.models import resolve_model
        from selftrain.store import Workspace
        from selftrain.verbs import Verbs

        judging: dict[str, Any] = {"judge": "exact", "judge_workers": 1, "judge_deadline": 1.0, "shots": ()}
        self._model = resolve_model(MODEL)
        config = EngineConfig(name=engine)
        self._verbs = Verbs(Workspace(folder), seed=SEED, engine=config, metrics=Metrics(), **judging)

    def losses(self, pairs: Sequence[Pair]) -> list[float]:
        """The mean loss of each completion."""
        return [-sum(values) / len(values) for values in self._verbs.score(self._model, pairs)]


def measure(side: str, samples: int, plain: int) -> Measurement:
    """Score in this process: tokens a second, peak of memory, and the mean loss of the samples both sides score."""
    pairs = make_samples(samples)
    part = pairs[:: max(1, samples // plain)]
    warm_up = make_samples(samples + WARM_UP)[-WARM_UP:]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        scorer: PlainLoop | OwnVerb = PlainLoop() if side == PLAIN else OwnVerb(OURS[side], Path(folder))
        scorer.losses(warm_up)
        asked = part if side == PLAIN else pairs
        begun = time.perf_counter()
        losses = dict(zip(asked, scorer.losses(asked), strict=True))
        seconds = time.perf_counter() - begun
    return {
        "tokens_per_second": sum(len(prompt) + len(completion) for prompt, completion in asked) / seconds,
        "scored": len(asked),
        "seconds": seconds,
        "load_seconds": begun - start,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "losses": [losses[pair] for pair in part],
    }


def compare(samples: int, plain: int, pairs: int, engines: Sequence[str], out: Path) -> None:
    """Measure what the file lacks, the sides in turns, then print the table."""
    settings = {"samples": samples, "plain": plain, "responses": RESPONSES, "prompt": PROMPT, "response": RESPONSE}
    settings = json.loads(json.dumps(settings))
    record = Record(out, {**settings, **machine("torch", "transformers")})
    for pair, engine in product(range(pairs), engines):
        for side in (PLAIN, engine):
            command = ["--measure", side, "--samples", samples, "--plain", plain]
            record.take(partial(in_own_process, __file__, command), side=side, beside=engine, pair=pair)
    record.show(table_of(record, engines))


def table_of(record: Record, engines: Sequence[str]) -> Table:
    """One line for each engine: the ratios of tokens per second to the plain loop's, by pair, and memory."""
    headings = ("side", "scored", "plain scored", "ratio", "by pair", "peak MB", "plain MB", "loading s", "loss apart")
    table = Table(
        *headings, caption="ratio: of tokens a second to the plain loop's; loss apart: the largest difference"
    )
    for engine in engines:
        own, plain = (record.of(side=side, beside=engine) for side in (engine, PLAIN))
        ratios = [one["tokens_per_second"] / other["tokens_per_second"] for one, other in zip(own, plain, strict=True)]
        apart = max(abs(a - b) for a, b in zip(own[0]["losses"], plain[0]["losses"], strict=True))
        table.add_row(
            engine,
            f"{own[0]['scored']:,}",
            f"{plain[0]['scored']:,}",
            f"{median(ratios):.2f}",
            ", ".join(f"{ratio:.2f}" for ratio in ratios),
            f"{max(item['peak_mb'] for item in own):,.0f}",
            f"{max(item['peak_mb'] for item in plain):,.0f}",
            f"{median(item['load_seconds'] for item in own):.1f}",
            f"{apart:.3f}",
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--plain", type=int, default=300, help="samples that the plain loop is timed on")
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--side", choices=OURS, action="append", help="one of ours alone")
    parser.add_argument("--out", type=Path, default=Path("scoring_speed.json"))
    parser.add_argument("--measure", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        found = measure(arguments.measure, arguments.samples, arguments.plain)
        arguments.out.write_text(json.dumps(found))
    else:
        engines = arguments.side or list(OURS)
        compare(arguments.samples, arguments.plain, arguments.pairs, engines, arguments.out)


if __name__ == "__main__":
    main()
