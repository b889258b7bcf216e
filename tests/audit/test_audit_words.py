"""The words for what an audit found say what is so."""

from dataclasses import replace

import numpy as np
import pytest
from make_audit import full_audit
from make_cells import counted, drawn

from selftrain.audit import AuditSettings, compare, tally
from selftrain.audit.sets import expected_sets
from selftrain.audit.words import level, sentences, state_reason, state_word, visible, written

SETTINGS = AuditSettings(draws=100)


@pytest.fixture(scope="module")
def audit():
    return full_audit()


def said(audit, start):
    """The one sentence with this start."""
    (found,) = [line for line in sentences(audit) if line.startswith(start)]
    return found


@pytest.mark.parametrize(
    ("before", "after", "word", "reason"),
    [
        ([1] * 10 + [0] * 90, [1] * 15 + [0] * 85, "unknown", "the exact test leaves it open"),
        ([1] * 15 + [0] * 85, [1] * 10 + [0] * 90, "unknown", "the exact test leaves it open"),
        ([1] * 15 + [0] * 85, [0] * 10 + [1] * 15 + [0] * 75, "unknown", "the interval holds zero"),
        ([1] * 10 + [0] * 90, [1] * 30 + [0] * 70, "up", "the whole interval lies above zero"),
        ([1] * 30 + [0] * 70, [1] * 10 + [0] * 90, "down", "the whole interval lies below zero"),
    ],
)
def test_a_figure_says_why_it_is_in_its_state(before, after, word, reason):
    figure = compare(counted(before, 1), counted(after, 1), settings=SETTINGS).primary
    assert (state_word(figure), state_reason(figure)) == (word, reason)
    assert (figure.low <= 0 <= figure.high) == ("holds zero" in reason)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("down", "a loss beyond the margin of 0.05"),
        ("held", "no loss beyond the margin of 0.05"),
        ("unknown", "a loss beyond the margin of 0.05 is not ruled out"),
    ],
)
def test_a_guard_is_told_by_its_margin(audit, state, reason):
    assert state_reason(replace(audit.figures[1], state=state)) == reason


def test_where_neither_way_is_better_nothing_is_called_up_or_down(audit):
    words = next(f for f in audit.figures if f.name == "words")
    assert [state_word(replace(words, state=s)) for s in ("up", "down", "unknown")] == ["rose", "fell", "unclear"]


def test_numbers_are_as_exact_as_people_want_them(audit):
    f = audit.primary
    assert written(replace(f, before=0.5, after=0.25, difference=-0.25)).difference == "-0.250"
    assert written(replace(f, before=9.0, after=1234.56, difference=1225.56))[:3] == ("9.0", "1,234.6", "+1,225.6")
    assert written(replace(f, low=float("nan"), high=-0.0))[3:] == ("-", "+0.000")


def test_what_would_control_a_terminal_is_shown():
    assert visible(" a\n\tb\x1b[2J\u202e\u200b\ud800 ") == r"a b\x1b[2J\u202e\u200b\ud800"


def test_support_and_its_null_are_counted_in_problems(audit):
    s, null = audit.support, audit.null.support
    assert f"{s['kept']:.0f} solved by both, {s['gained']:.0f} gained, {s['lost']:.0f} lost" in said(
        audit, "Support with 8"
    )
    line = said(audit, "Null, the model before sampled again, 8 responses")
    assert f"{null['kept']:.0f} solved by both, {null['gained']:.0f} gained, {null['lost']:.0f} lost" in line
    assert f"{audit.null.pass_1.difference:+.3f}" in said(audit, "Null of pass@1, 80 problems")


def test_halves_are_expected_counts_beside_what_training_did_with_as_many():
    audit = compare(counted([1, 2, 3, 0], 4), counted([4, 4, 0, 0], 4), settings=SETTINGS)
    kept = f"{audit.null.support['kept']:.1f} solved by both".replace(".0 ", " ")
    assert kept in said(audit, "Null, expected of two halves of 2 responses of the model before")
    assert "gained" in said(audit, "Before to after with 2 responses, beside that null")


def test_the_crossover_names_its_k_and_its_problems():
    rng = np.random.default_rng(0)
    spread, sure = drawn(np.full(60, 0.4), 8, rng), counted([8] * 30 + [0] * 30, 8)
    audit = compare(spread, sure, settings=SETTINGS)
    k = audit.curves["pass@k"].crossover
    line = said(audit, "pass@k, k up to 8, 60 problems")
    assert line.endswith(f": the model before is ahead at k = {k}, at no smaller k.")
    assert said(compare(sure, sure, settings=SETTINGS), "pass@k").endswith("the model before is never ahead.")


def test_sets_tests_levels_and_rounds_have_their_numbers(audit):
    found = audit.sets.improvement
    line = said(audit, "Improvement set (one response each")
    assert f": {found.problems:.0f} problems, pass@4 on them {found.before[-1]:.3f} before" in line
    assert f"again: {audit.null.sets.improvement.problems:.0f} problems, pass@4 on them " in line
    greedy = audit.greedy_sets.improvement
    line = said(audit, "Improvement set (greedy responses")
    told = f"pass@8 on them {greedy.before[-1]:.3f} before, {greedy.after[-1]:.3f} after."
    assert line.endswith(f": {greedy.problems:.0f} problems, {told}")
    coverage = audit.coverage
    assert said(audit, "Correct-answer coverage, the share of right responses, 80 problems: ").endswith(
        f": {coverage.before:.3f} before, {coverage.after:.3f} after."
    )
    assert said(audit, "Coverage, the share of 80 problems with a right one among all judged responses: ").endswith(
        f": {coverage.before_ever:.3f} before, {coverage.after_ever:.3f} after."
    )
    gained, lost = map(len, (audit.tests.gained, audit.tests.lost))
    assert f"{gained} gained and {lost} lost of 80; for the model before" in said(audit, "Single problems")
    levels = said(audit, "pass@1 by level: level 1 ")
    assert f"level 2 {audit.levels.before[1]:.3f} to {audit.levels.after[1]:.3f} (40 problems)" in levels
    rounds = said(audit, "pass@1 of the 3 models in order, 80 problems: ")
    assert rounds.endswith(f"the highest is number 2, {audit.rounds.gap:.3f} above the last: no collapse.")
    assert "collapsed" in said(replace(audit, rounds=replace(audit.rounds, collapsed=True)), "pass@1 of the 3")


def test_of_many_levels_the_ends_are_told(audit):
    names = [f"level {i}" for i in range(1, 10)]
    many = replace(audit.levels, names=names, problems=[9] * 9, before=[0.9] * 9, after=[float("nan")] * 9)
    line = said(
        replace(audit, levels=many), "pass@1 by level, first and last of 9: level 1 0.900 to - (9 problems), level 9"
    )
    assert "level 5" not in line
    unknown = replace(many, ordered=False)
    assert "first and last by name of 9" in said(replace(audit, levels=unknown), "pass@1 by level")


def test_levels_without_a_known_order_have_no_disparity_and_say_what_to_set(audit):
    found = replace(audit.levels, names=["easy", "hard"], ordered=False)
    line = said(replace(audit, levels=found), "pass@1 by level: easy ")
    assert line.endswith(
        "no order of the levels is known, so group disparity is not (set levels=[easiest, ..., hardest])."
    )


def test_problems_that_no_named_level_has_are_told(audit):
    line = said(replace(audit, levels=replace(audit.levels, left_out=7)), "pass@1 by level")
    assert "; 7 problems have none of these levels; group disparity" in line
    none = replace(audit.levels, names=[], problems=[], before=[], after=[], left_out=80)
    line = said(replace(audit, levels=none), "pass@1 by level")
    assert line == "pass@1 by level: none of 80 problems has a level that is named in levels."


def test_sets_say_when_fewer_problems_are_measured_than_chosen(audit):
    def told(**values):
        improvement = replace(audit.sets.improvement, **values)
        return said(
            replace(audit, null=None, sets=replace(audit.sets, improvement=improvement)), "Improvement set (one"
        )

    assert ": 23 problems, pass@4 on the 21 with 4 other responses 0." in told(problems=23.0, measured=21.0)
    unmeasured = told(problems=23.0, measured=0.0, ns=[], before=[], after=[])
    assert unmeasured.endswith(": 23 problems, none with other responses to measure pass@N by.")
    assert told(problems=0.0, measured=0.0, ns=[], before=[], after=[]).endswith(": 0 problems.")


def test_the_sets_of_two_logs_stand_beside_those_that_two_responses_make(audit):
    sets = expected_sets(counted([1, 2, 3, 0], 6))
    line = said(
        replace(audit, null=replace(audit.null, kind="split", pass_1=None, sets=sets)), "Improvement set (one response"
    )
    chance = f"0.7 problems, pass@4 on them {sets.loss.after[-1]:.3f}."
    assert line.endswith(f" after; expected of two responses of the model before: {chance}")


def test_what_is_not_there_is_not_told():
    audit = compare(counted([1, 0] * 5, 1), counted([0, 1] * 5, 1, unjudged=1), settings=SETTINGS)
    lines = list(sentences(audit))
    assert [line.split(" ")[0] for line in lines] == ["Support", "Single", "Were"]
    low, high = audit.bounds["difference"]
    assert lines[-1].endswith(f"pass@1 would change by {low:+.3f} to {high:+.3f}.")
    assert lines[0].startswith("Support with 1 response a problem: ")


def test_both_sets_are_told_at_an_n_that_both_have(audit):
    marks = ["right", "wrong"] * 8
    one, other = (
        tally([{"problem": str(p), "judgement": marks[start + p + i]} for p in range(6) for i in range(9)], {})
        for start in (0, 1)
    )
    found = compare(one, other, settings=SETTINGS)
    assert (found.sets.improvement.ns[-1], found.null.sets.improvement.ns[-1]) == (8, 4)
    assert said(found, "Improvement set").count("pass@4 on them") == 2


def test_the_level_is_that_of_the_audit(audit):
    assert level(audit) == "95 %"
    assert level(replace(audit, settings=AuditSettings(alpha=0.1))) == "90 %"
