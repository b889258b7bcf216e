"""Promotion: every policy against every verdict, and non-inferiority to the base."""

from dataclasses import replace

import numpy as np
import pytest
from make_cells import drawn

from selftrain.audit import Audit, AuditSettings, Policy, Verdict, compare, non_inferior, promotes

SETTINGS = AuditSettings(draws=300)
CHANCE = np.random.default_rng(0).beta(1, 1, 200)


def pair(change: float, problems: int = 200) -> tuple:
    rng = np.random.default_rng(1)
    chance = CHANCE[:problems]
    return drawn(chance, 8, rng), drawn(np.clip(chance + change, 0, 1), 8, rng)


AUDIT = compare(*pair(0.0), settings=SETTINGS)


def with_verdict(verdict: Verdict) -> Audit:
    return replace(AUDIT, verdict=verdict)


@pytest.mark.parametrize(
    ("policy", "accepted"),
    [
        ("always", {"progress", "reversal", "regress", "inconclusive"}),
        ("unless_regress", {"progress", "reversal", "inconclusive"}),
        ("on_progress", {"progress"}),
    ],
)
@pytest.mark.parametrize("verdict", ["progress", "reversal", "regress", "inconclusive"])
def test_policies(policy: Policy, accepted: set[Verdict], verdict: Verdict) -> None:
    decision, reason = promotes(policy, with_verdict(verdict), non_inferior(*pair(0.0), settings=SETTINGS))
    assert decision == (verdict in accepted)
    assert reason.startswith("promoted" if decision else "refused")
    assert verdict in reason
    assert "\n" not in reason


def test_a_candidate_below_the_base_is_refused_unless_always() -> None:
    below = non_inferior(*pair(-0.2), settings=SETTINGS)
    assert not below.holds
    for policy in ("unless_regress", "on_progress"):
        decision, reason = promotes(policy, with_verdict("progress"), below)
        assert not decision
        assert "below the base" in reason
    assert promotes("always", with_verdict("regress"), below)[0]


def test_non_inferiority_needs_proof_not_absence_of_proof() -> None:
    assert non_inferior(*pair(0.0), settings=SETTINGS).holds
    assert non_inferior(*pair(0.1), settings=SETTINGS).holds
    assert not non_inferior(*pair(0.0, problems=8), settings=SETTINGS).holds
    held = non_inferior(*pair(0.0), settings=SETTINGS)
    assert promotes("on_progress", with_verdict("progress"), held)[0]


def test_the_margin_of_non_inferiority_can_be_set() -> None:
    strict = AuditSettings(draws=300, margins={"pass@1": 0.001})
    assert not non_inferior(*pair(0.0), settings=strict).holds
