"""The rule of the verdict, over every combination of states."""

import itertools

import pytest
from pydantic import ValidationError

from selftrain.audit import AuditSettings, Figure
from selftrain.audit.verdict import decide


def figure(name: str, state: str) -> Figure:
    return Figure(
        name=name,
        role="primary" if name == "pass@1" else "guard",
        before=0.5,
        after=0.5,
        better="higher",
        difference=0.0,
        low=-0.1,
        high=0.1,
        margin=0.05,
        state=state,  # type: ignore[arg-type]
        problems=10,
        p=0.5,
        problems_needed=100,
    )


STATES = ("up", "down", "held", "unknown")


@pytest.mark.parametrize(("primary", "first", "second"), itertools.product(("up", "down", "unknown"), STATES, STATES))
def test_the_rule_to_the_letter(primary: str, first: str, second: str) -> None:
    guards = {"g1": first, "g2": second}
    down = [name for name, state in guards.items() if state == "down"]
    every_held = all(state in ("held", "up") for state in guards.values())
    if primary == "up" and every_held:
        expected = ("progress", ["pass@1", "g1", "g2"])
    elif primary == "up" and down:
        expected = ("reversal", ["pass@1", *down])
    elif primary == "down":
        expected = ("regress", ["pass@1", *down])
    elif down:
        expected = ("regress", down)
    elif primary == "up":
        expected = ("inconclusive", [name for name, state in guards.items() if state == "unknown"])
    else:
        expected = ("inconclusive", ["pass@1"])
    assert decide(figure("pass@1", primary), [figure(n, s) for n, s in guards.items()], {}) == expected


@pytest.mark.parametrize(
    ("primary", "guard", "expected"),
    [
        ("up", "held", ("inconclusive", ["lost"])),
        ("up", "unknown", ("inconclusive", ["g", "lost"])),
        ("up", "down", ("reversal", ["pass@1", "g"])),
        ("down", "held", ("regress", ["pass@1"])),
        ("unknown", "held", ("inconclusive", ["pass@1"])),
    ],
)
def test_a_guard_that_cannot_be_told_is_not_held(primary: str, guard: str, expected: tuple[str, list[str]]) -> None:
    assert decide(figure("pass@1", primary), [figure("g", guard)], {"lost": "after has no answers"}) == expected


IMPOSSIBLE = (0, 1, 1.5, -0.1, float("nan"))


def test_settings_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValidationError):
        AuditSettings(maring=0.1)  # type: ignore[call-arg]
    margins = [{"margins": {"x": margin}} for margin in IMPOSSIBLE]
    for bad in ({"alpha": 0}, {"margin": 1.5}, {"draws": 1}, {"seed": -1}, *margins):
        with pytest.raises(ValidationError):
            AuditSettings(**bad)
    assert AuditSettings(margins={"pass@8": 0.1}).margin_of("pass@8") == 0.1
    assert AuditSettings().margin_of("pass@8") == 0.05
