"""The verdict: what the figures of an audit make, and everything it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter

from selftrain.audit.calibration import Calibration
from selftrain.audit.caveats import Alone, Bounds
from selftrain.audit.coverage import Coverage
from selftrain.audit.curve import Curve
from selftrain.audit.figures import Figure
from selftrain.audit.levels import Levels
from selftrain.audit.null import Null, Support
from selftrain.audit.problem_tests import ProblemTests
from selftrain.audit.rounds import Rounds
from selftrain.audit.sets import Sets
from selftrain.audit.settings import AuditSettings

Verdict = Literal["progress", "reversal", "regress", "inconclusive"]


def _listed(figures: Any) -> Any:
    return tuple(figures.values()) if isinstance(figures, Mapping) else figures


def _named(figures: Sequence[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A verdict with everything it rests on; before is the parent, after the candidate."""

    verdict: Verdict
    because: tuple[str, ...]
    """Names of the figures that made the verdict."""
    problems_needed: int | None
    """Inconclusive only: problems that give 80 % power for the figures that left it open."""
    figures: Annotated[
        tuple[Figure, ...], BeforeValidator(_listed), PlainSerializer(_named, return_type=dict[str, Figure])
    ]
    """The primary first, then the guards, then what stands beside."""
    null: Null | None
    """None with one response a problem and no fresh samples."""
    curves: Mapping[str, Curve]
    """`pass@k`, `pass^k` and, where there are answers, `majority@k`."""
    support: Support
    """Support change from before to after at the largest common k."""
    sets: Sets | None
    """Chosen by each problem's first response, as the null's are."""
    greedy_sets: Sets | None
    """Chosen by greedy responses, as in the paper; None without them."""
    tests: ProblemTests
    levels: Levels | None
    coverage: Coverage | None
    calibration: Calibration | None
    rounds: Rounds | None
    bounds: Bounds | None
    """pass@1 with all unjudged responses wrong or right, when more than `max_unjudged` are unjudged."""
    counts: Mapping[str, int]
    alone: Alone
    withheld: Mapping[str, str]
    """Guards that only one side lets be told, and why: without them nothing is progress."""
    warnings: tuple[str, ...]
    labels: Mapping[str, Mapping[str, Any]]
    settings: AuditSettings

    @property
    def primary(self) -> Figure:
        """The figure that says up or down."""
        return self.figures[0]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: undefined numbers are null, figures go by name."""
        return dict(adapter().dump_python(self, mode="json"))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Audit":
        """The audit that `to_json` was called on. Raises ValueError for other values."""
        return adapter().validate_python(values)


@cache
def adapter() -> TypeAdapter[Audit]:
    """What reads and writes audits; its `json_schema` is published in docs/audit.schema.json."""
    return TypeAdapter(Audit)


def decide(primary: Figure, guards: Sequence[Figure], withheld: Mapping[str, str]) -> tuple[Verdict, list[str]]:
    """The verdict and the names of the figures that made it.

    `progress`: primary up and every guard held. `reversal`: primary up, a guard down. `regress`: primary
    down, or primary not up and a guard down. Else `inconclusive`. A guard that is withheld is not held. Source of
    reversal: arXiv 2407.05013.
    """
    fallen = [guard.name for guard in guards if guard.state == "down"]
    unknown = [*(guard.name for guard in guards if guard.state == "unknown"), *withheld]
    if primary.state == "down":
        return "regress", [primary.name, *fallen]
    if primary.state == "up" and fallen:
        return "reversal", [primary.name, *fallen]
    if fallen:
        return "regress", fallen
    if primary.state == "up" and not unknown:
        return "progress", [primary.name, *(guard.name for guard in guards)]
    return "inconclusive", unknown if primary.state == "up" else [primary.name]
