"""What came of a variant, read back from its run: its gain over the base and over the first variant, and its costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from selftrain.audit import Audit, AuditSettings, Figure, holm
from selftrain.audit.cells import judged
from selftrain.audit.figures import differences, two_sided
from selftrain.audit.measures import passing
from selftrain.config import RunConfig
from selftrain.errors import DataError
from selftrain.logs import Log, match, read_log, run_ends
from selftrain.report.record import RunRecord, read_run
from selftrain.sweep.variants import Variant

State = Literal["measured", "refused", "nothing to train on"]
TOKENS = ("drawn", "scored", "trained")
"""What a recipe spends tokens on."""
DIVERSITY = "distinct-n right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one variant."""

    variant: Variant
    state: State
    """`refused`: no candidate was promoted, and the last one stands here. `nothing to train on`: the base does."""
    base: float
    """pass@1 of the base on select, under its best prompt."""
    split: str | None
    """The split its figures are of; None without figures."""
    audit: Audit | None
    log: Log | None = field(repr=False)
    from_first: Figure | None
    """pass@1 against the first variant over the same problems."""
    why: str
    """Why there is no `from_first`; empty if there is, and for the first variant."""
    tokens: Mapping[str, int]
    rows: int
    """Rows, pairs or labelled responses trained, over all rounds."""

    @property
    def gain(self) -> Figure | None:
        """pass@1 against the base."""
        return self.audit.primary if self.audit else None

    @property
    def k(self) -> int:
        """The largest k that the base and the variant have in common; 1 without an audit."""
        return self.audit.counts["largest common k"] if self.audit else 1

    @property
    def support(self) -> Figure | None:
        """pass@k against the base."""
        return self._figure(f"pass@{self.k}") if self.k > 1 else None

    @property
    def diversity(self) -> Figure | None:
        """distinct-n of right responses against the base's; None where the audit does not tell it."""
        return self._figure(DIVERSITY)

    def _figure(self, name: str) -> Figure | None:
        found = [figure for figure in self.audit.figures if figure.name == name] if self.audit else []
        return found[0] if found else None


def read_outcome(variant: Variant, first: Outcome | None) -> Outcome:
    """What came of a variant whose run has ended; `first` is that of the first variant, None for itself."""
    record = read_run(variant.folder)
    measured = any(found.audit for found in record.rounds)
    ends = run_ends(record) if measured else None
    log = read_log(variant.folder) if measured else None
    split = ends.split if ends else None
    why = _incomparable(first, variant, log, split) if first else ""
    from_first = None
    if first and first.log and log and not why:
        try:
            from_first = gain_over(first.log, log, variant.config.audit.settings)
        except DataError as error:
            why = str(error)
    return Outcome(
        variant=variant,
        state="measured" if record.audit else "refused" if measured else "nothing to train on",
        base=max(record.baseline.get("pass@1", {}).values(), default=float("nan")),
        split=split,
        audit=ends.last if ends else None,
        log=log,
        from_first=from_first,
        why=why,
        tokens={kind: _spent(record, kind) for kind in TOKENS},
        rows=sum(int(found.funnel.get("rows", 0)) for found in record.rounds),
    )


def gain_over(first: Log, other: Log, settings: AuditSettings) -> Figure:
    """pass@1 of one log against another's, over the problems of both, as an audit would estimate it.

    Raises DataError when they share no problem that both have judged responses for.
    """
    before, after = match(first, other)
    measured = passing("pass@1", *judged(before.main, after.main), 1)
    return two_sided(differences([measured], settings)[0], settings, "primary")


def adjusted(outcomes: Sequence[Outcome]) -> list[float | None]:
    """p of each gain over the base after Holm's correction over all of them; None where there is none."""
    gains = [(place, one.gain.p) for place, one in enumerate(outcomes) if one.gain and np.isfinite(one.gain.p)]
    found: list[float | None] = [None] * len(outcomes)
    for (place, _), p in zip(gains, holm([p for _, p in gains]).tolist(), strict=True):
        found[place] = p
    return found


def best(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The variant with the highest pass@1 among those that were promoted, on one split; None if there is none."""
    found = [(one.gain.after, one) for one in outcomes if one.gain and one.state == "measured"]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _incomparable(first: Outcome, variant: Variant, log: Log | None, split: str | None) -> str:
    """Why a variant cannot be compared with the first; empty if it can.

    Both final models must have been measured alike: on one split, under one prompt, with one way of sampling and one
    precision, by one judge. Otherwise the difference is not of the models alone. What they were made from and how,
    base included, is what a sweep compares; the number of responses changes only how sure pass@1 is.
    """
    name = first.variant.name
    if log is None:
        return "nothing was trained"
    if first.log is None:
        return f"{name} trained nothing"
    if split != first.split:
        return f"measured on {split}, {name} on {first.split}"
    then, now = _measuring(first.variant.config), _measuring(variant.config)
    other = " and ".join(what for what in now if now[what] != then[what])
    return f"measured with another {other} than {name}" if other else ""


def _measuring(config: RunConfig) -> dict[str, Any]:
    """What pass@1 of a model to a problem depends on besides the model."""
    return {
        "prompt": config.prompt,
        "sampling (audit.sampling)": config.audit.sampling,
        "precision": config.engine.precision,
        "judge": config.judge.name or config.task.options.get("judge"),
    }


def _spent(record: RunRecord, kind: str) -> int:
    spent: list[Mapping[str, Any]] = [found.funnel.get("tokens", {}) for found in record.rounds]
    return sum(int(tokens.get(kind, 0)) for tokens in spent)
