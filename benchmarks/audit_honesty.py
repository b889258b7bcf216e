"""Whether the audit's verdicts and intervals keep their word, on simulated pairs of models whose truth is known.

    python benchmarks/audit_honesty.py
    python benchmarks/audit_honesty.py --pairs 100 --draws 200 --jobs 2 --json honesty.json

Every pair is audited whole, with an out-of-distribution suite, a text and either fresh samples of the parent or
halves of its responses as the null. The tables:

- verdicts on two samples of one model: progress, reversal and regress in 7 % each at most;
- verdicts on gains that cost something;
- coverage of the 95 % intervals: 93 to 97 %; where the exact binomial rule acts (fewer than six problems differ from
  the most common value) it may be above: `exact` is the share of such intervals. `points`: intervals without width;
- power to see a known gain: within 4 points of what the normal approximation with the true variance predicts.

`!` marks what is outside its limits by more than simulation error (a 95 % score interval). The numbers behind the
tables go to a file with `--json`. Exits with 1 when anything is marked.
"""

import argparse
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

from rich.console import Console
from rich.table import Table

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests" / "audit")]

from make_pairs import (  # noqa: E402
    COVERED,
    EXTREME,
    GAINS,
    LIMIT,
    LOSS,
    POWER,
    REVERSALS,
    SAME,
    SELDOM,
    World,
    enough_problems,
    outcome,
    outside,
    predicted_power,
)
from measuring import WIDTH  # noqa: E402

from selftrain.audit import AuditSettings  # noqa: E402

SIZES = (30, 100, 400)
WORLDS = {world.name: world for world in (SAME, *EXTREME, *GAINS.values(), *REVERSALS, LOSS)}
Result = dict[str, Any]


class Case(NamedTuple):
    """One kind of pair."""

    world: str
    problems: int
    n: int
    null: str = "fresh"


def cases() -> Iterator[Case]:
    """All kinds of pairs."""
    for problems in SIZES:
        for n in (1, 4, 8, 16):
            yield from (Case(SAME.name, problems, n, null) for null in ("fresh", "halves")[: 1 if n == 1 else 2])
        others = [*EXTREME, *GAINS.values(), *REVERSALS, LOSS]
        yield from (Case(world.name, problems, 8) for world in others)
        yield from (Case(world.name, problems, 16, "halves") for world in REVERSALS)
    yield from (Case(world.name, 100, n) for world in GAINS.values() for n in (1, 4, 16))
    yield from (Case(GAINS[g].name, enough_problems(GAINS[g], n), n) for g, n in ((0.05, 8), (0.1, 8), (0.1, 1)))


def simulated(case: Case, pairs: int, settings: AuditSettings) -> Result:
    """What the audits of many pairs of one kind came to."""
    verdicts: Counter[str] = Counter()
    states: defaultdict[str, Counter[str]] = defaultdict(Counter)
    coverage: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for seed in range(pairs):
        found = outcome(WORLDS[case.world], case.problems, case.n, case.null, seed, settings)  # type: ignore[arg-type]
        verdicts[found.verdict] += 1
        for name, state in found.states.items():
            states[name][state] += 1
        for name, seen in found.seen.items():
            point = seen.low == seen.high
            coverage[name].update({"all": 1, "covers": seen.covers, "exact": seen.exact, "points": point})
    return {**case._asdict(), "pairs": pairs, "verdicts": verdicts, "states": states, "coverage": coverage}


def verdicts(results: Sequence[Result]) -> Iterator[Table]:
    """Verdicts on two samples of one model, and on gains that cost something."""
    for title, worlds, limit in (
        (f"Two samples of one model: verdicts in %, limit {LIMIT:.0%} each", (SAME, *EXTREME), LIMIT),
        ("Models that gained and lost: verdicts in %", (*REVERSALS, LOSS), 1.0),
    ):
        names = ("progress", "reversal", "regress", "inconclusive")
        table = Table("pairs", "problems", "n", "null", *names, title=title)
        for one in chosen(results, worlds):
            counts = [one["verdicts"][name] for name in names]
            shown = [shares(count, one["pairs"], (0, limit)) for count in counts[:3]] + [
                shares(counts[3], one["pairs"])
            ]
            table.add_row(one["world"], str(one["problems"]), str(one["n"]), one["null"], *shown)
        yield table


def coverage(results: Sequence[Result]) -> Iterator[Table]:
    """Coverage of the intervals by figure and number of problems, over all n and nulls."""
    groups = {SAME.name: [SAME], "whole cells (nearly) all right or wrong": EXTREME}
    groups |= {"a gain": [*GAINS.values()], "a gain and a loss": REVERSALS, LOSS.name: [LOSS]}
    for title, worlds in groups.items():
        heads = [f"{size}{word}" for size in SIZES for word in ("", ", exact")]
        table = Table("figure", *heads, "points", title=f"95 % intervals by problems, {title}: truth within, in %")
        found: dict[str, dict[int, Counter[str]]] = defaultdict(lambda: {size: Counter() for size in SIZES})
        for one in chosen(results, worlds):
            for name, counts in one["coverage"].items():
                if one["problems"] in SIZES:
                    found[name][one["problems"]].update(counts)
        for name, sizes in found.items():
            cells = [cell for counts in sizes.values() for cell in covered(counts)]
            table.add_row(name, *cells, str(sum(counts["points"] for counts in sizes.values())))
        yield table


def covered(counts: Counter[str]) -> list[str]:
    """Coverage, and the share of intervals in which the exact rule acts."""
    often = counts["exact"] > SELDOM * counts["all"]
    limits = (COVERED[0], 1.0 if often else COVERED[1])
    return [shares(counts["covers"], counts["all"], limits), shares(counts["exact"], counts["all"])]


def power(results: Sequence[Result]) -> Iterator[Table]:
    """Power to call pass@1 up, predicted and observed."""
    table = Table("pairs", "problems", "n", "predicted", "observed", "difference", title="Power for pass@1, in %")
    for one in chosen(results, GAINS.values()):
        predicted = predicted_power(WORLDS[one["world"]], one["problems"], one["n"])
        limits = (max(predicted - POWER, 0), min(predicted + POWER, 1))
        seen = one["states"]["pass@1"]["up"]
        shown = [f"{100 * predicted:.1f}", shares(seen, one["pairs"], limits)]
        gap = f"{100 * (seen / one['pairs'] - predicted):+.1f}"
        table.add_row(one["world"], str(one["problems"]), str(one["n"]), *shown, gap)
    yield table


def chosen(results: Sequence[Result], worlds: Iterable[World]) -> list[Result]:
    """The results on some worlds, those of one world together."""
    return [one for world in worlds for one in results if one["world"] == world.name]


def shares(count: int, total: int, limits: tuple[float, float] = (0, 1)) -> str:
    """A share in %, marked where it is outside its limits for sure."""
    if not total:
        return ""
    return f"{100 * count / total:.1f}{' !' if outside(count, total, limits) else ''}"


def main() -> int:
    """Simulates, prints the tables and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=500, help="of each kind")
    parser.add_argument("--draws", type=int, default=2000, help="resamples of the problems in every audit")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--json", type=Path, help="file for the counts behind the tables")
    arguments = parser.parse_args()
    simulate = partial(simulated, pairs=arguments.pairs, settings=AuditSettings(draws=arguments.draws))
    # What takes longest comes first, so that no process is left with it at the end.
    order = sorted(cases(), key=lambda case: -case.problems)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        results = sorted(pool.map(simulate, order), key=lambda one: (one["problems"], one["n"], one["null"]))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))
    tables = [*verdicts(results), *coverage(results), *power(results)]
    console = Console(width=WIDTH)
    for table in tables:
        console.print(table)
    console.print(f"{arguments.pairs} pairs of each kind, {arguments.draws} resamples", highlight=False)
    return int(any(str(cell).endswith("!") for table in tables for column in table.columns for cell in column.cells))


if __name__ == "__main__":
    sys.exit(main())
