"""How fast questions are embedded, beside plain sentence-transformers, and how fast their neighbours are found.

    python benchmarks/retrieval.py --pairs 3 --out retrieval.json

Made-up questions of 40 tokens each are embedded by all-MiniLM-L6-v2: ours as a durable step in bf16, every vector on
disk at the end; the plain side by sentence-transformers in float32, 32 at a time. Then the 3 nearest of 8,000 vectors
are found for 8,000 queries. Each measurement is a process of its own and the sides take turns; loading is not timed.
What was measured is kept in the file, so a run that was cut short goes on where it stopped.
"""

import argparse
import json
import random
import resource
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from measuring import WIDTH, Measurement, Record, in_own_process, machine
from rich.console import Console
from rich.table import Table

TOKENS = 40
NEAREST, VECTORS, DIMENSIONS = 3, 8000, 384
WARM_UP = 64
SEED = 0
PLAIN, OURS, RETRIEVAL = "plain", "selftrain", "retrieval"


def made(count: int) -> list[str]:
    """Different questions of 40 tokens each: words that are one token, and the two that the tokenizer adds."""
    from transformers import AutoTokenizer

    from selftrain.embeddings import embedder_folder

    tokenizer = AutoTokenizer.from_pretrained(embedder_folder("minilm"), local_files_only=True)
    words = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha() and len(word) > 2)
    rng = random.Random(SEED)
    texts = [" ".join(rng.choices(words, k=TOKENS - 2)) for _ in range(count)]
    assert {len(ids) for ids in tokenizer(texts)["input_ids"]} == {TOKENS}
    return texts


def embed_plainly(texts: list[str]) -> tuple[float, np.ndarray]:
    """Seconds and rows of sentence-transformers as it comes."""
    from sentence_transformers import SentenceTransformer

    from selftrain.embeddings import embedder_folder

    model = SentenceTransformer(str(embedder_folder("minilm")), device="cpu", local_files_only=True)
    model.encode(texts[:WARM_UP], batch_size=32, show_progress_bar=False)
    start = time.perf_counter()
    rows = model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
    return time.perf_counter() - start, rows


def embed_durably(texts: list[str]) -> tuple[float, np.ndarray]:
    """Seconds and rows of our step, with the model loaded before."""
    from selftrain.blocks import Blocks
    from selftrain.embedding_step import embedded
    from selftrain.embeddings import load_embedder
    from selftrain.metrics import Metrics
    from selftrain.store import Workspace

    embed = load_embedder("minilm", precision="bf16")
    embed(texts[:WARM_UP])
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        blocks = Blocks(Workspace(Path(folder)), Metrics(), "embed", {}, "embed")
        rows = embedded(blocks, texts, lambda: embed)
        return time.perf_counter() - start, rows


def measure(side: str, questions: int) -> Measurement:
    """Measure in this process."""
    if side == RETRIEVAL:
        return measure_retrieval()
    seconds, rows = (embed_plainly if side == PLAIN else embed_durably)(made(questions))
    return {"questions_per_second": questions / seconds, "rows": [np.round(row, 6).tolist() for row in rows[:200]]}


def measure_retrieval() -> Measurement:
    """Seconds for all queries, and the peak of memory before and after."""
    from selftrain.neighbours import nearest

    rng = np.random.default_rng(SEED)
    rows, queries = (rng.normal(size=(VECTORS, DIMENSIONS)).astype(np.float32) for _ in range(2))
    nearest(rows[:WARM_UP], queries[:WARM_UP], NEAREST)
    before = peak_mb()
    start = time.perf_counter()
    nearest(rows, queries, NEAREST)
    return {"seconds": time.perf_counter() - start, "before_mb": before, "peak_mb": peak_mb()}


def peak_mb() -> float:
    """The peak of this process's memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare(questions: int, pairs: int, out: Path) -> None:
    """Measure what the file lacks, the sides in turns, then print the tables."""
    libraries = machine("torch", "sentence-transformers", "scikit-learn")
    record = Record(out, {"questions": questions, "tokens": TOKENS, **libraries})
    for pair in range(pairs):
        for side in (PLAIN, OURS, RETRIEVAL):
            command = ["--measure", side, "--questions", questions]
            record.take(partial(in_own_process, __file__, command), side=side, pair=pair)
    show(record, questions)


def show(record: Record, questions: int) -> None:
    """Prints what was measured."""
    plain, ours, found = (record.of(side=side) for side in (PLAIN, OURS, RETRIEVAL))
    rates = [[item["questions_per_second"] for item in side] for side in (plain, ours)]
    ratios = [own / other for other, own in zip(*rates, strict=True)]
    cosines = [rows @ rows.T for rows in (np.array(side[0]["rows"]) for side in (plain, ours))]
    table = Table("embedding", "questions", "questions a second", "by pair", "ratio", "by pair", "cosines moved by")
    for name, rate, own in (("plain, float32", rates[0], False), ("selftrain, bf16", rates[1], True)):
        numbers = f"{questions:,}", f"{median(rate):,.0f}", ", ".join(f"{each:,.0f}" for each in rate)
        beside = f"{median(ratios):.2f}", ", ".join(f"{each:.2f}" for each in ratios)
        moved = f"{np.abs(cosines[0] - cosines[1]).max():.4f}"
        table.add_row(name, *numbers, *((*beside, moved) if own else ()))
    Console(width=WIDTH).print(table)
    table = Table("retrieval", "seconds", "by run", "MB before", "peak MB", "all cosines in float32, MB")
    seconds = [item["seconds"] for item in found]
    table.add_row(
        f"{NEAREST} of {VECTORS:,} for {VECTORS:,}, {DIMENSIONS} numbers each",
        f"{median(seconds):.2f}",
        ", ".join(f"{each:.2f}" for each in seconds),
        f"{max(item['before_mb'] for item in found):,.0f}",
        f"{max(item['peak_mb'] for item in found):,.0f}",
        f"{4 * VECTORS**2 / 2**20:,.0f}",
    )
    record.show(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("retrieval.json"))
    parser.add_argument("--measure", choices=(PLAIN, OURS, RETRIEVAL), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        arguments.out.write_text(json.dumps(measure(arguments.measure, arguments.questions)))
    else:
        compare(arguments.questions, arguments.pairs, arguments.out)


if __name__ == "__main__":
    main()
