"""Compare two models on the same problems: from cells to an audit."""

from collections.abc import Iterator, Mapping

from selftrain.audit.caveats import settings_warnings, unjudged_bounds, unjudged_share, unjudged_warnings
from selftrain.audit.cells import Cell, judged, paired
from selftrain.audit.change import support_change
from selftrain.audit.curve import curve
from selftrain.audit.figures import (
    Difference,
    Figure,
    common_k,
    guarded,
    pass_difference,
    retention_difference,
    share_difference,
    solved,
    two_sided,
    with_k,
)
from selftrain.audit.settings import AuditSettings
from selftrain.audit.verdict import Audit, Null, decide
from selftrain.errors import DataError

Suites = Mapping[str, tuple[Cell, Cell]]


def compare(
    before: Cell,
    after: Cell,
    *,
    same_prompt: Cell | None = None,
    null: Cell | None = None,
    suites: Suites | None = None,
    greedy: tuple[Cell, Cell] | None = None,
    settings: AuditSettings | None = None,
) -> Audit:
    """Audit a candidate (`after`) against its parent under the parent's own best prompt (`before`).

    `same_prompt`: the parent under the candidate's prompt; its figures stand beside and make no verdict.
    `null`: the parent again, as in `before` but freshly sampled. `suites`: (before, after) on each
    out-of-distribution suite. `greedy`: (before, after) with one response a problem. Raises DataError when
    two cells to be compared share no problem that both have judged responses for.
    """
    settings, suites = settings or AuditSettings(), suites or {}
    whole = paired(before, after)
    b, a = judged(before, after)
    k = common_k(b, a)
    primary = two_sided(pass_difference("pass@1", b, a, 1, settings), settings, "primary")
    differences, absent = _guards(b, a, k, null, suites, settings)
    guards = guarded(differences, settings)
    verdict, because = decide(primary, guards)
    figures = (primary, *guards, *_beside(a, k, same_prompt, greedy, settings))
    many_unjudged = any(unjudged_share(cell) > settings.max_unjudged for cell in whole[:2])
    named = {"before": before, "after": after, "same prompt": same_prompt, "null": null}
    cells = {name: cell for name, cell in named.items() if cell is not None}
    kb, ka = with_k(k, b, a)
    return Audit(
        verdict=verdict,
        because=tuple(figure.name for figure in because),
        problems_needed=max(f.problems_needed for f in because) if verdict == "inconclusive" else None,
        figures=figures,
        null=_null(b, null, settings) if null else None,
        curve=curve(kb, ka, k, settings),
        support=support_change(solved(kb, k), solved(ka, k)) if k > 1 else None,
        bounds=unjudged_bounds(whole.first, whole.second) if many_unjudged else None,
        counts={
            "problems": len(b.problems),
            "problems in one log only": whole.unmatched,
            "problems without a judged response": len(whole.first.problems) - len(b.problems),
            "largest common k": k,
            **_responses("before", whole.first),
            **_responses("after", whole.second),
        },
        warnings=(*absent, *_warnings(cells, suites, figures, whole.unmatched, settings)),
        labels={name: cell.labels for name, cell in cells.items()},
        settings=settings,
    )


def _guards(
    before: Cell, after: Cell, k: int, null: Cell | None, suites: Suites, settings: AuditSettings
) -> tuple[list[Difference], list[str]]:
    """The guards there are, and a line for each required guard that is absent."""
    differences, absent = [], []
    if k > 1:
        kb, ka = with_k(k, before, after)
        differences.append(pass_difference(f"pass@{k}", kb, ka, k, settings))
    else:
        absent.append("one response a problem: pass@k and retention guards are absent")
    differences += [pass_difference(f"pass@1 on {suite}", *judged(*two), 1, settings) for suite, two in suites.items()]
    if k > 1 and null is None:
        absent.append("no null: the retention guard is absent; sample the parent again to have it")
    if k > 1 and null is not None:
        retention = _retention(before, after, null, settings)
        if retention.estimate.problems:
            differences.append(retention)
        else:
            absent.append("the parent solved no problem: the retention guard is absent")
    differences += [share_difference(name, before, after, settings) for name in ("unparsed", "truncated")]
    return differences, absent


def _retention(before: Cell, after: Cell, null: Cell, settings: AuditSettings) -> Difference:
    b, fresh = judged(before, null)
    a = after.take(b.problems)
    k = common_k(b, a, fresh)
    kb, ka, kf = with_k(k, b, a, fresh)
    return retention_difference(kb, ka, kf, k, settings)


def _beside(
    after: Cell,
    k: int,
    same_prompt: Cell | None,
    greedy: tuple[Cell, Cell] | None,
    settings: AuditSettings,
) -> Iterator[Figure]:
    """The figures that make no verdict."""
    if same_prompt is not None:
        parent, candidate = judged(same_prompt, after)
        for at in sorted({1, min(k, common_k(parent, candidate))}):
            kp, kc = with_k(at, parent, candidate)
            yield two_sided(pass_difference(f"pass@{at}, same prompt", kp, kc, at, settings), settings, "secondary")
    if greedy is not None:
        if max(int(cell.responses.max(initial=0)) for cell in greedy) > 1:
            raise DataError("greedy logs hold several responses a problem: give one response a problem")
        yield two_sided(pass_difference("greedy pass@1", *judged(*greedy), 1, settings), settings, "secondary")


def _null(before: Cell, null: Cell, settings: AuditSettings) -> Null:
    b, fresh = judged(before, null)
    k = common_k(b, fresh)
    kb, kf = with_k(k, b, fresh)
    return Null(
        pass_1=two_sided(pass_difference("null pass@1", b, fresh, 1, settings), settings, "secondary"),
        support=support_change(solved(kb, k), solved(kf, k)) if k > 1 else None,
    )


def _responses(name: str, cell: Cell) -> dict[str, int]:
    return {
        f"responses {name}": int(cell.responses.sum()),
        f"unjudged {name}": int(cell.unjudged.sum()),
        f"unparsed {name}": int(cell.unparsed.sum()),
        f"truncated {name}": int(cell.truncated.sum()),
    }


def _warnings(
    cells: Mapping[str, Cell],
    suites: Suites,
    figures: tuple[Figure, ...],
    unmatched: int,
    settings: AuditSettings,
) -> Iterator[str]:
    if unmatched:
        yield f"{unmatched} problems are in one log only and were left out"
    on_suites = {
        f"{side} on {name}": cell
        for name, two in suites.items()
        for side, cell in zip(("before", "after"), two, strict=True)
    }
    yield from unjudged_warnings({**cells, **on_suites}, settings.max_unjudged)
    yield from settings_warnings(cells["before"], {n: c for n, c in cells.items() if n != "before"})
    for name, (first, second) in suites.items():
        yield from settings_warnings(first, {f"after on {name}": second})
    if strangers := settings.margins.keys() - {figure.name for figure in figures}:
        yield f"margins name no figure of this audit: {', '.join(sorted(strangers))}"
