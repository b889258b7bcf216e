"""Tallying logged rows: counts, what a log does not say, bad rows, and a naive second computation."""

import itertools
import math
import random
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain.audit import Cell, distinct_n, semantic_diversity
from selftrain.audit.detail import TEXTS, Detail
from selftrain.audit.tally import Tally, tally
from selftrain.audit.texts import repetition
from selftrain.errors import DataError

MARKS = {"right": 1, "wrong": 0, "unjudged": -1}
TORN = "were judged both right and wrong: each counts as most of its responses do"
Row = dict[str, Any]


def row(problem: str, judgement: str, answer: str | None = "1", finish: str = "stop", **more: Any) -> Row:
    return {"problem": problem, "judgement": judgement, "answer": answer, "finish": finish, **more}


def detail(cell: Cell) -> Detail:
    assert cell.detail is not None
    return cell.detail


def votes_of(cell: Cell) -> list[list[tuple[int, bool]]]:
    votes = detail(cell).votes
    assert votes is not None
    pairs = list(zip(votes.counts.tolist(), votes.right.tolist(), strict=True))
    return [pairs[start:end] for start, end in itertools.pairwise([0, *votes.ends.tolist()])]


def noted(rows: Iterable[Row]) -> tuple[Cell, list[str]]:
    found = Tally()
    for each in rows:
        found.add(each)
    return found.cell({}), found.notes


def test_rows_are_counted_by_problem() -> None:
    rows = [
        row("b", "right"),
        row("a", "wrong", None, "length"),
        row("b", "wrong"),
        row("b", "unjudged", None, "length"),
        row("b", "wrong", None),
    ]
    cell = tally(iter(rows), {"model": "m"})
    assert cell.problems == ("b", "a")
    assert cell.labels == {"model": "m"}
    assert cell.right.tolist() == [1, 0]
    assert cell.wrong.tolist() == [2, 1]
    assert cell.unjudged.tolist() == [1, 0]
    assert cell.unparsed is not None
    assert cell.unparsed.tolist() == [1, 1]
    assert cell.truncated is not None
    assert cell.truncated.tolist() == [1, 1]
    assert cell.n.tolist() == [3, 1]
    assert cell.responses.tolist() == [4, 1]


def test_no_rows_make_an_empty_cell() -> None:
    cell, notes = noted([])
    assert cell.problems == ()
    assert cell.right.shape == (0,)
    assert notes == []
    assert detail(cell).diversity["distinct-n right"].shape == (0, TEXTS - 1)


def test_what_the_log_does_not_say_is_none_or_nan() -> None:
    cell, notes = noted([{"problem": "a", "judgement": "right"}, {"problem": "a", "judgement": "wrong"}])
    assert notes == []
    assert cell.unparsed is None
    assert cell.truncated is None
    found = detail(cell)
    assert found.votes is None
    assert found.questions == ("",)
    assert found.levels == (None,)
    assert found.first.tolist() == [1]
    assert found.likeliest.tolist() == [-1]
    assert set(found.means) == {"words", "tokens", "nll", "repetition", "right words"}
    measures = ("distinct-n", "equations", "semantic")
    assert set(found.diversity) == {f"{name} {mark}" for name in measures for mark in ("right", "wrong")}
    for values in (*found.means.values(), *found.diversity.values()):
        assert len(values) == 1
        assert np.isnan(values).all()


FULL = row("a", "right", response="one two", cluster=1, tokens=3, nll=0.5, index=0)


@pytest.mark.parametrize(
    ("key", "unknown"),
    [
        ("response", lambda cell: np.isnan([detail(cell).means[name][0] for name in ("words", "right words")]).all()),
        ("response", lambda cell: np.isnan(detail(cell).means["repetition"]).all()),
        ("answer", lambda cell: detail(cell).votes is None and cell.unparsed is None),
        ("finish", lambda cell: cell.truncated is None),
        ("tokens", lambda cell: np.isnan(detail(cell).means["tokens"]).all()),
        ("nll", lambda cell: np.isnan(detail(cell).means["nll"]).all() and detail(cell).likeliest.tolist() == [-1]),
        ("cluster", lambda cell: votes_of(cell) == [[(3, True)]]),
        ("index", lambda cell: detail(cell).first.tolist() == [1]),
    ],
)
def test_what_only_some_rows_say_is_left_out_and_noted(key: str, unknown: Callable[[Cell], bool]) -> None:
    partly = {name: value for name, value in FULL.items() if name != key}
    rows = [FULL, {**partly, "index": 1} if key != "index" else partly, {**FULL, "cluster": 2, "index": 2}]
    assert not noted([rows[0], rows[2]])[1]
    cell, notes = noted(rows)
    assert unknown(cell)
    assert len(notes) == 1
    assert notes[0].startswith(f"{key} is missing in 1 of 3 rows: ")


def test_none_says_as_little_as_no_key_except_for_an_answer() -> None:
    keys = ("response", "cluster", "finish", "tokens", "nll", "level", "question", "index")
    cell, notes = noted([{"problem": "a", "judgement": "wrong", "answer": None, **dict.fromkeys(keys)}])
    assert notes == []
    assert cell.truncated is None
    assert cell.unparsed is not None
    assert cell.unparsed.tolist() == [1]
    assert votes_of(cell) == [[]]


@pytest.mark.parametrize("key", ["problem", "judgement"])
def test_a_missing_key_is_named(key: str) -> None:
    bad = row("a", "right")
    del bad[key]
    with pytest.raises(DataError, match=f"row 2 has no {key}: every"):
        tally([row("a", "right"), bad], {})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("problem", 3, "row 1 has problem 3: it must be a text"),
        ("judgement", "maybe", "row 1 has judgement 'maybe': it must be one of right, wrong, unjudged"),
        ("judgement", ["right"], "row 1 has judgement"),
        ("finish", "cut", "row 1 has finish 'cut': it must be one of stop, length"),
        ("finish", [], "row 1 has finish"),
        ("answer", 7, "row 1 has answer 7: it must be a text"),
        ("response", {}, "row 1 has response"),
        ("question", 1, "row 1 has question"),
        ("level", 1, "row 1 has level"),
        ("cluster", 1.5, "row 1 has cluster 1.5: it must be a whole number or a text"),
        ("index", "1", "row 1 has index '1': it must be a whole number"),
        ("tokens", "12", "row 1 has tokens '12': it must be a finite number"),
        pytest.param("tokens", 10**5000, "row 1 has tokens a huge number", id="huge"),
        pytest.param("tokens", [10**5000], "row 1 has tokens a huge number", id="huge in a list"),
        ("tokens", 10**400, r"row 1 has tokens 10+\.\.\.0+: it must be"),
        ("nll", math.nan, "row 1 has nll nan: it must be a finite number"),
        ("nll", -math.inf, "row 1 has nll -inf"),
        ("answer", ["x" * 99], r"row 1 has answer \['x+\.\.\.x+'\]: it must be a text"),
    ],
)
def test_values_that_cannot_be_used_are_refused(key: str, value: object, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        tally([{**row("a", "right"), key: value}], {})
    assert len(str(caught.value).splitlines()) == 1


def test_all_right_answers_are_one() -> None:
    answers = [("right", "1/2"), ("right", "0.5"), ("wrong", "3"), ("unjudged", "4")]
    cell = tally([row("a", *each) for each in [*answers, ("wrong", None)]], {})
    assert votes_of(cell) == [[(2, True), (1, False)]]
    assert cell.unparsed is not None
    assert cell.unparsed.tolist() == [1]


@pytest.mark.parametrize("answer", [" 7", "7" * 65])
def test_an_answer_judged_both_ways_is_what_half_of_its_responses_say(answer: str) -> None:
    """One slip of a judge among seven does not make the answer right."""
    torn = {"a": (1, 6), "b": (3, 3), "c": (4, 3), "d": (2, 0)}
    rows = [
        row(problem, mark, answer)
        for problem, counts in torn.items()
        for mark, count in zip(("right", "wrong"), counts, strict=True)
        for _ in range(count)
    ]
    rows += [row("a", "right", "8"), row("a", "wrong", "9"), row("a", "right", "9"), row("a", "unjudged", "8")]
    cell, notes = noted(rows)
    assert votes_of(cell) == [[(3, True), (7, False)], [(6, True)], [(7, True)], [(2, True)]]
    assert notes == [
        "4 answers of 3 problems were judged both right and wrong: each counts as most of its responses do"
    ]


def test_a_cluster_judged_both_ways_is_what_half_of_its_responses_say() -> None:
    rows = [row("a", mark, answer, cluster=0) for mark, answer in [("right", "1/2"), ("wrong", "0.5"), ("wrong", ".5")]]
    cell, notes = noted(rows)
    assert votes_of(cell) == [[(3, False)]]
    assert notes == [
        "1 answers of 1 problems were judged both right and wrong: each counts as most of its responses do"
    ]
    for each in rows:
        del each["cluster"]
    cell, notes = noted(rows)
    assert votes_of(cell) == [[(1, True), (1, False), (1, False)]]
    assert notes == []


def test_clusters_go_before_answers() -> None:
    rows = [
        row("a", mark, answer, cluster=cluster)
        for mark, answer, cluster in [("wrong", "2", 7), ("wrong", "2.0", 7), ("wrong", "3", "7"), ("right", "1", 0)]
    ]
    assert votes_of(tally(rows, {})) == [[(1, True), (2, False), (1, False)]]
    for each in rows:
        del each["cluster"]
    assert votes_of(tally(rows, {})) == [[(1, True), (1, False), (1, False), (1, False)]]


def test_repeated_rows_are_left_out() -> None:
    four = [("a", "right", 0), ("b", "right", 0), ("a", "wrong", 0), ("a", "wrong", 1)]
    rows = [row(problem, mark, mark, index=index) for problem, mark, index in four]
    cell, notes = noted([*rows, rows[0]])
    assert cell.responses.tolist() == [2, 1]
    assert notes == ["2 repeated rows were left out"]
    assert tally([row("a", "right")] * 3, {}).responses.tolist() == [3]


def test_only_the_beginning_of_a_long_text_is_looked_at() -> None:
    beginning = " ".join(f"{number:06}" for number in range(585)).ljust(4_096)
    found = detail(tally([row("a", "right", response=beginning + "c " * 40_000)] * 2, {}))
    assert found.means["words"].tolist() == [40_585]
    assert found.means["right words"].tolist() == [40_585]
    assert found.means["repetition"].tolist() == [0]
    assert found.diversity["distinct-n right"][0, 0] == pytest.approx(0.5)


def test_repetition_is_of_the_first_judged_responses_whatever_the_share_right() -> None:
    """Right texts of this model repeat nothing and wrong ones all: of 64 responses the 8 first ones tell."""
    texts = {"right": "a b c d e f g", "wrong": "a a a a a a a a", "unjudged": "b b b b b b b b"}

    def of(marks: list[str]) -> float:
        rows = [row("a", mark, response=texts[mark], index=index) for index, mark in enumerate(marks)]
        random.Random(2).shuffle(rows)
        return float(detail(tally(rows, {})).means["repetition"][0])

    few = [1, 9, 20, 41, 63]
    assert of(["right" if index in few else "wrong" for index in range(64)]) == pytest.approx(7 / 8 * 0.8)
    assert of(["wrong" if index in few else "right" for index in range(64)]) == pytest.approx(1 / 8 * 0.8)
    assert of(["unjudged"] * 60 + ["wrong", "right", "right", "right"]) == pytest.approx(1 / 4 * 0.8)
    assert math.isnan(of(["unjudged"] * 64))


def test_long_texts_and_answers_do_not_fill_the_memory() -> None:
    """300 problems, 16 responses each: 192 MB of texts, and as much of answers that are all different."""

    def rows() -> Iterable[Row]:
        for number in range(4_800):
            long = f"{number:<1000}" + ("x" * 999 + " ") * 39
            mark = "right" if number % 2 else "wrong"
            yield row(f"p{number % 300}", mark, f"{long}.", response=long, cluster=long)

    tracemalloc.start()
    try:
        cell = tally(rows(), {})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert cell.responses.tolist() == [16] * 300
    assert len(votes_of(cell)[0]) > 1
    assert peak < 35_000_000


def test_embeddings_are_of_the_texts_that_are_kept() -> None:
    asked: list[str] = []

    def embed(texts: list[str]) -> list[list[float]]:
        asked.extend(texts)
        return [[1.0, float(text)] for text in texts]

    rows = [row("a", "right", response=str(i)) for i in range(TEXTS + 3)]
    found = detail(tally([*rows, row("a", "unjudged", response="99")], {}, embed))
    assert asked == [str(i) for i in range(TEXTS)]
    assert found.diversity["semantic right"][0, 0] == pytest.approx(semantic_diversity([[1, 0], [1, 1]]))
    assert np.isnan(found.diversity["semantic wrong"]).all()


def test_the_first_texts_are_those_of_the_lowest_index() -> None:
    order = random.Random(1).sample(range(TEXTS + 20), TEXTS + 20)
    same = ["a b" if index < TEXTS else f"w{index}" for index in order]
    found = detail(tally([row("a", "right", response=text, index=i) for i, text in zip(order, same, strict=True)], {}))
    assert found.means["right words"].tolist() == [pytest.approx((2 * TEXTS + 20) / (TEXTS + 20))]
    assert found.diversity["distinct-n right"][0].tolist() == pytest.approx(
        [distinct_n(["a b"] * m, 1) * 2 / 5 for m in range(2, TEXTS + 1)]
    )


def test_responses_without_an_index_come_last() -> None:
    rows = [row("a", "wrong"), row("a", "right", index=5), row("a", "wrong")]
    assert detail(tally(rows, {})).first.tolist() == [1]
    assert detail(tally(rows[::2], {})).first.tolist() == [0]


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "problem": st.sampled_from("xyz"),
            "judgement": st.sampled_from(["right", "right", "wrong", "unjudged"]),
            "response": st.lists(st.sampled_from(["a", "b", "1+1=2", "c\n"]), max_size=7).map(" ".join),
            "answer": st.sampled_from(["1", " 1", "2", "3", None]),
            "cluster": st.sampled_from([0, 1, "s"]),
            "finish": st.sampled_from(["stop", "length"]),
            "tokens": st.integers(0, 9),
            "nll": st.sampled_from([0.25, 0.5, 0.75]),
            "level": st.sampled_from(["easy", None]),
            "question": st.just("?"),
            "index": st.integers(0, 29),
        }
    ),
    max_size=60,
)


def naive(rows: list[Row], by_cluster: bool) -> dict[str, Any]:
    """One problem's figures from its rows in order, each computed by itself."""
    judged = [r for r in rows if r["judgement"] != "unjudged"]
    voting = [r for r in judged if r["answer"] is not None]
    name = (lambda r: r["cluster"]) if by_cluster else (lambda r: r["answer"].strip())
    marks: dict[Any, list[bool]] = {}
    for r in voting:
        marks.setdefault(name(r), []).append(r["judgement"] == "right")
    right = {key for key, found in marks.items() if sum(found) / len(found) >= 0.5}
    groups: dict[Any, int] = {}
    for r in voting:
        key = ("right",) if name(r) in right else name(r)
        groups[key] = groups.get(key, 0) + 1
    kept = {mark: [r["response"] for r in rows if r["judgement"] == mark][:TEXTS] for mark in ("right", "wrong")}
    likeliest = min(judged, key=lambda r: (r["nll"], r["index"]), default=None)
    means = {
        "words": [len(r["response"].split()) for r in rows],
        "tokens": [r["tokens"] for r in rows],
        "nll": [r["nll"] for r in rows],
        "repetition": [repetition(r["response"]) for r in judged[:TEXTS]],
        "right words": [len(r["response"].split()) for r in rows if r["judgement"] == "right"],
    }
    return {
        "counts": [sum(r["judgement"] == mark for r in rows) for mark in MARKS],
        "unparsed": sum(r["answer"] is None for r in judged),
        "truncated": sum(r["finish"] == "length" for r in rows),
        "first": MARKS[rows[0]["judgement"]],
        "likeliest": -1 if likeliest is None else MARKS[likeliest["judgement"]],
        "votes": sorted((count, key == ("right",)) for key, count in groups.items()),
        "level": next((r["level"] for r in rows if r["level"]), None),
        "means": {name: sum(values) / len(values) if values else math.nan for name, values in means.items()},
        "distinct": {
            mark: [sum(distinct_n(texts[:m], n) for n in range(1, 6)) / 5 for m in range(2, len(texts) + 1)]
            for mark, texts in kept.items()
        },
    }


@given(ROWS, st.booleans(), st.randoms(use_true_random=False))
def test_a_tally_equals_the_naive_one_in_any_order(rows: list[Row], by_cluster: bool, rng: random.Random) -> None:
    unique = list({(r["problem"], r["index"]): r for r in rows}.values())
    if not by_cluster:
        unique = [{key: value for key, value in r.items() if key != "cluster"} for r in unique]
    rng.shuffle(unique)
    cell = tally(iter(unique), {})
    assert cell.problems == tuple(dict.fromkeys(r["problem"] for r in unique))
    found, votes = detail(cell), votes_of(cell) if unique else []
    for i, problem in enumerate(cell.problems):
        expected = naive(sorted((r for r in unique if r["problem"] == problem), key=lambda r: r["index"]), by_cluster)
        assert [cell.right[i], cell.wrong[i], cell.unjudged[i]] == expected["counts"]
        assert cell.unparsed is not None
        assert cell.unparsed[i] == expected["unparsed"]
        assert cell.truncated is not None
        assert cell.truncated[i] == expected["truncated"]
        assert found.first[i] == expected["first"]
        assert found.likeliest[i] == expected["likeliest"]
        assert sorted(votes[i]) == expected["votes"]
        assert (found.questions[i], found.levels[i]) == ("?", expected["level"])
        means = {name: values[i] for name, values in found.means.items()}
        assert means == pytest.approx(expected["means"], nan_ok=True)
        for mark, values in expected["distinct"].items():
            padded = values + [math.nan] * (TEXTS - 1 - len(values))
            assert found.diversity[f"distinct-n {mark}"][i].tolist() == pytest.approx(padded, nan_ok=True)
