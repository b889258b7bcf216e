"""Whether a candidate takes its parent's place."""

from typing import Literal

from selftrain.audit.cells import Cell, judged
from selftrain.audit.figures import Figure, differences, guarded
from selftrain.audit.measures import passing
from selftrain.audit.settings import AuditSettings
from selftrain.audit.verdict import Audit

Policy = Literal["always", "unless_regress", "on_progress"]


def non_inferior(base: Cell, candidate: Cell, settings: AuditSettings | None = None) -> Figure:
    """pass@1 of a candidate against the run's base: `figure.holds` says the loss stays within the margin.

    The margin is `settings.margin_of("pass@1")`. Against the base and not the parent, so that losses each
    too small to see cannot add up over rounds. Raises DataError when the cells share no judged problem.
    """
    settings = settings or AuditSettings()
    return guarded(differences([passing("pass@1", *judged(base, candidate), 1)], settings), settings)[0]


def promotes(policy: Policy, audit: Audit, against_base: Figure) -> tuple[bool, str]:
    """Whether to promote, and why in one line.

    `always` promotes; `unless_regress` refuses a regress; `on_progress` asks for progress. The latter two
    also want `against_base`, what `non_inferior` gave, to hold: the candidate may not be worse than the base.
    """
    if policy == "always":
        return True, f"promoted: the policy is always (verdict {audit.verdict})"
    wanted = audit.verdict == "progress" if policy == "on_progress" else audit.verdict != "regress"
    if not wanted:
        return False, f"refused: the verdict is {audit.verdict} and the policy is {policy}"
    if not against_base.holds:
        return False, (
            f"refused: pass@1 may lie {-against_base.low:.3f} below the base, "
            f"more than the margin of {against_base.margin:.3f}"
        )
    return True, f"promoted: the verdict is {audit.verdict} and the policy is {policy}"
