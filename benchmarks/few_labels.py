"""What few labels and many problems without come to, stage by stage: SemiEvol and its ablations over several seeds.

    python benchmarks/few_labels.py --seeds 0 1 --workspace runs --out few_labels.json

Runs the sweep of `few_labels.yaml` (or `--config`) once for each seed, which draws the problems and their parts anew,
and pools: a problem of one seed is a unit, pass@1 of each is compared with the base's and with the first variant's
by the audit's own estimator. Further words, such as `audit.samples=2`, go to every sweep. A sweep that is there is
read back, one that was stopped goes on.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from selftrain.audit import AuditSettings, Figure
from selftrain.audit.cells import judged
from selftrain.audit.figures import differences, two_sided
from selftrain.audit.measures import Measured, passing
from selftrain.logs import Log, match
from selftrain.logs.runs import run_sides
from selftrain.pseudo_labels import read_pseudo_labels
from selftrain.report.pseudo import Accuracy, PseudoAccuracy, pseudo_accuracy
from selftrain.store import write_json
from selftrain.sweep import run_sweep
from selftrain.sweep.variants import read_sweep


class Sides(NamedTuple):
    """What a run measured, and the pseudo-labels of its first round."""

    base: Log
    final: Log
    pseudo: list[dict[str, Any]]


def read_sides(run: Path) -> Sides:
    """A run that has ended."""
    sides = run_sides(run)
    labels = run / "rounds" / "01" / "pseudo_labels.parquet"
    return Sides(sides["before"], sides["after"], read_pseudo_labels(labels) if labels.exists() else [])


def pooled(pairs: Sequence[tuple[Log, Log]], settings: AuditSettings) -> Figure:
    """pass@1 of second logs against first ones, over the problems of all pairs."""
    matched = [match(*pair) for pair in pairs]
    found = [passing("pass@1", *judged(first.main, second.main), 1) for first, second in matched]
    before, after = (np.concatenate([getattr(one, side) for one in found]) for side in ("before", "after"))
    return two_sided(
        differences([Measured(name="pass@1", before=before, after=after)], settings)[0], settings, "primary"
    )


def main() -> None:
    """Runs the sweeps that are not there yet and prints what they came to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default=str(Path(__file__).with_name("few_labels.yaml")))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--workspace", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=Path("few_labels.json"))
    parser.add_argument("words", nargs="*", help="key=value words for every sweep")
    asked = parser.parse_args()
    stem = Path(asked.config).stem.replace("_", "-")
    found: dict[str, list[Sides]] = {}
    for seed in asked.seeds:
        words = [f"seed={seed}", f"name={stem}-{seed}", f"workspace={asked.workspace}", *asked.words]
        run_sweep(asked.config, words)
        for variant in read_sweep(asked.config, words).variants:
            found.setdefault(variant.name, []).append(read_sides(variant.folder))
    report(found, asked.seeds, asked.out)


def report(found: dict[str, list[Sides]], seeds: Sequence[int], out: Path) -> None:
    """Prints a row a variant, and keeps the numbers."""
    settings, first = AuditSettings(), next(iter(found.values()))
    table = Table(
        title=f"pass@1 on test, {sum(len(one.base.main.problems) for one in first)} problems of seeds {seeds}"
    )
    for name in ("variant", "pass@1", "by seed", "- base", "- first", "pseudo-labels right", "kept right"):
        table.add_column(name)
    base = pooled([(one.base, one.base) for one in first], settings)
    table.add_row("base", f"{base.before:.3f}", *[""] * 5)
    kept: dict[str, Any] = {"seeds": list(seeds), "base": base.before, "variants": {}}
    for name, sides in found.items():
        gain = pooled([(one.base, one.final) for one in sides], settings)
        over = pooled([(one.final, other.final) for one, other in zip(first, sides, strict=True)], settings)
        each = [pooled([(one.base, one.final)], settings).after for one in sides]
        pseudo = pseudo_accuracy([row for one in sides for row in one.pseudo])
        shown = " ".join(f"{value:.3f}" for value in each)
        table.add_row(name, f"{gain.after:.3f}", shown, told(gain), told(over), *right(pseudo))
        kept["variants"][name] = {
            "pass@1": gain.after,
            "by seed": each,
            "from base": [gain.difference, gain.low, gain.high],
            "from first": [over.difference, over.low, over.high],
            "pseudo-labels": [accuracies(pseudo.before), accuracies(pseudo.after)],
        }
        write_json(out, kept)
    Console(width=160).print(table)


def told(figure: Figure) -> str:
    """A difference with its interval."""
    return f"{figure.difference:+.3f} ({figure.low:+.3f} to {figure.high:+.3f})"


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
