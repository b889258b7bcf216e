"""Everything that one audit compares, cut to what both sides have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from selftrain.audit.cells import Cell, Pair, judged, paired
from selftrain.audit.measures import common_k, with_k
from selftrain.audit.settings import AuditSettings
from selftrain.audit.thinning import alike
from selftrain.errors import DataError

Suites = Mapping[str, tuple[Cell, Cell]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two models on the same problems, and what stands beside them."""

    pairs: Mapping[str, Pair]
    """Cells over common problems: "" the two logs, "null" the null against before, and each suite by its name."""
    before: Cell
    after: Cell
    """Over the problems with a judged response in both."""
    k: int
    at_k: tuple[Cell, Cell]
    """Over the problems with k judged responses in both, each with as many in the one as in the other."""
    suites: Suites
    """The suites that can be compared, over the problems with a judged response in both."""
    null: Cell | None
    same_prompt: Cell | None
    greedy: tuple[Cell, Cell] | None
    reason: bool
    """Whether right responses of both models are long enough, at the median problem, to hold reasoning."""
    withheld: Mapping[str, str]
    """Guards that only one of the two sides lets be told, and why: without them nothing is progress."""

    @property
    def given(self) -> dict[str, Cell]:
        """All cells with their labels, by what they are to the audit."""
        found = {"before": self.pairs[""].first, "after": self.pairs[""].second}
        found |= {"same prompt": self.same_prompt} if self.same_prompt else {}
        found |= {"null": self.null} if self.null else {}
        for suite, (before, after) in self.suites.items():
            found |= {f"before on {suite}": before, f"after on {suite}": after}
        greedy = self.greedy or ()
        return found | {f"greedy {side}": cell for side, cell in zip(("before", "after"), greedy, strict=False)}


def compared(
    before: Cell,
    after: Cell,
    *,
    same_prompt: Cell | None,
    null: Cell | None,
    suites: Suites,
    greedy: tuple[Cell, Cell] | None,
    lone: Mapping[str, str],
    settings: AuditSettings,
) -> Compared:
    """Cuts the cells; `lone` are guards that one side lacks the responses for, and why.

    A suite that cannot be compared is withheld. Raises DataError when the two share no problem that both have
    judged responses for, and when greedy cells hold several responses a problem.
    """
    if greedy is not None and max(int(cell.responses.max(initial=0)) for cell in greedy) > 1:
        raise DataError("greedy logs hold several responses a problem: give one response a problem")
    b, a = judged(before, after)
    k = common_k(b, a)
    pairs = {"": paired(before, after)} | ({"null": paired(before, null)} if null else {})
    whole, broken = {}, dict(lone)
    for suite, two in suites.items():
        try:
            whole[suite], pairs[suite] = judged(*two), paired(*two)
        except DataError as error:
            broken[f"pass@1 on {suite}"] = str(error)
    reason = all(right_words(cell) >= settings.reasoning_words for cell in (b, a))
    kb, ka = alike(*with_k(k, b, a), seed=settings.seed)
    return Compared(
        pairs=pairs,
        before=b,
        after=a,
        k=k,
        at_k=(kb, ka),
        suites=whole,
        null=null,
        same_prompt=same_prompt,
        greedy=greedy,
        reason=reason,
        withheld={**broken, **dict(_withheld(b, a, k, settings))},
    )


def right_words(cell: Cell) -> float:
    """Length of right responses in words at the median problem of a cell; nan where not known."""
    values = cell.detail.means["right words"] if cell.detail else np.empty(0)
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else np.nan


def _withheld(before: Cell, after: Cell, k: int, settings: AuditSettings) -> Iterator[tuple[str, str]]:
    """Guards that one log lets be told and the other does not."""
    sides = {"before": before, "after": after}
    alone = {side: common_k(cell) for side, cell in sides.items()}
    if k == 1 and max(alone.values()) > 1:
        fewer = min(alone, key=lambda side: alone[side])
        yield "pass@k", f"{fewer} has one response a problem"
    for name, lost in (("unparsed", "answers"), ("truncated", "word on how responses finished")):
        silent = [side for side, cell in sides.items() if getattr(cell, name) is None]
        if len(silent) == 1:
            yield name, f"{silent[0]} has no {lost}"
    words = {side: right_words(cell) for side, cell in sides.items()}
    if any(words[side] >= settings.reasoning_words for side in sides):
        silent = [side for side, cell in sides.items() if not has_texts(cell)]
        if silent:
            yield "distinct-n right", f"{silent[0]} has no texts of responses"


def has_texts(cell: Cell) -> bool:
    """Whether the texts of a cell's responses were looked at."""
    return cell.detail is not None and bool(np.isfinite(cell.detail.means["words"]).any())
