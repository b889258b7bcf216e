"""How fast the entropies of given tokens are computed, beside full logits of transformers.

    python benchmarks/entropy_speed.py --pairs 240 --repeats 3 --out entropy_speed.json

SmolLM2-135M in bf16 reads made-up worked solutions of the shape of GSM8K: questions of 60 to 180 tokens in the chat
format, which begin alike, each with one solution of 60 to 240 tokens; no two are alike beyond that. Ours is
`entropies` of the transformers engine. The plain side reads batches, padded on the right, of as many tokens as ours
takes together, the longest first, and makes log-softmax over float32 logits [rows, tokens, vocabulary] of them. Both
make one number for each token of a solution, and the speed is in those; on a busy machine the processor seconds of the
two say more. The sides take turns, each measurement a process of its own; neither loading nor a warm-up is part of the
speed. The extra memory is the peak of what is resident above what was there after loading and the warm-up. What was
measured is kept in the file, so a run that was cut short goes on where it stopped.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Literal

from measuring import Measurement, Record, in_own_process, machine
from rich.table import Table

MODEL = "smollm2"
HEAD, PROMPT, SOLUTION = 20, (60, 180), (60, 240)
"""Tokens: what all prompts begin with, prompts and solutions from - to."""
IDS = range(100, 49_000)
WARM_UP = 2
SEED = 0
PLAIN, OURS = "full logits", "selftrain"

Pair = tuple[tuple[int, ...], tuple[int, ...]]
Entropies = Callable[[Sequence[Pair]], list[list[float]]]


def make_pairs(count: int) -> list[Pair]:
    """Prompts with the solutions whose entropies are asked for."""
    rng = random.Random(SEED)
    head = rng.choices(IDS, k=HEAD)
    pairs: list[Pair] = []
    for _ in range(count):
        prompt = (*head, *rng.choices(IDS, k=rng.randint(*PROMPT) - HEAD))
        pairs.append((prompt, tuple(rng.choices(IDS, k=rng.randint(*SOLUTION)))))
    return pairs


def ours() -> Entropies:
    """The engine's."""
    from selftrain.engines.transformers import TransformersEngine
    from selftrain.models import resolve_model

    engine = TransformersEngine(resolve_model(MODEL))
    return lambda pairs: list(engine.entropies(pairs))


def plain() -> Entropies:
    """From the logits of whole batches."""
    import torch
    from transformers import AutoModelForCausalLM

    from selftrain.models import resolve_model

    model = AutoModelForCausalLM.from_pretrained(resolve_model(MODEL).folder, dtype="bfloat16").eval()

    @torch.inference_mode()
    def batch_entropies(batch: Sequence[Pair]) -> list[list[float]]:
        texts = [(*prompt, *solution) for prompt, solution in batch]
        longest = max(map(len, texts))
        ids = torch.tensor([(*text, *(0,) * (longest - len(text))) for text in texts])
        mask = torch.tensor([(1,) * len(text) + (0,) * (longest - len(text)) for text in texts])
        logprobs = torch.log_softmax(model(input_ids=ids, attention_mask=mask, use_cache=False).logits.float(), dim=-1)
        entropies = -(logprobs.exp() * logprobs).sum(dim=-1)
        ends = [(len(prompt) - 1, len(text) - 1) for (prompt, _), text in zip(batch, texts, strict=True)]
        return [row[start:end].tolist() for row, (start, end) in zip(entropies, ends, strict=True)]

    def entropies(pairs: Sequence[Pair]) -> list[list[float]]:
        found: dict[Pair, list[float]] = {}
        for batch in padded_batches(pairs):
            found.update(zip(batch, batch_entropies(batch), strict=True))
        return [found[pair] for pair in pairs]

    return entropies


def padded_batches(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """The pairs, the longest first, in batches of as many tokens with padding as the engine reads together."""
    from selftrain.engines.scoring import TOKENS_AT_ONCE

    left = sorted(pairs, key=lambda pair: -sum(map(len, pair)))
    batches = []
    while left:
        size = max(1, TOKENS_AT_ONCE // sum(map(len, left[0])))
        batches.append(left[:size])
        left = left[size:]
    return batches


SIDES = {PLAIN: plain, OURS: ours}


def forget_peak() -> None:
    """Lets the peak of this process's memory begin anew: loading takes more than what is loaded."""
    Path("/proc/self/clear_refs").write_text("5")


def memory_mb(which: Literal["VmHWM", "VmRSS"]) -> float:
    """What of this process is resident: the peak, or now."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(which))
    return int(line.split()[1]) / 1024


def measure(side: str, count: int) -> Measurement:
    """Measure in this process: tokens a second, extra memory, and the entropies."""
    pairs = make_pairs(count)
    entropies = SIDES[side]()
    entropies(make_pairs(count + WARM_UP)[count:])
    forget_peak()
    before = memory_mb("VmRSS")
    start, worked = time.perf_counter(), time.process_time()
    found = entropies(pairs)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    return {
        "tokens": sum(map(len, found)),
        "tokens_per_second": sum(map(len, found)) / seconds,
        "cpu_seconds": worked,
        "extra_mb": memory_mb("VmHWM") - before,
        "peak_mb": memory_mb("VmHWM"),
        "entropies": [value for values in found for value in values],
    }


def compare(count: int, repeats: int, out: Path) -> None:
    """Measure what the file lacks, the sides in turns, then print the table."""
    shape: dict[str, Any] = {"model": MODEL, "precision": "bf16", "pairs": count, "prompt": PROMPT}
    settings = {**shape, "solution": SOLUTION, **machine("torch", "transformers")}
    record = Record(out, json.loads(json.dumps(settings)))
    for repeat in range(repeats):
        for side in SIDES:
            command = ["--measure", side, "--pairs", count]
            record.take(partial(in_own_process, __file__, command), side=side, repeat=repeat)
    record.show(table_of(record))


def table_of(record: Record) -> Table:
    """One line a side: tokens of solutions a second, memory, and how far ours is from the other."""
    plain_ones, own = record.of(side=PLAIN), record.of(side=OURS)
    ratios = [a["tokens_per_second"] / b["tokens_per_second"] for a, b in zip(own, plain_ones, strict=True)]
    apart = [abs(a - b) for a, b in zip(own[0]["entropies"], plain_ones[0]["entropies"], strict=True)]
    table = Table(
        "side", "tokens", "tokens/s", "CPU s", "extra MB", "peak MB",
        caption=f"ratio of speed {median(ratios):.2f} (by turn {', '.join(f'{ratio:.2f}' for ratio in ratios)}); "
        f"entropies apart {sum(apart) / len(apart):.4f} in the mean, {max(apart):.4f} at most (nats)",
    )  # fmt: skip
    for side in SIDES:
        measured = record.of(side=side)
        table.add_row(
            side,
            f"{measured[0]['tokens']:,}",
            f"{median(item['tokens_per_second'] for item in measured):,.0f}",
            f"{median(item['cpu_seconds'] for item in measured):.1f}",
            f"{max(item['extra_mb'] for item in measured):,.0f}",
            f"{max(item['peak_mb'] for item in measured):,.0f}",
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=240)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("entropy_speed.json"))
    parser.add_argument("--measure", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        arguments.out.write_text(json.dumps(measure(arguments.measure, arguments.pairs)))
    else:
        compare(arguments.pairs, arguments.repeats, arguments.out)


if __name__ == "__main__":
    main()
