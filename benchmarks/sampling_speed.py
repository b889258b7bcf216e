"""How fast responses are drawn, beside transformers' own `generate` on the same prompts.

    python benchmarks/sampling_speed.py --repeats 3 --out sampling_speed.json

SmolLM2-135M answers 32 problems of the demo, each of them eight times with 64 tokens (nothing ends a response
early), at temperature .7, with weights and products in bf16: once asked in its chat format, once after the demo's
eight demonstrations. `generate` comes with left padding and is timed on one batch, of 32, 64 or 256 rows: as many
problems as fill it, those in the middle by length, so that little is padded. Each batch size is measured once, the
best goes through all repeats and is what the engines are compared with. Each measurement is a process of its own and
the sides take turns; loading is not part of the speed. What was measured is kept in the file, so a run that was cut
short goes on where it stopped.
"""

import argparse
import json
import random
import time
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from measuring import Measurement, Record, in_own_process, machine
from rich.table import Table

KINDS = ("chat", "few-shot")
PROBLEMS, SAMPLES, TOKENS = 32, 8, 64
TEMPERATURE = 0.7
SEED = 0
WARM_UP = (1,) * 8
"""A prompt drawn for before the clock starts; no other begins with it."""

Prompt = tuple[int, ...]


class Side(Protocol):
    """A loaded model."""

    def draw(self, prompts: Sequence[Prompt]) -> tuple[int, int]:
        """Draws for each prompt; how many tokens were drawn, and how many of prompts were read."""


class Generate:
    """`generate` of the transformers library, all prompts in one batch."""

    def __init__(self) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from selftrain.models import resolve_model

        folder = resolve_model("smollm2").folder
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModelForCausalLM.from_pretrained(folder, dtype="bfloat16")
        self._model.generation_config.eos_token_id = None

    def draw(self, prompts: Sequence[Prompt]) -> tuple[int, int]:
        rows = {"input_ids": [list(prompt) for prompt in prompts for _ in range(SAMPLES)]}
        batch = self._tokenizer.pad(rows, padding_side="left", return_tensors="pt")
        out = self._model.generate(
            **batch,
            do_sample=True,
            temperature=TEMPERATURE,
            top_k=0,
            max_new_tokens=TOKENS,
            min_new_tokens=TOKENS,
            pad_token_id=self._tokenizer.pad_token_id,
        )
        read = batch["input_ids"].numel()
        return out.numel() - read, read


class OwnEngine:
    """An engine of selftrain with its own settings."""

    def __init__(self, name: Any) -> None:
        from selftrain.engines import EngineConfig, load_engine
        from selftrain.models import resolve_model

        self._engine = load_engine(resolve_model("smollm2"), EngineConfig(name=name))

    def draw(self, prompts: Sequence[Prompt]) -> tuple[int, int]:
        from selftrain.engines import Request, Sampling

        asked = [(prompt, index) for prompt in sorted(prompts) for index in range(SAMPLES)]
        requests = [Request(str(seed), prompt, seed) for seed, (prompt, _) in enumerate(asked)]
        before = self._engine.prefilled
        completions = self._engine.generate(requests, Sampling(temperature=TEMPERATURE, top_p=1.0, max_tokens=TOKENS))
        return sum(len(one.tokens) for one in completions), self._engine.prefilled - before


PEERS = {f"generate, batch {problems * SAMPLES}": problems for problems in (4, 8, PROBLEMS)}
"""Problems drawn for by batch size."""
OURS: dict[str, Any] = {f"selftrain, {engine}": engine for engine in ("openvino", "transformers")}
SIDES = (*PEERS, *OURS)


def make_prompts(kind: str) -> list[Prompt]:
    """Prompts for training problems of the demo, of all its families."""
    from selftrain.config import load_config
    from selftrain.models import load_tokenizer, resolve_model
    from selftrain.prompts import Renderer
    from selftrain.tasks import load_task

    config = load_config("demo")
    task = load_task(config.task, SEED)
    renderer = Renderer(
        load_tokenizer(resolve_model(config.model)),
        {"chat": config.prompt, "few-shot": config.drawing_prompt}[kind],
        task.splits["shots"],
    )
    return [renderer.prompt(one) for one in random.Random(SEED).sample(task.splits["train"], PROBLEMS)]


def measure(side: str, kind: str) -> Measurement:
    """Draw in this process: tokens and seconds, and how many whole prompts were read for each problem."""
    count = PEERS.get(side, PROBLEMS)
    first = (PROBLEMS - count) // 2
    prompts = sorted(make_prompts(kind), key=len)[first : first + count]
    start = time.perf_counter()
    model: Side = Generate() if side in PEERS else OwnEngine(OURS[side])
    loaded = time.perf_counter()
    model.draw([WARM_UP])
    begun = time.perf_counter()
    drawn, read = model.draw(prompts)
    seconds = time.perf_counter() - begun
    if drawn != count * SAMPLES * TOKENS:
        raise RuntimeError(f"{drawn} tokens were drawn, not {count * SAMPLES * TOKENS}")
    return {
        "tokens_per_second": drawn / seconds,
        "seconds": seconds,
        "load_seconds": loaded - start,
        "prompt_tokens": sum(map(len, prompts)) / count,
        "prompts_read": read / sum(map(len, prompts)),
    }


def compare(repeats: int, out: Path) -> None:
    """Measure what the file lacks, the sides in turns, then print the table."""
    settings = {"problems": PROBLEMS, "samples": SAMPLES, "new_tokens": TOKENS, "temperature": TEMPERATURE}
    record = Record(out, {**settings, **machine("torch", "transformers", "openvino-genai")})

    def take(kind: str, side: str, repeat: int) -> None:
        command = ["--measure", side, "--kind", kind]
        record.take(partial(in_own_process, __file__, command), kind=kind, side=side, repeat=repeat)

    for kind, side in product(KINDS, PEERS):
        take(kind, side, repeat=0)
    for repeat, kind in product(range(repeats), KINDS):
        for side in (best_peer(record, kind), *OURS):
            take(kind, side, repeat)
    record.show(table_of(record))


def best_peer(record: Record, kind: str) -> str:
    """The batch size with which `generate` was fastest the first time."""
    return max(PEERS, key=lambda side: speeds(record, kind, side)[0])


def speeds(record: Record, kind: str, side: str) -> list[float]:
    """Tokens per second by repeat."""
    return [item["tokens_per_second"] for item in record.of(kind=kind, side=side)]


def table_of(record: Record) -> Table:
    """One line for each kind of prompts and side: medians, and ratios to the best batch of generate, by repeat."""
    headings = ("prompts", "side", "prompt tokens", "tokens/s", "ratio", "from - to", "prompts read", "loading s")
    table = Table(*headings, caption="prompts read: tokens read of prompts, in whole prompts a problem")
    for kind in KINDS:
        best = speeds(record, kind, best_peer(record, kind))
        for side in SIDES:
            found = record.of(kind=kind, side=side)
            rates = speeds(record, kind, side)
            ratios = [own / peer for own, peer in zip(rates, best, strict=False)]
            table.add_row(
                kind,
                side,
                f"{found[0]['prompt_tokens']:.0f}",
                f"{median(rates):,.0f}",
                f"{median(ratios):.2f}",
                f"{min(ratios):.2f} - {max(ratios):.2f}",
                f"{found[0]['prompts_read']:.2f}",
                f"{median(item['load_seconds'] for item in found):.1f}",
            )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("sampling_speed.json"))
    parser.add_argument("--measure", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        arguments.out.write_text(json.dumps(measure(arguments.measure, arguments.kind)))
    else:
        compare(arguments.repeats, arguments.out)


if __name__ == "__main__":
    main()
