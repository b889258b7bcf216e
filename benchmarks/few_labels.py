"""What few labels and many problems without come to, stage by stage: SemiEvol and its ablations over several seeds.

    python benchmarks/few_labels.py --seeds 0 1 --workspace runs --out few_labels.json

Runs the sweep of `few_labels.yaml` (or `--config`) once for each seed, which draws the problems and their parts anew,
and pools: a problem of one seed is a unit, pass@1 of each is compared with the base's and with the first variant's
by the audit's own estimator. Further words, such as `audit.samples=2`, go to every sweep. A sweep that is there is
read back, one that was stopped goes on.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pooling import Pooled, interval, parser, pooled, sides, swept, told
from rich.console import Console
from rich.table import Table

from selftrain.audit import AuditSettings
from selftrain.pseudo_labels import read_pseudo_labels
from selftrain.report.pseudo import Accuracy, PseudoAccuracy, pseudo_accuracy
from selftrain.store import write_json


class Sides(NamedTuple):
    """What a run measured, and the pseudo-labels of its first round."""

    logs: Pooled
    """Of its base, and of its final model."""
    pseudo: list[dict[str, Any]]


def read_sides(run: Path) -> Sides:
    """A run that has ended."""
    labels = run / "rounds" / "01" / "pseudo_labels.parquet"
    return Sides(sides(run), read_pseudo_labels(labels) if labels.exists() else [])


def main() -> None:
    """Runs the sweeps that are not there yet and prints what they came to."""
    asked = parser(__file__, __doc__).parse_args()
    report(swept(asked, read_sides), asked.seeds, asked.out)


def report(found: dict[str, list[Sides]], seeds: Sequence[int], out: Path) -> None:
    """Prints a row a variant, and keeps the numbers."""
    settings, first = AuditSettings(), next(iter(found.values()))
    table = Table(
        title=f"pass@1 on test, {sum(len(one.logs[0].main.problems) for one in first)} problems of seeds {seeds}"
    )
    for name in ("variant", "pass@1", "by seed", "- base", "- first", "pseudo-labels right", "kept right"):
        table.add_column(name)
    base = pooled([(one.logs[0], one.logs[0]) for one in first], settings)
    table.add_row("base", f"{base.before:.3f}", *[""] * 5)
    kept: dict[str, Any] = {"seeds": list(seeds), "base": base.before, "variants": {}}
    for name, each in found.items():
        gain = pooled([one.logs for one in each], settings)
        over = pooled([(one.logs[1], other.logs[1]) for one, other in zip(first, each, strict=True)], settings)
        seeds_own = [pooled([one.logs], settings).after for one in each]
        pseudo = pseudo_accuracy([row for one in each for row in one.pseudo])
        shown = " ".join(f"{value:.3f}" for value in seeds_own)
        table.add_row(name, f"{gain.after:.3f}", shown, told(gain), told(over), *right(pseudo))
        kept["variants"][name] = {
            "pass@1": gain.after,
            "by seed": seeds_own,
            "from base": interval(gain),
            "from first": interval(over),
            "pseudo-labels": [accuracies(pseudo.before), accuracies(pseudo.after)],
        }
        write_json(out, kept)
    Console(width=160).print(table)


def right(pseudo: PseudoAccuracy) -> list[str]:
    """Accuracy on the probe before and after selection, with intervals and counts."""
    shown = []
    for part in (pseudo.before, pseudo.after):
        low, high = part.interval()
        shown.append(f"{part.share:.3f} ({low:.3f} to {high:.3f}, n {part.judged})" if part.judged else "")
    return shown


def accuracies(part: Accuracy) -> list[float] | None:
    """Share, interval and count as plain values; None where nothing was judged."""
    return [part.share, *part.interval(), part.judged] if part.judged else None


if __name__ == "__main__":
    main()
