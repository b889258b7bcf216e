"""Compare two models on the same problems: from cells to an audit."""

from collections.abc import Mapping, Sequence

from selftrain.audit.calibration import vote_calibration
from selftrain.audit.caveats import alone, caveats, unjudged_bounds
from selftrain.audit.cells import Cell
from selftrain.audit.change import support_change
from selftrain.audit.compared import Compared, Suites, compared
from selftrain.audit.coverage import coverage
from selftrain.audit.curve import curves
from selftrain.audit.figures import differences, guarded, two_sided
from selftrain.audit.forgetting import TextLoss, text_difference
from selftrain.audit.levels import by_level
from selftrain.audit.measures import solved
from selftrain.audit.null import null_of
from selftrain.audit.problem_tests import problem_tests
from selftrain.audit.roles import measured
from selftrain.audit.rounds import over_rounds
from selftrain.audit.sets import chosen_sets
from selftrain.audit.settings import AuditSettings
from selftrain.audit.verdict import Audit, decide

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
    lone: Mapping[str, str] | None = None,
    settings: AuditSettings | None = None,
) -> Audit:
    """Audit a candidate (`after`) against its parent under the parent's own best prompt (`before`).

    `same_prompt`: the parent under the candidate's prompt; its figures stand beside and make no verdict.
    `null`: the parent again, as in `before` but freshly sampled; without it the null is made of halves of
    `before`. `suites`: (before, after) on each out-of-distribution suite. `texts`: (before, after) on each text
    that must not be forgotten. `greedy`: (before, after) with one response a problem. `rounds`: cells of the
    models from the first to the last, for rise and collapse. `lone`: guards that one side lacks the responses
    for, and why; without them nothing is progress. Raises DataError when two cells to be compared share no problem
    that both have judged responses for.
    """
    settings = settings or AuditSettings()
    cut = compared(
        before,
        after,
        same_prompt=same_prompt,
        null=null,
        suites=suites or {},
        greedy=greedy,
        lone=lone or {},
        settings=settings,
    )
    return _audit(cut, texts or {}, rounds, settings)


def _audit(cut: Compared, texts: Texts, rounds: Sequence[Cell], settings: AuditSettings) -> Audit:
    found = differences(measured(cut, settings), settings)
    found += [text_difference(*two, settings) for two in texts.values()]
    primary = two_sided(found[0], settings, "primary")
    guards = guarded([one for one in found if one.role == "guard"], settings)
    beside = [two_sided(one, settings, "secondary") for one in found if one.role == "secondary"]
    verdict, because = decide(primary, guards, cut.withheld)
    needed = [figure.problems_needed for figure in (primary, *guards) if figure.name in because]
    before, after, (kb, ka), pair = cut.before, cut.after, cut.at_k, cut.pairs[""]
    figures, over = (primary, *guards, *beside), over_rounds(rounds)
    return Audit(
        verdict=verdict,
        because=tuple(because),
        problems_needed=max(needed, default=None) if verdict == "inconclusive" else None,
        figures=figures,
        null=null_of(before, after, cut.null, cut.k, settings),
        curves=curves(kb, ka, cut.k, settings),
        support=support_change(solved(kb, cut.k), solved(ka, cut.k)),
        sets=chosen_sets(before, after),
        greedy_sets=chosen_sets(before, after, cut.greedy) if cut.greedy else None,
        tests=problem_tests(before, after, cut.null, settings),
        levels=by_level(before, after, settings.levels),
        coverage=coverage(before, after, cut.k),
        calibration=vote_calibration(kb, ka, cut.k),
        rounds=over,
        bounds=unjudged_bounds(pair.first, pair.second, settings.max_unjudged),
        counts=_counts(cut),
        alone=alone(cut),
        withheld=dict(cut.withheld),
        warnings=tuple(caveats(cut, figures, settings, apart=len(rounds) > 2 and over is None)),
        labels={name: cell.labels for name, cell in cut.given.items()},
        settings=settings,
    )


def _counts(cut: Compared) -> dict[str, int]:
    pair = cut.pairs[""]
    counts = {
        "problems": len(cut.before.problems),
        "problems in one log only": sum(map(len, pair.alone)),
        "problems without a judged response": len(pair.first.problems) - len(cut.before.problems),
        "largest common k": cut.k,
        "problems with k responses": len(cut.at_k[0].problems),
    }
    for name, cell in (("before", pair.first), ("after", pair.second)):
        counts |= {f"responses {name}": int(cell.responses.sum()), f"unjudged {name}": int(cell.unjudged.sum())}
        for word, lost in (("unparsed", cell.unparsed), ("truncated", cell.truncated)):
            counts |= {} if lost is None else {f"{word} {name}": int(lost.sum())}
    return counts
