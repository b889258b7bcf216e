"""The verdict: what the figures of an audit make, and everything it rests on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from selftrain.audit.caveats import Bounds
from selftrain.audit.curve import Curve
from selftrain.audit.figures import Figure
from selftrain.audit.settings import AuditSettings

Verdict = Literal["progress", "reversal", "regress", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    """The parent against itself: what chance alone does to the figures."""

    pass_1: Figure
    """Fresh samples of the parent against its audit samples."""
    support: dict[str, float] | None
    """Support change from the audit samples to the fresh ones; None with one response a problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A verdict with everything it rests on; before is the parent, after the candidate."""

    verdict: Verdict
    because: tuple[str, ...]
    """Names of the figures that made the verdict."""
    problems_needed: int | None
    """Inconclusive only: problems that give 80 % power for the figures that left it open."""
    figures: tuple[Figure, ...]
    """The primary first, then the guards, then what stands beside."""
    null: Null | None
    curve: Curve
    support: dict[str, float] | None
    """Support change from before to after at the largest common k; None with one response a problem."""
    bounds: Bounds | None
    """pass@1 with all unjudged responses wrong or right, when more than `max_unjudged` are unjudged."""
    counts: Mapping[str, int]
    warnings: tuple[str, ...]
    labels: Mapping[str, Mapping[str, Any]]
    settings: AuditSettings

    @property
    def primary(self) -> Figure:
        """The figure that says up or down."""
        return self.figures[0]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: undefined numbers are null, figures go by name."""
        null = self.null and {"pass@1": asdict(self.null.pass_1), "support": self.null.support}
        values = {
            "verdict": self.verdict,
            "because": self.because,
            "problems_needed": self.problems_needed,
            "figures": {figure.name: asdict(figure) for figure in self.figures},
            "null": null,
            "curve": asdict(self.curve),
            "support": self.support,
            "bounds": self.bounds,
            "counts": self.counts,
            "warnings": self.warnings,
            "labels": self.labels,
            "settings": self.settings.model_dump(),
        }
        return {key: _plain(value) for key, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Audit":
        """The audit that `to_json` was called on. Raises KeyError, TypeError or ValueError for other values."""
        null, curve = values["null"], values["curve"]
        return cls(
            verdict=values["verdict"],
            because=tuple(values["because"]),
            problems_needed=values["problems_needed"],
            figures=tuple(Figure(**_numbers(figure)) for figure in values["figures"].values()),
            null=null and Null(pass_1=Figure(**_numbers(null["pass@1"])), support=_numbers(null["support"])),
            curve=Curve(**{**_numbers(curve), "crossover": curve["crossover"]}),
            support=_numbers(values["support"]),
            bounds=_numbers(values["bounds"]),
            counts=values["counts"],
            warnings=tuple(values["warnings"]),
            labels=values["labels"],
            settings=AuditSettings(**values["settings"]),
        )


def decide(primary: Figure, guards: Sequence[Figure]) -> tuple[Verdict, list[Figure]]:
    """The verdict and the figures that made it.

    `progress`: primary up and every guard held. `reversal`: primary up, a guard down. `regress`: primary
    down, or primary not up and a guard down. Else `inconclusive`. Source of reversal: arXiv 2407.05013.
    """
    fallen = [guard for guard in guards if guard.state == "down"]
    unknown = [guard for guard in guards if guard.state == "unknown"]
    if primary.state == "down":
        return "regress", [primary, *fallen]
    if primary.state == "up" and fallen:
        return "reversal", [primary, *fallen]
    if fallen:
        return "regress", fallen
    if primary.state == "up" and not unknown:
        return "progress", [primary, *guards]
    return "inconclusive", unknown if primary.state == "up" else [primary]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _numbers(value: Any, top: bool = True) -> Any:
    """JSON values with nan where a number was undefined; null as a whole stays None."""
    if isinstance(value, Mapping):
        return {key: _numbers(item, False) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item, False) for item in value]
    return math.nan if value is None and not top else value
