"""Chains of thought learned whole, or in segments by one model or two: AS-ES over several seeds.

    python benchmarks/segments.py --seeds 0 1 --workspace runs --out segments.json

Runs the sweep of `segments.yaml` (or `--config`) once for each seed, which draws the problems anew, and pools: a
problem of one seed is a unit, pass@1 of each variant is compared with the base's and with that of others by the audit's
own estimator. Further words, such as `audit.samples=2`, go to every sweep. A sweep that is there is read back,
one that was stopped goes on.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pooling import Pooled, interval, parser, pooled, sides, swept, told
from rich.console import Console
from rich.table import Table

from selftrain.audit import AuditSettings
from selftrain.segments.chains import Chain, read_chains
from selftrain.store import write_json

BASELINES = ("chains", "chains-long", "uni")
"""Variants that the others are compared with."""


class Learned(NamedTuple):
    """What a run came to, and what it cost."""

    logs: Pooled
    """Of its base, and of its final model."""
    read: int
    """Tokens that all its trainings read, those on the way included."""
    finished: float
    """Share of the final model's responses that ended by themselves."""
    chains: tuple[Chain, ...]


def learned(run: Path) -> Learned:
    """A run that has ended."""
    first, logs = run / "rounds" / "01", sides(run)
    chains = read_chains(first / "segments.parquet") if (first / "segments.parquet").exists() else ()
    read = json.loads((first / "funnel.json").read_text())["tokens"]["trained"]
    cell = logs[1].main
    cut = 0 if cell.truncated is None else cell.truncated.sum()
    return Learned(logs, read, float(1 - cut / cell.responses.sum()), chains)


def report(found: dict[str, list[Learned]], seeds: Sequence[int], out: Path) -> None:
    """Prints what every variant came to, and how they differ; keeps the numbers."""
    settings, first = AuditSettings(), next(iter(found.values()))
    problems = sum(len(one.logs[0].main.problems) for one in first)
    table = Table(title=f"pass@1 on test, {problems} problems of seeds {seeds}")
    for column in ("variant", "pass@1", "by seed", "- base", "ended", "tokens read", "segments", "abstractive"):
        table.add_column(column)
    apart = Table("variant", *(f"- {name}" for name in BASELINES), title="Differences of pass@1")
    kept: dict[str, Any] = {"seeds": list(seeds), "variants": {}}
    for name, each in found.items():
        gain = pooled([one.logs for one in each], settings)
        own = [pooled([one.logs], settings).after for one in each]
        labels = "".join(chain.labels for one in each for chain in one.chains)
        segments = sum(chain.segments[-1] + 1 for one in each for chain in one.chains)
        told_of = [f"{segments:,}", f"{labels.count('A') / len(labels):.2f}"] if labels else ["", ""]
        ended, read = sum(one.finished for one in each) / len(each), sum(one.read for one in each)
        shown = " ".join(f"{value:.3f}" for value in own)
        table.add_row(name, f"{gain.after:.3f}", shown, told(gain), f"{ended:.3f}", f"{read:,}", *told_of)
        over = {other: pooled(between(found[other], each), settings) for other in BASELINES if other != name}
        apart.add_row(name, *(told(over[other]) if other in over else "" for other in BASELINES))
        kept["base"] = gain.before
        kept["variants"][name] = {
            "pass@1": gain.after,
            "by seed": own,
            "from base": interval(gain),
            "from others": {other: interval(figure) for other, figure in over.items()},
            "ended": ended,
            "tokens read": read,
            "segments": segments,
        }
    write_json(out, kept)
    console = Console(width=160)
    console.print(f"base: {kept['base']:.3f}")
    console.print(table, apart)


def between(ones: Sequence[Learned], others: Sequence[Learned]) -> list[Pooled]:
    """The final models of one variant beside those of another, seed by seed."""
    return [(one.logs[1], other.logs[1]) for one, other in zip(ones, others, strict=True)]


def main() -> None:
    """Runs the sweeps that are not there yet and prints what they came to."""
    asked = parser(__file__, __doc__).parse_args()
    report(swept(asked, learned), asked.seeds, asked.out)


if __name__ == "__main__":
    main()
