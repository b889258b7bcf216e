"""The folder of a made-up run whose rounds cut chains into segments, as a real run would leave it."""

import numpy as np
import yaml
from make_run import make_run, plain_text

from selftrain.segments.chains import Chain, save_chains
from selftrain.store import read_parquet

WORDS = ("there", "are", "3", "red", "and", "4", "blue", "beads", "in", "the", "big", "box", "which", "Ann", "gave")
BETA = 1.4


def plain_piece(chain, place):
    """What a piece of a made-up chain says."""
    return " ".join(WORDS[(chain * 5 + place * 3 + i) % len(WORDS)] for i in range(3 + (chain + place) % 6))


def labels_of(scores, beta=BETA):
    """A is what scores above `beta` times the mean."""
    scores = np.asarray(scores)
    return "".join("A" if score > beta * scores.mean() else "E" for score in scores)


def merged(labels):
    """Neighbours of one label in one segment."""
    return tuple(np.cumsum([i > 0 and labels[i] != labels[i - 1] for i in range(len(labels))]).tolist())


def make_chain(number, problem, response, rng, piece, scored):
    """A chain of 1 to 9 pieces; every seventh is not trained, every fifth is a person's."""
    count = 1 + number % 9
    scores = rng.gamma(1.2, 1.5, count)
    labels = labels_of(scores)
    return Chain(
        problem=problem,
        response=response,
        source="rationale" if number % 5 == 4 else "response",
        pieces=tuple(piece(number, place) for place in range(count)),
        scores=tuple(scores.tolist()) if scored else (np.nan,) * count,
        labels=labels,
        segments=merged(labels),
        trained=number % 7 != 6,
    )


def make_segment_run(
    root, *, count=12, rounds=1, each=2, piece=plain_piece, scored=True, options=None, seed=0, text=plain_text, **more
):
    """A run whose every round cut `each` chains a problem; its recipe has `options`, such as `beta`."""
    folder, rng = make_run(root, count=count, rounds=rounds, text=text, **more), np.random.default_rng(seed)
    made = yaml.safe_load((folder / "run.yaml").read_text())
    made["config"]["recipe"]["options"] = {"strategy": "entropy", "beta": BETA} if options is None else options
    (folder / "run.yaml").write_text(yaml.safe_dump(made))
    problems = [row["id"] for row in read_parquet(folder / "problems.parquet") if row["part"] == "train"]
    for number in range(1, rounds + 1):
        asked = [(problem, f"{problem}-{number}-{i}") for problem in problems for i in range(each)]
        chains = [make_chain(i, *ids, rng, piece, scored) for i, ids in enumerate(asked)]
        save_chains(folder / "rounds" / f"{number:02d}" / "segments.parquet", chains)
    return folder
