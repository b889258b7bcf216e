"""Compare two models on the same problems: from cells to an audit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from selftrain.audit.calibration import vote_calibration
from selftrain.audit.caveats import caveats, unjudged_bounds
from selftrain.audit.cells import Cell, Pair, judged, paired
from selftrain.audit.change import support_change
from selftrain.audit.coverage import coverage
from selftrain.audit.curve import curves
from selftrain.audit.figures import differences, guarded, two_sided
from selftrain.audit.forgetting import TextLoss, text_difference
from selftrain.audit.levels import by_level
from selftrain.audit.measures import common_k, passing, solved, with_k
from selftrain.audit.null import fresh_null, split_null
from selftrain.audit.problem_tests import problem_tests
from selftrain.audit.roles import Suites, beside, guards
from selftrain.audit.rounds import over_rounds
from selftrain.audit.sets import chosen_sets
from selftrain.audit.settings import AuditSettings
from selftrain.audit.verdict import Alone, Audit, decide

Texts = Mapping[str, tuple[TextLoss, TextLoss]]


def compare(
    before: Cell,
    after: Cell,
    *,
    same_prompt: Cell | None = None,
    null: Cell | None = None,
    suites: Suites | None = None,
    texts: Texts | None = None,
    greedy: tuple[Cell, Cell] | None = None,
    rounds: Sequence[Cell] = (),
    settings: AuditSettings | None = None,
) -> Audit:
    """Audit a candidate (`after`) against its parent under the parent's own best prompt (`before`).

    `same_prompt`: the parent under the candidate's prompt; its figures stand beside and make no verdict.
    `null`: the parent again, as in `before` but freshly sampled; without it the null is made of halves of
    `before`. `suites`: (before, after) on each out-of-distribution suite. `texts`: (before, after) on each text
    that must not be forgotten. `greedy`: (before, after) with one response a problem. `rounds`: cells of the
    models from the first to the last, for rise and collapse. Raises DataError when two cells to be compared
    share no problem that both have judged responses for.
    """
    settings, suites = settings or AuditSettings(), suites or {}
    pair, (b, a) = paired(before, after), judged(before, after)
    k = common_k(b, a)
    kb, ka = with_k(k, b, a)
    measured = [
        replace(passing("pass@1", b, a, 1), role="primary"),
        *guards(b, a, k, null, suites, settings),
        *beside(b, a, k, same_prompt, greedy, settings),
    ]
    found = differences(measured, settings)
    found += [text_difference(*two, settings) for two in (texts or {}).values()]
    primary = two_sided(found[0], settings, "primary")
    deciding = guarded([one for one in found if one.role == "guard"], settings)
    others = [two_sided(one, settings, "secondary") for one in found if one.role == "secondary"]
    verdict, because = decide(primary, deciding)
    cells = _named(before, after, same_prompt, null, suites, greedy)
    figures = (primary, *deciding, *others)
    return Audit(
        verdict=verdict,
        because=tuple(figure.name for figure in because),
        problems_needed=max(f.problems_needed for f in because) if verdict == "inconclusive" else None,
        figures=figures,
        null=fresh_null(b, a, null, settings) if null else split_null(b, a, k),
        curves=curves(kb, ka, k, settings),
        support=support_change(solved(kb, k), solved(ka, k)),
        sets=chosen_sets(b, a),
        greedy_sets=chosen_sets(b, a, greedy) if greedy else None,
        tests=problem_tests(b, a, judged(b, null) if null else None, settings),
        levels=by_level(b, a),
        coverage=coverage(b, a, k),
        calibration=vote_calibration(b, a, k),
        rounds=over_rounds(rounds),
        bounds=unjudged_bounds(pair.first, pair.second, settings.max_unjudged),
        counts=_counts(pair, b, k),
        alone=Alone(before=list(pair.alone[0][:_NAMED]), after=list(pair.alone[1][:_NAMED])),
        warnings=tuple(caveats(pair, b, a, k, cells, figures, settings)),
        labels={name: cell.labels for name, cell in cells.items()},
        settings=settings,
    )


_NAMED = 10
"""Problems that only one log has which are named, on each side."""


def _named(
    before: Cell,
    after: Cell,
    same_prompt: Cell | None,
    null: Cell | None,
    suites: Suites,
    greedy: tuple[Cell, Cell] | None,
) -> dict[str, Cell]:
    """All cells of an audit by what they are to it."""
    named = {"before": before, "after": after, "same prompt": same_prompt, "null": null}
    for suite, two in suites.items():
        named |= {f"before on {suite}": two[0], f"after on {suite}": two[1]}
    if greedy is not None:
        named |= {"greedy before": greedy[0], "greedy after": greedy[1]}
    return {name: cell for name, cell in named.items() if cell is not None}


def _counts(pair: Pair, judged: Cell, k: int) -> dict[str, int]:
    counts = {
        "problems": len(judged.problems),
        "problems in one log only": sum(map(len, pair.alone)),
        "problems without a judged response": len(pair.first.problems) - len(judged.problems),
        "largest common k": k,
    }
    for name, cell in (("before", pair.first), ("after", pair.second)):
        counts |= {f"responses {name}": int(cell.responses.sum()), f"unjudged {name}": int(cell.unjudged.sum())}
        for word, lost in (("unparsed", cell.unparsed), ("truncated", cell.truncated)):
            counts |= {} if lost is None else {f"{word} {name}": int(lost.sum())}
    return counts
