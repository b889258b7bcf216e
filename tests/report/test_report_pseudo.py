"""How right pseudo-labels are, against counts made another way."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import beta, t

from selftrain.audit.statistics import estimate
from selftrain.report.pseudo import MOST_SOURCES, Accuracy, pseudo_accuracy


def label(nll=0.5, *, kept=True, mark="right", answer="1", source="base, 0 shots"):
    return {"answer": answer, "nll": nll, "kept": kept, "judgement": mark, "source": source}


def made(count, seed=0):
    """Pseudo-labels of every sort in any order, the surer the more often right, with many exactly as sure."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        nll = 0.0 if rng.random() < 0.45 else float(rng.gamma(2, 0.3))
        mark = "right" if rng.random() < math.exp(-nll) else "wrong"
        rows.append(
            label(
                [nll, None, math.inf, math.nan][int(rng.choice(4, p=[0.91, 0.03, 0.03, 0.03]))],
                kept=nll <= 0.2,
                mark=[mark, "unjudged", None][int(rng.choice(3, p=[0.6, 0.05, 0.35]))],
                answer=None if rng.random() < 0.1 else "1",
                source=f"warm, {rng.integers(3)} shots",
            )
        )
    for row in rows:
        row["kept"] = bool(row["kept"] and row["answer"] and row["nll"] is not None and math.isfinite(row["nll"]))
    return rows


@pytest.fixture(scope="module")
def rows():
    return made(700)


def counted(rows):
    """Of some rows: all, right, judged; counted one by one."""
    right = wrong = 0
    for row in rows:
        right += row["judgement"] == "right"
        wrong += row["judgement"] == "wrong"
    return len(rows), right, right + wrong


def as_tuple(one):
    return one.labels, one.right, one.judged


def test_accuracies_before_and_after_selection_are_those_counted_one_by_one(rows):
    found = pseudo_accuracy(rows)
    stated = [row for row in rows if row["answer"] is not None]
    assert as_tuple(found.before) == counted(stated)
    assert as_tuple(found.after) == counted([row for row in rows if row["kept"]])
    assert as_tuple(found.dropped) == counted([row for row in stated if not row["kept"]])
    assert found.after.share > found.before.share > found.dropped.share
    assert found.before.share == pytest.approx(found.before.right / found.before.judged)
    for i in range(2):
        assert as_tuple(found.before)[i] == as_tuple(found.after)[i] + as_tuple(found.dropped)[i]


def test_what_is_not_ranked_is_counted(rows):
    found = pseudo_accuracy(rows)
    assert found.labels == 700
    assert found.unstated == sum(row["answer"] is None for row in rows) > 0
    assert found.unstated + found.unsure + found.ranked == 700
    nll = np.array([np.nan if row["nll"] is None else row["nll"] for row in rows])
    stated = np.array([row["answer"] == "1" for row in rows])
    assert found.ranked == (stated & np.isfinite(nll)).sum()
    assert found.probe == sum(row["judgement"] in ("right", "wrong", "unjudged") for row in rows)
    assert found.unjudged == sum(row["judgement"] == "unjudged" for row in rows) > 0
    assert found.kept_ranked == found.after.labels


def test_an_interval_is_that_of_the_audit():
    """The t interval with the error that resampling comes to, and the exact bound where hardly any differ."""
    one = Accuracy(200, 133, 190)
    marks = np.array([1.0] * 133 + [0.0] * 57)
    reach = t.ppf(0.975, 189) * marks.std(ddof=1) / math.sqrt(190)
    assert one.interval() == pytest.approx((marks.mean() - reach, marks.mean() + reach))
    drawn = estimate(marks, bounds=(0, 1), draws=20_000, seed=1)
    assert one.interval() == pytest.approx(drawn.interval(0.05), abs=2e-3)
    assert Accuracy(30, 30, 30).interval() == pytest.approx((beta.ppf(0.025, 30, 1), 1.0))
    assert Accuracy(30, 0, 30).interval() == pytest.approx((0.0, beta.ppf(0.975, 1, 30)))
    for right in range(13):
        low, high = Accuracy(12, right, 12).interval()
        assert 0 <= low <= right / 12 <= high <= 1
    assert Accuracy(9, 1, 1).interval() == pytest.approx((0.025, 1.0))


def test_without_a_probe_there_is_no_accuracy():
    found = pseudo_accuracy([label(mark=None), label(mark=None, kept=False)])
    assert not found.told
    assert math.isnan(found.before.share)
    assert all(map(math.isnan, found.before.interval()))
    assert found.tenths == ()
    assert (found.labels, found.ranked, found.kept_ranked) == (2, 2, 1)
    assert pseudo_accuracy([]).labels == 0
    assert not pseudo_accuracy([label(mark="unjudged")]).told


def test_tenths_are_tenths_where_no_two_are_equal():
    rng = np.random.default_rng(1)
    nll = rng.permutation(40) / 10
    rows = [label(float(x), kept=x <= 1.3, mark="right" if x < 2 else "wrong") for x in nll]
    tenths = pseudo_accuracy(rows).tenths
    assert [(one.first, one.last) for one in tenths] == [(i, i) for i in range(1, 11)]
    assert [(one.low, one.high) for one in tenths] == [(4 * i / 10, (4 * i + 3) / 10) for i in range(10)]
    assert [as_tuple(one.accuracy) for one in tenths] == [(4, 4, 4)] * 5 + [(4, 0, 4)] * 5
    assert [one.kept for one in tenths] == [4, 4, 4, 2] + [0] * 6


def test_equal_confidences_stay_together(rows):
    tenths = pseudo_accuracy(rows).tenths
    judged = [r for r in rows if r["answer"] and r["judgement"] in ("right", "wrong") and r["nll"] is not None]
    judged = [row for row in judged if math.isfinite(row["nll"])]
    at_zero = [row for row in judged if row["nll"] == 0]
    assert 0.4 * len(judged) < len(at_zero) < 0.5 * len(judged)
    assert as_tuple(tenths[0].accuracy) == counted(at_zero)
    assert (tenths[0].first, tenths[0].last, tenths[0].high) == (1, 4, 0.0)
    assert [(one.first, one.last) for one in tenths[1:]] == [(i, i) for i in range(5, 11)]
    for one in tenths:
        inside = [row for row in judged if one.low <= row["nll"] <= one.high]
        assert as_tuple(one.accuracy) == counted(inside)
        assert one.kept == sum(row["kept"] for row in inside)
    assert sum(one.accuracy.judged for one in tenths) == len(judged)
    assert all(a.high < b.low for a, b in pairwise(tenths))


@pytest.mark.parametrize("count", [1, 2, 3, 9, 11])
def test_few_pseudo_labels_make_as_many_tenths_at_most(count):
    tenths = pseudo_accuracy([label(float(i)) for i in range(count)]).tenths
    assert sum(one.accuracy.judged for one in tenths) == count
    assert len(tenths) == min(count, 10)
    assert tenths[-1].last == 10
    (one,) = pseudo_accuracy([label(0.0)] * count).tenths
    assert (one.first, one.last, one.accuracy.judged) == (1, 10, count)


def test_a_threshold_is_told_with_those_exactly_at_it():
    rows = [label(0.0), label(0.2), label(0.2), label(0.3, kept=False), label(None, kept=False), label(9.0, kept=False)]
    found = pseudo_accuracy(rows)
    assert (found.threshold, found.tied, found.kept_ranked, found.ranked) == (0.2, 2, 3, 5)
    assert math.isnan(pseudo_accuracy([*rows, label(0.1, kept=False)]).threshold)
    assert math.isnan(pseudo_accuracy([label(0.1, kept=False)]).threshold)
    assert pseudo_accuracy([label(0.1), label(0.4)]).threshold == 0.4


def test_sources_are_told_apart(rows):
    found = pseudo_accuracy(rows).sources
    assert [one.source for one in found] == [f"warm, {i} shots" for i in range(3)]
    for one in found:
        own = [row for row in rows if row["source"] == one.source]
        assert one.written == len(own)
        assert as_tuple(one.before) == counted([row for row in own if row["answer"] is not None])
        assert as_tuple(one.after) == counted([row for row in own if row["kept"]])
    assert sum(one.written for one in found) == 700


def test_of_many_sources_those_that_wrote_most_are_told():
    rows = [label(source=f"s{i}") for i in range(99)] + [label(source="zz")] * 2
    found = pseudo_accuracy(rows).sources
    assert len(found) == MOST_SOURCES
    assert (found[-1].source, found[-1].written) == ("zz", 2)
