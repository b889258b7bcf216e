"""Anybody's rows: what is read of them, in three formats, and every wrong value named with file and line."""

import json
import random
import tracemalloc

import pytest
from make_log import read, row, write

from selftrain.errors import DataError
from selftrain.logs.rows import source
from selftrain.tasks.tables import MAX_ROW

KINDS = (".jsonl", ".csv", ".parquet")
FULL = {
    "problem": "p1",
    "question": "What is 2 + 2?",
    "response": "2 + 2 = 4",
    "answer": "4",
    "cluster": "four",
    "judgement": "right",
    "finish": "stop",
    "level": "3",
    "suite": "harder",
    "tokens": 5,
    "nll": 0.25,
    "index": 7,
}
SETTINGS = {"model": "org/model", "prompt": "chat", "temperature": 0.7, "top_p": 1.0, "max_tokens": 64}


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_row_is_read_alike_from_every_format(tmp_path, kind):
    found, labels, notes = read(write(tmp_path / f"log{kind}", [{**FULL, **SETTINGS, "gold": "4", "mine": "x"}]))
    assert found == [("harder", {name: value for name, value in FULL.items() if name != "suite"})]
    assert labels == SETTINGS
    assert notes == []


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_and_truth_values_become_what_a_tally_takes(tmp_path, kind):
    given = {"problem": 12, "correct": True, "answer": 18.0, "level": 3, "tokens": 4.0, "suite": ""}
    ((suite, found),), _, notes = read(write(tmp_path / f"log{kind}", [given]))
    answer = "18.0" if kind == ".csv" else "18"
    assert (suite, found) == (
        None,
        {"problem": "12", "judgement": "right", "answer": answer, "level": "3", "tokens": 4},
    )
    assert notes == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("correct", "mark"), [(True, "right"), (0, "wrong"), (1, "right"), (None, "unjudged")])
def test_correct_is_a_judgement(tmp_path, kind, correct, mark):
    rows = [
        {"problem": "a", "response": "x", "correct": correct},
        {"problem": "a", "response": "y", "correct": correct},
    ]
    found, _, _ = read(write(tmp_path / f"log{kind}", rows))
    assert [one["judgement"] for _, one in found] == [mark, mark]


def test_a_judgement_and_correct_may_agree(tmp_path):
    rows = [row(correct=True), row(judgement="wrong", correct=0), row(judgement="unjudged", correct=None)]
    found, _, _ = read(write(tmp_path / "log.jsonl", rows))
    assert [one["judgement"] for _, one in found] == ["right", "wrong", "unjudged"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("judgement", ["right", "wrong", "unjudged", None])
def test_correct_that_is_null_beside_a_judgement_says_nothing(tmp_path, kind, judgement):
    rows = [row(judgement=judgement, correct=None), row(judgement=None, correct=True)]
    found, _, _ = read(write(tmp_path / f"log{kind}", rows))
    assert [one["judgement"] for _, one in found] == [judgement or "unjudged", "right"]


def test_null_is_no_answer_and_else_as_if_the_column_were_not_there(tmp_path):
    given = dict.fromkeys(("answer", "level", "finish", "tokens", "nll", "index", "suite", "temperature", "response"))
    ((suite, found),), labels, _ = read(write(tmp_path / "log.jsonl", [{"problem": "a", "correct": True, **given}]))
    assert (suite, labels) == (None, {})
    assert found == {"problem": "a", "judgement": "right", "answer": None}


@pytest.mark.parametrize(("answer", "text"), [(True, "true"), (0.5, "0.5"), (-3, "-3"), (" 4 ", "4"), (" ", None)])
def test_an_answer_may_be_anything_plain(tmp_path, answer, text):
    ((_, found),), _, _ = read(write(tmp_path / "log.jsonl", [row(answer=answer)]))
    assert found["answer"] == text


def test_the_question_is_the_problem_where_there_is_no_id(tmp_path):
    rows = [row(problem=..., question="What  is\n1 + 1?"), row(problem=None, question="What is 1 + 1?")]
    found, _, _ = read(write(tmp_path / "log.jsonl", rows))
    assert [one["problem"] for _, one in found] == ["What is 1 + 1?"] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_logprobs_give_tokens_and_nll(tmp_path, kind):
    logprobs = [-0.5, -1.5, 0.0]
    text = json.dumps(logprobs) if kind == ".csv" else logprobs
    ((_, found),), _, _ = read(write(tmp_path / f"log{kind}", [row(logprobs=text)]))
    assert (found["tokens"], found["nll"]) == (3, pytest.approx(2 / 3))


def test_logprobs_give_way_to_what_the_row_says_itself(tmp_path):
    rows = [row(logprobs=[-1.0], tokens=2, nll=3.0), row(logprobs=[])]
    (_, one), (_, other) = read(write(tmp_path / "log.jsonl", rows))[0]
    assert (one["tokens"], one["nll"]) == (2, 3.0)
    assert other["tokens"] == 0
    assert "nll" not in other


def test_a_setting_that_varies_is_noted_and_no_label(tmp_path):
    rows = [row(temperature=t, top_p=1, max_tokens=m) for m, t in enumerate([0.7, 1.0, 0.7, 1, 1.0])]
    _, labels, notes = read(write(tmp_path / "log.jsonl", rows))
    assert labels == {"top_p": 1.0}
    assert notes == ["temperature varies: 0.7, 1.0", "max_tokens varies: 0, 1, 2, ..."]


def test_any_unicode_is_text(tmp_path):
    wild = "\ud800 \udfff\0\u2028\u2029\x85\r\n\ufeff\u202e" + chr(0x10FFFF)
    given = row(problem=wild, response=wild, answer=wild, question=wild, level=wild, suite=wild, model=wild)
    ((suite, found),), labels, _ = read(write(tmp_path / "log.jsonl", [given]))
    assert found["response"] == wild
    for text in (suite, found["level"], labels["model"]):
        assert text.encode()


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_read_by_name(tmp_path, kind):
    scores = {"ROUGE": 0.5, "bleu": 12}
    rows = [row(scores=json.dumps(scores) if kind == ".csv" else scores), row(scores=None)]
    (_, one), (_, other) = read(write(tmp_path / f"log{kind}", rows))[0]
    assert one["scores"] == scores
    assert "scores" not in other


WRONG = [
    ({"scores": {"x": float("nan")}}, "has a score x that is nan: wanted a finite number"),
    ({"scores": {"rouge_l": 45}}, "has a score rouge_l of 45: wanted a number from 0 to 1"),
    ({"scores": {"x": "0.5"}}, "has a score x that is '0.5'"),
    ({"scores": dict.fromkeys("abcdefghi", 1)}, "has 9 scores: wanted at most 8"),
    ({"scores": [0.5]}, "has scores of type list: wanted an object of names and numbers"),
    ({"scores": {"a\nb": 1}}, "has a score named"),
    ({"judgement": "Right"}, "has judgement 'Right': wanted right, wrong or unjudged"),
    ({"judgement": 1}, "has judgement 1: wanted right"),
    ({"judgement": ...}, "has neither a judgement .* nor correct .*: add one, or let selftrain judge mark the log"),
    ({"judgement": None}, "has neither a judgement"),
    ({"judgement": ..., "correct": "yes"}, "has correct 'yes': wanted true, false or null"),
    ({"judgement": ..., "correct": 0.5}, "has correct 0.5"),
    ({"judgement": ..., "correct": [True]}, r"has correct \[True\]"),
    ({"judgement": ..., "correct": float("nan")}, "has correct nan"),
    ({"correct": False}, "has judgement 'right' but correct False: make them agree, or drop one"),
    ({"judgement": "unjudged", "correct": True}, "has judgement 'unjudged' but correct True"),
    ({"problem": ...}, "has no problem: wanted an id or the text of the question"),
    ({"problem": None, "question": " "}, "has no problem"),
    ({"problem": " "}, "has problem ' ': wanted an id"),
    ({"problem": 1.5}, "has problem 1.5"),
    ({"problem": True}, "has problem True"),
    ({"problem": ["a"]}, r"has problem \['a'\]"),
    ({"response": ["It is 4."]}, "has response .*: wanted text"),
    ({"response": 4}, "has response 4: wanted text"),
    ({"question": 4}, "has question 4: wanted text"),
    ({"answer": ["4"]}, "has answer .*: wanted text, a number, true, false, or null"),
    ({"answer": float("nan")}, "answer holds nan: wanted a finite number"),
    ({"cluster": 1.5}, "has cluster 1.5"),
    ({"finish": "eos"}, "has finish 'eos': wanted stop, or length where"),
    ({"finish": ["stop"]}, r"has finish \['stop'\]"),
    ({"level": [1]}, r"has level \[1\]: wanted text"),
    ({"level": True}, "has level True"),
    ({"suite": 5}, "has suite 5: wanted text"),
    ({"tokens": -1}, "has tokens -1: wanted a whole number of 0 or more"),
    ({"tokens": 1.5}, "has tokens 1.5"),
    ({"tokens": [1, 2]}, r"has tokens \[1, 2\]"),
    ({"tokens": 10**400}, "has tokens 1000"),
    ({"index": True}, "has index True"),
    ({"nll": -1.0}, "has nll -1.0: wanted a mean negative log-likelihood of 0 or more"),
    ({"nll": float("inf")}, "has nll inf"),
    ({"nll": "0.5"}, "has nll '0.5'"),
    ({"logprobs": [-1.0, None]}, r"has logprobs \[-1.0, None\]: wanted a list of log-probabilities"),
    ({"logprobs": [-1.0, "x"]}, "has logprobs"),
    ({"logprobs": [float("-inf")]}, "has logprobs"),
    ({"logprobs": [float("-inf"), float("inf")]}, "has logprobs"),
    ({"logprobs": [-(10**400), -0.5]}, "has logprobs"),
    ({"logprobs": [0.9, 0.8]}, "has logprobs"),
    ({"logprobs": -1.0}, "has logprobs -1.0"),
    ({"temperature": -0.1}, "has temperature -0.1: wanted a number of 0 or more"),
    ({"temperature": "hot"}, "has temperature 'hot'"),
    ({"max_tokens": 0.5}, "has max_tokens 0.5: wanted a whole number"),
    ({"model": {"name": "m"}}, "has model .*: wanted text"),
    ({"prompt": [{"role": "user"}]}, "has prompt .*: wanted text"),
]


@pytest.mark.parametrize(("change", "told"), WRONG)
def test_a_wrong_value_is_named_with_its_line(tmp_path, change, told):
    path = write(tmp_path / "log.jsonl", [row(), row(**change)])
    with pytest.raises(DataError, match=rf"log\.jsonl line 2\W.*{told}|log\.jsonl line 2 {told}") as found:
        read(path)
    assert "\n" not in str(found.value)
    assert len(str(found.value)) < 400


@pytest.mark.parametrize(
    ("column", "text"), [("tokens", "many"), ("correct", "perhaps"), ("nll", "NaN"), ("logprobs", "[" * 9999)]
)
def test_a_wrong_value_of_csv_is_named_with_its_line(tmp_path, column, text):
    path = write(tmp_path / "log.csv", [row(**{column: text})])
    with pytest.raises(DataError, match=rf"log\.csv line 2 has {column} "):
        read(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no rows"),
        ("\n\n", "holds no rows"),
        ("[]\n", "line 1 holds list: wanted one JSON object a line"),
        ("{\n", "line 1 is not JSON"),
        ("x" * (MAX_ROW + 1), "line 1 is longer than 1,000,000 characters"),
        ('{"id": 1, "text": "?"}\n', "line 1 has neither a judgement"),
    ],
)
def test_a_file_that_is_no_log_is_one_line(tmp_path, text, told):
    (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(DataError, match=told) as found:
        read(tmp_path / "log.jsonl")
    assert "\n" not in str(found.value)


def test_parquet_without_a_known_column_is_one_line(tmp_path):
    with pytest.raises(DataError, match="row 1 has neither a judgement"):
        read(write(tmp_path / "log.parquet", [{"text": "x"}]))


def test_columns_of_parquet_that_are_not_read_may_be_of_any_size(tmp_path):
    found, _, _ = read(write(tmp_path / "log.parquet", [row(messages="x" * (MAX_ROW + 1))]))
    assert found[0][1]["response"] == "It is 4."


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_file_is_read_in_little_memory(tmp_path, kind):
    """50 MB, of which a small part is in memory at any time; for Parquet, what arrow holds counts as well."""
    import pyarrow as pa

    path = tmp_path / f"log{kind}"
    draw = random.Random(0)
    write(path, [row(problem=f"p{i}", response=draw.randbytes(2_700).hex()) for i in range(9_500)])
    assert path.stat().st_size > 50_000_000
    held, most = pa.total_allocated_bytes(), 0
    tracemalloc.start()
    try:
        for number, _ in enumerate(source(path).rows):
            most = max(most, pa.total_allocated_bytes() - held) if number % 500 == 0 else most
        peak = tracemalloc.get_traced_memory()[1] + most
    finally:
        tracemalloc.stop()
    assert number == 9_499
    assert peak < 20_000_000
