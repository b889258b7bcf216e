"""An audit with all its parts, made from the rows of made-up logs."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from selftrain.audit import Audit, AuditSettings, Cell, TextLoss, compare, tally

SETTINGS = AuditSettings(draws=200)
WORDS = ["so", "we", "add", "the", "two", "numbers", "and", "carry", "one", "then", "3 + 4 = 7", "2 * 5 = 10"]


def rows(chance: float, count: int, each: int, spread: int, seed: int, levels: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of a model that is right with a chance; `spread` is how many different words it uses."""
    rng = np.random.default_rng(seed)
    for problem in range(count):
        easy = chance * (0.4 + 1.2 * ((problem * 7) % count) / count)
        for index in range(each):
            right = rng.random() < easy
            text = " ".join(rng.choice(WORDS[:spread], 14))
            answer = "7" if right else [None, "8", "9"][rng.integers(3)]
            yield {
                "problem": f"p{problem}", "judgement": "right" if right else "wrong", "response": text,
                "answer": answer, "finish": "length" if answer is None else "stop", "tokens": 20 + len(text),
                "nll": 0.3 + rng.random(), "level": levels[problem % len(levels)], "index": index,
                "scores": {"rouge_l": len(set(text)) / 100, "bleu": len(text) / 2, "quality": 1 + len(text) % 7},
            }  # fmt: skip


def embed(texts: Any) -> np.ndarray:
    """Embeddings that differ as texts differ."""
    return np.array([[1.0 + text.count(word) for word in ("so", "we", "add", "one")] for text in texts])


def text_loss(scale: float, name: str) -> TextLoss:
    """The loss of a model on a text of 30 pieces."""
    tokens = np.full(30, 10)
    nll = scale * (20 + np.arange(30.0) % 7)
    return TextLoss(name=name, nll=nll, tokens=tokens, pieces="d", labels={"model": "m"})


@lru_cache(maxsize=4)
def full_audit(name: Callable[[str], str] = str, rise: float = 0.25, count: int = 80, each: int = 8) -> Audit:
    """An audit that has every part; `name` makes the names that come from outside."""
    levels = [name("level 1"), name("level 2")]

    def cell(chance: float, model: str, *, n: int = each, spread: int = 12, seed: int = 0) -> Cell:
        labels = {"model": name(model), "prompt": name("chat"), "samples": n, "temperature": 0.7, "step": f"s{seed}"}
        return tally(rows(chance, count, n, spread, seed, levels), labels, embed)

    before, after = cell(0.4, "before", seed=1), cell(0.4 + rise, "after", spread=8, seed=2)
    return compare(
        before,
        after,
        same_prompt=cell(0.3, "before", seed=3),
        null=cell(0.4, "before", seed=4),
        suites={name("hard"): (cell(0.2, "before", seed=5), cell(0.2, "after", seed=6))},
        texts={name("book"): (text_loss(1.0, name("book")), text_loss(1.1, name("book")))},
        greedy=(cell(0.5, "before", n=1, seed=7), cell(0.6, "after", n=1, seed=8)),
        rounds=[before, cell(0.8, "middle", seed=9), after],
        settings=SETTINGS,
    )
