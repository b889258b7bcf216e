"""Whole comparisons: verdicts on known changes, honesty on none, edges, warnings, JSON."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from make_cells import counted, drawn

from selftrain.audit import Audit, AuditSettings, Cell, compare, support_change, tally
from selftrain.errors import DataError

SETTINGS = AuditSettings(draws=200)
RNG = np.random.default_rng(11)
CHANCE = RNG.beta(0.6, 1.4, 300)
BETTER = CHANCE + 0.15 * (1 - CHANCE)
NARROW = np.where(CHANCE > 0.3, 0.97, 0.0)
NO_TEXTS = "before and after have no texts of responses: figures of length, repetition and diversity are absent"


def figures(audit: Audit) -> dict[str, str]:
    return {figure.name: figure.state for figure in audit.figures}


def cells(*chances: np.ndarray, n: int = 8, seed: int = 0, **rates: float) -> list[Cell]:
    rng = np.random.default_rng(seed)
    return [drawn(chance, n, rng, **rates) for chance in chances]


def test_a_known_gain_is_progress_and_names_every_figure() -> None:
    before, after, null, hard, hard_after = cells(CHANCE, BETTER, CHANCE, CHANCE, CHANCE)
    audit = compare(before, after, null=null, suites={"hard": (hard, hard_after)}, settings=SETTINGS)
    assert audit.verdict == "progress"
    names = ("pass@1", "pass@8", "pass@1 on hard", "retention over null", "unparsed", "truncated")
    assert audit.because == names == tuple(figure.name for figure in audit.figures if figure.role != "secondary")
    assert audit.primary.low < float((BETTER - CHANCE).mean()) < audit.primary.high
    assert audit.problems_needed is None
    assert audit.warnings == (NO_TEXTS,)


def test_the_models_are_not_swapped() -> None:
    better, worse = cells(BETTER, CHANCE)
    audit = compare(better, worse, settings=SETTINGS)
    assert audit.verdict == "regress"
    assert audit.because[0] == "pass@1"
    assert audit.primary.difference < 0


def test_a_gain_that_narrows_support_is_a_reversal() -> None:
    before, after, null = cells(CHANCE, NARROW, CHANCE)
    audit = compare(before, after, null=null, settings=SETTINGS)
    assert audit.verdict == "reversal"
    assert audit.because == ("pass@1", "pass@8", "retention over null")
    crossover = audit.curves["pass@k"].crossover
    assert crossover is not None
    assert 1 < crossover < 8


def test_a_gain_that_costs_an_outside_suite_is_a_reversal() -> None:
    before, after, null, hard, hard_after = cells(CHANCE, BETTER, CHANCE, CHANCE, 0.5 * CHANCE)
    audit = compare(before, after, null=null, suites={"hard": (hard, hard_after)}, settings=SETTINGS)
    assert audit.verdict == "reversal"
    assert audit.because == ("pass@1", "pass@1 on hard")


def test_a_guard_down_without_a_gain_is_a_regress() -> None:
    before, after = cells(CHANCE, CHANCE)
    cut = replace(after, truncated=after.responses // 2)
    audit = compare(before, cut, settings=SETTINGS)
    assert audit.primary.state == "unknown"
    assert (audit.verdict, audit.because) == ("regress", ("truncated",))


def test_too_few_problems_are_inconclusive_and_say_how_many_it_takes() -> None:
    before, after = (cell.take(cell.problems[:40]) for cell in cells(CHANCE, CHANCE))
    audit = compare(before, after, settings=SETTINGS)
    assert (audit.verdict, audit.because) == ("inconclusive", ("pass@1",))
    assert audit.problems_needed == audit.primary.problems_needed > 200


def test_a_gain_with_an_unsettled_guard_is_inconclusive_because_of_the_guard() -> None:
    before, after = cells(CHANCE, BETTER)
    small = [cell.take(cell.problems[:30]) for cell in cells(CHANCE, CHANCE, seed=3)]
    audit = compare(before, after, suites={"hard": (small[0], small[1])}, settings=SETTINGS)
    assert (audit.verdict, audit.because) == ("inconclusive", ("pass@1 on hard",))
    assert audit.problems_needed > 30


def test_problems_are_matched_by_name_not_by_place() -> None:
    before, after = cells(CHANCE, BETTER)
    shuffled = after.take([after.problems[i] for i in np.random.default_rng(1).permutation(300)])
    once, again = (compare(before, cell, settings=SETTINGS).to_json() for cell in (after, shuffled))
    assert once == again


def test_pass_at_k_bands_hold_the_means() -> None:
    before, after = cells(CHANCE, BETTER)
    curve = compare(before, after, settings=SETTINGS).curves["pass@k"]
    assert curve.ks == list(range(1, 9))
    for low, mean, high in (
        (curve.before_low, curve.before, curve.before_high),
        (curve.after_low, curve.after, curve.after_high),
    ):
        assert all(a < b < c for a, b, c in zip(low, mean, high, strict=True))
        assert mean == sorted(mean)
    assert curve.before[0] == pytest.approx(float((before.right / 8).mean()))
    assert curve.after[7] == pytest.approx(float((after.right > 0).mean()))
    assert curve.crossover is None


def test_support_is_measured_for_the_candidate_and_for_the_null() -> None:
    before, after, null = cells(CHANCE, NARROW, CHANCE)
    audit = compare(before, after, null=null, settings=SETTINGS)
    assert audit.support == support_change(before.right > 0, after.right > 0)
    assert audit.null is not None
    assert audit.null.kind == "fresh"
    assert audit.null.support == support_change(before.right > 0, null.right > 0)
    assert audit.null.change == audit.support
    assert audit.null.pass_1 is not None
    assert audit.null.pass_1.difference == pytest.approx(float((null.right - before.right).mean() / 8))
    assert audit.null.pass_1.role == "secondary"


def test_the_same_prompt_and_greedy_figures_make_no_verdict() -> None:
    before, after, bare = cells(CHANCE, CHANCE, 0.1 * CHANCE)
    greedy = cells(CHANCE, BETTER, n=1)
    audit = compare(before, after, same_prompt=bare, greedy=(greedy[0], greedy[1]), settings=SETTINGS)
    beside = {f.name: f for f in audit.figures if f.role == "secondary"}
    assert list(beside) == ["pass@1, same prompt", "pass@8, same prompt", "greedy pass@1", "pass^8"]
    assert beside["pass@1, same prompt"].state == "up"
    assert audit.verdict == "inconclusive"
    with pytest.raises(DataError, match="greedy logs hold several responses"):
        compare(before, after, greedy=(before, after), settings=SETTINGS)


def test_one_response_a_problem() -> None:
    before, after, null = cells(CHANCE, BETTER, CHANCE, n=1)
    audit = compare(before, after, null=null, settings=SETTINGS)
    assert list(figures(audit)) == ["pass@1", "retention over null", "unparsed", "truncated"]
    assert audit.curves["pass@k"].ks == [1]
    assert audit.null is not None
    assert audit.warnings == (NO_TEXTS,)
    bare = compare(before, after, settings=SETTINGS)
    assert list(figures(bare)) == ["pass@1", "unparsed", "truncated"]
    assert bare.null is None
    assert bare.warnings == (
        "one response a problem is common: pass@k and retention guards are absent, and there is no null of halves",
        NO_TEXTS,
    )


def test_without_fresh_samples_the_null_is_made_of_halves() -> None:
    before, after = cells(CHANCE, BETTER)
    audit = compare(before, after, settings=SETTINGS)
    assert audit.verdict == "progress"
    retention = next(f for f in audit.figures if f.name == "retention over null")
    assert (retention.role, retention.problems) == ("guard", int((before.right > 0).sum()))
    null = audit.null
    assert null is not None
    assert (null.kind, null.k, null.pass_1) == ("split", 4, None)
    assert null.support["retention"] == pytest.approx(retention.before)
    assert null.change["retention"] == pytest.approx(retention.after)
    assert null.support["gained"] == pytest.approx(null.support["lost"])
    assert sum(null.support[kind] for kind in ("kept", "gained", "lost", "neither")) == pytest.approx(300)


def test_a_gain_that_narrows_support_is_seen_without_fresh_samples() -> None:
    audit = compare(*cells(CHANCE, NARROW), settings=SETTINGS)
    assert (audit.verdict, audit.because) == ("reversal", ("pass@1", "pass@8", "retention over null"))


@pytest.mark.parametrize("count", [1, 2, 40])
@pytest.mark.parametrize(("b", "a"), [(0, 0), (4, 4), (0, 4), (4, 0), (2, 2)])
def test_degenerate_cells_give_an_honest_audit(count: int, b: int, a: int) -> None:
    audit = compare(counted([b] * count, 4), counted([a] * count, 4), null=counted([b] * count, 4), settings=SETTINGS)
    f = audit.primary
    assert f.low < f.high
    assert f.low <= f.difference <= f.high
    if count < 3:
        assert audit.verdict == "inconclusive"
    elif a < b:
        assert audit.verdict == "regress"
    else:
        assert f.state == ("up" if a > b else "unknown")
    json.dumps(audit.to_json(), allow_nan=False)


def test_a_parent_that_solves_nothing_has_no_retention() -> None:
    nothing = counted([0] * 100, 4)
    audit = compare(nothing, counted([2] * 100, 4), null=nothing, settings=SETTINGS)
    assert "the parent solved no problem: the retention guard is absent" in audit.warnings
    assert audit.support is not None
    assert audit.to_json()["support"]["retention"] is None
    assert audit.verdict == "progress"


def test_no_common_problem_is_an_error() -> None:
    before, after = cells(CHANCE, BETTER)
    with pytest.raises(DataError, match="no problem is in both logs"):
        compare(before.take(["p0"]), after.take(["p1"]), settings=SETTINGS)


def test_unmatched_and_unjudged_problems_are_dropped_and_counted() -> None:
    before, after = counted([2] * 60, 4), counted([0] + [2] * 59, [0] + [4] * 59, unjudged=[4] + [0] * 59)
    audit = compare(before.take(before.problems[:50]), after, settings=SETTINGS)
    assert audit.counts["problems"] == audit.primary.problems == 49
    assert audit.counts["problems in one log only"] == 10
    assert audit.counts["problems without a judged response"] == 1
    assert audit.counts["responses after"] == 200
    assert audit.counts["unjudged after"] == 4
    assert audit.primary.after == 0.5
    assert "10 problems are in after only, left out: p50, p51, p52, ..." in audit.warnings
    assert (audit.alone.before, audit.alone.after) == ([], [f"p{i}" for i in range(50, 60)])


def test_many_unjudged_responses_warn_and_bound_pass_at_one() -> None:
    before, after = counted([1] * 50, 3, unjudged=1), counted([2] * 50, 3, unjudged=1)
    audit = compare(before, after, settings=SETTINGS)
    assert "25.0% of the responses of after are unjudged" in audit.warnings
    assert audit.bounds == {"before": [0.25, 0.5], "after": [0.5, 0.75], "difference": [0.0, 0.5]}
    assert Audit.from_json(json.loads(json.dumps(audit.to_json()))).bounds == audit.bounds
    clean = counted([2] * 50, 4)
    assert compare(clean, clean, settings=SETTINGS).bounds is None


def test_unlike_settings_warn() -> None:
    before = counted([2] * 50, 4, temperature=0.7, max_tokens=64, model="a", prompt="few", suite="s")
    after = counted([2] * 50, 2, temperature=1.0, max_tokens=64, model="b", prompt="zero", suite="s")
    warnings = compare(before, after, settings=SETTINGS).warnings
    assert "temperature differs: before 0.7, after 1.0" in warnings
    assert "responses a problem differ: before 4, after 2" in warnings
    assert len(warnings) == 3  # and that there are no texts


def test_unlike_settings_of_a_suite_and_unknown_margins_warn() -> None:
    before, after = counted([2] * 50, 4, temperature=1), counted([2] * 50, 4, temperature=1)
    suite = (counted([2] * 50, 2, temperature=0.5), counted([2] * 50, 2, temperature=0.6))
    settings = AuditSettings(draws=200, margins={"pass@9": 0.1})
    warnings = compare(before, after, suites={"far": suite}, settings=settings).warnings
    assert "temperature differs: before on far 0.5, after on far 0.6" in warnings
    assert "margins name no figure of this audit: pass@9" in warnings


def test_json_is_plain_and_complete() -> None:
    before, after, null = cells(CHANCE, BETTER, CHANCE)
    audit = compare(before, after, null=null, settings=SETTINGS)
    found = json.loads(json.dumps(audit.to_json(), allow_nan=False))
    assert found["verdict"] == "progress"
    assert found["figures"]["pass@1"]["difference"] == audit.primary.difference
    assert found["figures"]["pass@1"]["state"] == "up"
    assert found["null"]["pass_1"]["problems"] == 300
    assert found["null"]["support"]["retention"] > 0.8
    assert found["curves"]["pass@k"]["ks"][-1] == 8
    assert found["settings"]["alpha"] == 0.05
    assert list(found)[:4] == ["verdict", "because", "problems_needed", "figures"]
    again = Audit.from_json(found)
    assert again.to_json() == found
    assert [figure.name for figure in again.figures] == [figure.name for figure in audit.figures]


def test_the_audit_is_deterministic_and_seeded() -> None:
    before, after = cells(CHANCE, BETTER)
    once, again = (compare(before, after, settings=SETTINGS).to_json() for _ in range(2))
    assert once == again
    other = compare(before, after, settings=AuditSettings(draws=200, seed=1))
    assert other.primary.low != once["figures"]["pass@1"]["low"]


COUNT = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)).filter(any)


@given(st.lists(st.tuples(COUNT, COUNT), min_size=1, max_size=12))
@examples(max_examples=60, deadline=None)
def test_any_counts_give_an_audit_or_a_data_error(table: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
    cells = []
    for side in (0, 1):
        right, wrong, unjudged = np.array([row[side] for row in table]).T
        cells.append(counted(right, right + wrong, unjudged=unjudged))
    try:
        audit = compare(*cells, null=cells[0], settings=AuditSettings(draws=100))
    except DataError:
        assert not any(b[0] + b[1] and a[0] + a[1] for b, a in table)
        return
    assert audit.counts["problems"] == sum(bool(b[0] + b[1] and a[0] + a[1]) for b, a in table)
    json.dumps(audit.to_json(), allow_nan=False)


@pytest.mark.parametrize("lacking", ["unparsed", "truncated"])
def test_a_guard_that_only_one_log_lets_be_told_forbids_progress(lacking: str) -> None:
    before, after = cells(CHANCE, BETTER)
    silent = replace(after, **{lacking: None})
    audit = compare(before, silent, settings=SETTINGS)
    assert (audit.verdict, audit.because, list(audit.withheld)) == ("inconclusive", (lacking,), [lacking])
    assert audit.problems_needed is None
    assert any(f"the guard {lacking} cannot be told, since after has no" in line for line in audit.warnings)
    both = compare(replace(before, **{lacking: None}), silent, settings=SETTINGS)
    assert (both.verdict, both.withheld) == ("progress", {})


def test_few_short_problems_do_not_switch_guards_off() -> None:
    before, after = cells(CHANCE, NARROW)
    short = np.arange(300) < 40
    cut = counted(np.where(short, after.right > 4, after.right), np.where(short, 1, 8))
    audit = compare(before, cut, settings=SETTINGS)
    assert audit.verdict == "reversal"
    assert audit.counts["problems with k responses"] == 260
    assert "figures at k = 8 rest on 260 of 300 problems: the others have fewer judged responses" in audit.warnings
    single = compare(before, counted(after.right > 4, 1), settings=SETTINGS)
    assert "pass@k" in single.withheld
    assert single.verdict != "progress"


@pytest.mark.parametrize(("first", "second"), [(4, 64), (64, 4)])
def test_equal_models_with_unlike_n_are_not_told_apart(first: int, second: int) -> None:
    called, seeds = {"up": 0, "down": 0, "unknown": 0}, 60
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        sides = [drawn(np.full(200, 0.25), n, rng) for n in (first, second)]
        audit = compare(*sides, settings=AuditSettings(draws=100))
        called[next(f.state for f in audit.figures if f.name == "pass^4")] += 1
    assert max(called["up"], called["down"]) <= 5


def test_the_confidence_of_votes_is_compared_at_one_number_of_responses() -> None:
    rng = np.random.default_rng(6)

    def cell(n: int) -> Cell:
        answers = [(i, a) for i in range(300) for a in rng.choice(list("gabc"), n, p=[0.4, 0.2, 0.2, 0.2]).tolist()]
        marks = {"g": "right"}
        return tally(({"problem": f"p{i}", "answer": a, "judgement": marks.get(a, "wrong")} for i, a in answers), {})

    audit = compare(cell(4), cell(64), settings=SETTINGS)
    assert next(f for f in audit.figures if f.name == "Brier score of the vote").state == "unknown"
    assert audit.calibration is not None
    assert audit.calibration.before == pytest.approx(audit.calibration.after, abs=0.08)


def test_what_is_needed_is_more_than_what_is_there() -> None:
    rng = np.random.default_rng(3)
    chance = rng.beta(1, 1, 2000)
    audit = compare(drawn(chance, 8, rng), drawn(chance, 8, rng), settings=SETTINGS)
    assert audit.verdict == "inconclusive"
    assert audit.problems_needed is not None
    assert audit.problems_needed > 2000


def test_equal_curves_do_not_cross() -> None:
    right = np.random.default_rng(0).integers(0, 9, 50)
    for seed in range(20):
        other = np.random.default_rng(seed).permutation(right)
        curve = compare(counted(right, 8), counted(other, 8), settings=SETTINGS).curves["pass@k"]
        assert (curve.crossover, curve.overtaken) == (None, None)


def test_a_sure_crossing_is_told_apart_from_any() -> None:
    curve = compare(*cells(CHANCE, NARROW), settings=SETTINGS).curves["pass@k"]
    assert curve.crossover is not None
    assert curve.overtaken is not None
    assert 1 < curve.crossover <= curve.overtaken


def test_a_suite_that_cannot_be_compared_is_named_and_withheld() -> None:
    before, after = cells(CHANCE, BETTER)
    apart = before.take(["p0"]), after.take(["p1"])
    audit = compare(before, after, suites={"far": apart}, settings=SETTINGS)
    assert (audit.verdict, audit.because) == ("inconclusive", ("pass@1 on far",))
    assert "no problem is in both logs" in audit.withheld["pass@1 on far"]


def test_problems_that_a_suite_or_the_null_lacks_are_named() -> None:
    before, after, null = cells(CHANCE, BETTER, CHANCE)
    suites = {"far": (before.take(before.problems[:100]), after.take(after.problems[50:150]))}
    audit = compare(before, after, null=null.take(null.problems[:298]), suites=suites, settings=SETTINGS)
    assert "50 problems are in before on far only, left out: p0, p1, p2, ..." in audit.warnings
    assert "50 problems are in after on far only, left out: p100, p101, p102, ..." in audit.warnings
    assert "2 problems are in before only and not in the null, left out: p298, p299" in audit.warnings


def test_rounds_without_common_problems_are_said_so() -> None:
    before, after = cells(CHANCE, BETTER)
    apart = replace(before, problems=tuple(f"x{i}" for i in range(300)))
    warnings = compare(before, after, rounds=[before, apart, after], settings=SETTINGS).warnings
    assert "no problem has a judged response in every round: rise and collapse is absent" in warnings


def test_a_null_of_another_model_is_warned_of() -> None:
    named = zip(cells(CHANCE, BETTER, BETTER), "abb", strict=True)
    before, after, null = (replace(cell, labels={"model": name}) for cell, name in named)
    warnings = compare(before, after, null=null, settings=SETTINGS).warnings
    assert "model differs: before a, null b" in warnings
    assert not any("after b" in line for line in warnings)


WORDS = list("abcdefghijklmn")


def reasoned(chance: np.ndarray, variety: int, rng: np.random.Generator, words: int = 14, **labels: object) -> Cell:
    """Eight responses a problem, each one of `variety` orders of the same words."""
    orders = [" ".join(rng.permutation(WORDS)[:words]) for _ in range(variety)]
    rows = [
        {
            "problem": f"p{i}",
            "question": f"what is {i}?",
            "level": str(1 + i % 3),
            "response": orders[rng.integers(variety)],
            "answer": "yes" if right else str(rng.integers(3)),
            "judgement": "right" if right else "wrong",
            "finish": "stop",
            "nll": 0.5,
            "tokens": 20,
        }
        for i, p in enumerate(chance)
        for right in rng.random(8) < p
    ]
    return tally(rows, {"model": "m", **labels})


def test_a_gain_that_costs_diversity_of_reasoning_is_a_reversal() -> None:
    rng = np.random.default_rng(3)
    before, after = reasoned(CHANCE, 40, rng), reasoned(BETTER, 2, rng)
    audit = compare(before, after, settings=SETTINGS)
    assert audit.verdict == "reversal"
    assert "distinct-n right" in audit.because
    wrong = next(f for f in audit.figures if f.name == "distinct-n wrong")
    assert (wrong.role, wrong.state) == ("secondary", "down")


def test_answers_alone_may_lose_their_diversity() -> None:
    rng = np.random.default_rng(3)
    before, after = reasoned(CHANCE, 40, rng, words=6), reasoned(BETTER, 2, rng, words=6)
    audit = compare(before, after, settings=SETTINGS)
    assert audit.verdict == "progress"
    assert next(f for f in audit.figures if f.name == "distinct-n right").role == "secondary"
    one = compare(reasoned(CHANCE, 40, rng), after, settings=SETTINGS)
    assert any("only one model carry reasoning (median 14 and 6 words)" in line for line in one.warnings)


def test_everything_a_log_tells_is_measured() -> None:
    rng = np.random.default_rng(4)
    before, after, null = (reasoned(chance, 9, rng) for chance in (CHANCE, BETTER, CHANCE))
    audit = compare(before, after, null=null, rounds=[before, null, after], settings=SETTINGS)
    assert audit.warnings == ()
    assert {figure.name for figure in audit.figures} == {
        *("pass@1", "pass@8", "retention over null", "unparsed", "truncated", "distinct-n right"),
        *("pass^8", "majority@8", "gap of the vote", "Brier score of the vote", "answer entropy"),
        *("gap of the likeliest", "distinct-n wrong", "words", "tokens", "token entropy", "repetition"),
    }
    assert set(audit.curves) == {"pass@k", "pass^k", "majority@k"}
    assert audit.curves["majority@k"].ks == [1, 2, 4, 8]
    assert audit.levels is not None
    assert (audit.levels.names, audit.levels.problems) == (["1", "2", "3"], [100, 100, 100])
    assert audit.calibration is not None
    assert audit.rounds is not None
    assert audit.rounds.pass_1[0] == pytest.approx(audit.primary.before)
    assert audit.sets is not None
    assert audit.null is not None
    assert audit.null.sets is not None
    json.dumps(audit.to_json(), allow_nan=False)


def test_importing_the_audit_is_light() -> None:
    code = (
        "import sys, selftrain.audit; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'scipy', 'rich', 'transformers'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
