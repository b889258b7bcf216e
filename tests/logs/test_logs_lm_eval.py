"""Samples as lm-evaluation-harness writes them, of every kind of task."""

import json

import pytest

from selftrain.errors import DataError
from selftrain.logs import lm_eval

DATE = "2026-11-22T11-15-36.635086"
SETTINGS = {"until": ["\n"], "do_sample": True, "temperature": 0.7, "top_p": 0.9, "max_gen_toks": 24}


def generated(number=0, texts=("so 5",), answer="5", name="last-number", value=1.0, **more):
    """A row of a generation of one or several responses."""
    return {
        "doc_id": number,
        "doc": {"question": f"What is {number} + 5?", "answer": "5"},
        "target": "5",
        "arguments": {"gen_args_0": {"arg_0": f"Q: 1 + 1? A: 2 Q: {number} + 5? A:", "arg_1": SETTINGS}},
        "resps": [list(texts)],
        "filtered_resps": [answer],
        "filter": name,
        "metrics": ["exact_match"],
        "doc_hash": f"hash-{number}",
        "exact_match": value,
        **more,
    }


def chosen(likelihoods, value=1.0, **more):
    """A row of multiple choice among the options a, b, ..."""
    options = [[str(likelihood), "False"] for likelihood in likelihoods]
    arguments = {f"gen_args_{i}": {"arg_0": "Which?", "arg_1": f" {letter}"} for i, letter in enumerate("abcd")}
    made = generated(metrics=["acc", "acc_norm"], acc=value, acc_norm=1.0, filter="none", arguments=arguments, **more)
    del made["exact_match"], made["doc"]
    return {**made, "resps": [[option] for option in options], "filtered_resps": options}


def read(folder, *rows, results=None):
    """The source and its rows, from samples written into a folder."""
    path = folder / f"samples_sums_{DATE}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if results is not None:
        (folder / f"results_{DATE}.json").write_text(results if isinstance(results, str) else json.dumps(results))
    source = lm_eval.source(path)
    found = list(source.rows)
    assert all(suite is None for suite, _ in found)
    return source, [row for _, row in found]


def test_a_generation_is_a_row(tmp_path):
    source, rows = read(tmp_path, generated(3))
    assert rows == [
        {"problem": "hash-3", "question": "What is 3 + 5?", "response": "so 5", "judgement": "right", "answer": "5"}
    ]
    assert source.labels == {"task": "sums", "temperature": 0.7, "top_p": 0.9, "max_tokens": 24}


@pytest.mark.parametrize(
    ("value", "judgement"),
    [(1, "right"), (True, "right"), (0.0, "wrong"), (False, "wrong"), ("True", "right"), ("False", "wrong")]
    + [(value, "unjudged") for value in (0.5, None, "1", {"a": 1}, float("nan"), [])],
)
def test_judgement_from_the_metric(tmp_path, value, judgement):
    source, rows = read(tmp_path, generated(0, value=value), generated(1))
    assert [row["judgement"] for row in rows] == [judgement, "right"]
    told = [note for note in source.notes if "1 of 2 responses have no exact_match of 0 or 1" in note]
    assert len(told) == (judgement == "unjudged")


def test_an_answer_that_the_filter_did_not_find_is_none(tmp_path):
    assert read(tmp_path, generated(answer="[invalid]", value=0))[1][0]["answer"] is None


def test_without_a_filter_the_log_says_nothing_of_answers(tmp_path):
    assert "answer" not in read(tmp_path, generated(name="none", answer="so 5"))[1][0]


def test_of_several_filters_the_last_that_is_no_vote(tmp_path):
    names = ("strict", "flexible", "maj@8")
    rows = [generated(i, texts=["a", "b"], name=name, value=name == "flexible") for name in names for i in range(3)]
    source, read_rows = read(tmp_path, *rows)
    assert [row["judgement"] for row in read_rows] == ["right"] * 3
    assert "exact_match of the filter flexible; also in the log: filter strict, filter maj@8" in source.notes[0]
    assert source.notes[-1] == "3 problems have several responses and one exact_match: one response is read"


def test_of_a_vote_alone_no_text_is_told(tmp_path):
    _, rows = read(tmp_path, generated(texts=["so 4", "so 5", "5"], name="maj@3"))
    assert rows == [{"problem": "hash-0", "question": "What is 0 + 5?", "judgement": "right", "answer": "5"}]


def test_a_value_for_each_response_judges_each(tmp_path):
    source, rows = read(tmp_path, generated(texts=["5", "4", "?"], answer=["5", "4", "[invalid]"], value=[1, 0, 0]))
    assert [(row["response"], row["judgement"], row["answer"]) for row in rows] == [
        ("5", "right", "5"),
        ("4", "wrong", "4"),
        ("?", "wrong", None),
    ]
    assert not [note for note in source.notes if "one response is read" in note]


def test_one_value_for_several_responses_together_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"line 1 has one exact_match for 2 responses together: .* repeats: 1"):
        read(tmp_path, generated(texts=["5", "4"], answer=["5", "4"], value=0.5))


def test_multiple_choice_is_the_likeliest_option(tmp_path):
    source, rows = read(tmp_path, chosen([-3.5, -0.25, -9.0]), chosen([-1.0, -2.0], value=0.0, doc_hash="other"))
    assert [(row["response"], row["answer"], row["judgement"]) for row in rows] == [
        (" b", "1", "right"),
        (" a", "0", "wrong"),
    ]
    assert rows[0]["question"] == "Which?"
    assert "told by acc of the filter none; also in the log: metric acc_norm" in source.notes[0]
    assert "temperature" not in source.labels


def test_an_option_without_a_text_has_a_number(tmp_path):
    assert read(tmp_path, chosen([-3.5, -0.25]) | {"arguments": {}})[1][0] == {
        "problem": "hash-0",
        "judgement": "right",
        "answer": "1",
    }


def test_an_option_that_another_metric_marks_is_not_told(tmp_path):
    row = chosen([-3.5, -0.25])
    row["metrics"] = ["acc_norm"]
    assert read(tmp_path, row)[1] == [{"problem": "hash-0", "question": "Which?", "judgement": "right"}]


def test_a_metric_of_the_tasks_own_serves_if_it_is_the_only_one(tmp_path):
    assert read(tmp_path, generated(metrics=["solved"], solved=1))[1][0]["judgement"] == "right"
    with pytest.raises(DataError, match=r"no metric that tells right from wrong \(metrics: \['bleu', 'rouge1'\]\)"):
        read(tmp_path, generated(metrics=["bleu", "rouge1"]))


def test_names_of_a_hostile_log_stay_on_one_line_and_few(tmp_path):
    with pytest.raises(DataError) as caught:
        read(tmp_path, generated(metrics=["a\nb"], **{"a\nb": 1}))
    assert "\n" not in str(caught.value)
    source, _ = read(tmp_path, generated(name="a\nb"), generated())
    assert "filter a b" in source.notes[0]
    with pytest.raises(DataError, match="more than 100 filters"):
        read(tmp_path, *(generated(name=str(number)) for number in range(101)))


def test_greedy_decoding_is_temperature_0(tmp_path):
    arguments = {"gen_args_0": {"arg_0": "Q", "arg_1": {"do_sample": False, "temperature": 1.0, "max_new_tokens": 8}}}
    assert read(tmp_path, generated(arguments=arguments))[0].labels == {
        "task": "sums",
        "temperature": 0.0,
        "max_tokens": 8,
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), pytest.param(10**400, id="huge"), "hot"])
def test_a_setting_that_is_no_number_is_no_label(tmp_path, value):
    arguments = {"gen_args_0": {"arg_0": "Q", "arg_1": {**SETTINGS, "temperature": value, "max_gen_toks": value}}}
    source, _ = read(tmp_path, generated(arguments=arguments))
    assert source.labels == {"task": "sums", "top_p": 0.9}


def test_of_documents_with_one_hash_the_first_is_read(tmp_path):
    """A data set that has a question twice; each document has a row for each filter."""
    rows = [
        generated(number, doc_hash=f"hash-{number % 2}", name=name, value=value)
        for number, value in enumerate([1, 0, 0, 1])
        for name in ("strict", "flexible")
    ]
    source, found = read(tmp_path, *rows)
    assert [(row["problem"], row["judgement"]) for row in found] == [("hash-0", "right"), ("hash-1", "wrong")]
    assert source.notes[-1] == "2 documents repeat an earlier one, and were left out"


def test_level_and_a_problem_without_a_hash(tmp_path):
    row = generated(7, doc={"problem": "Solve.", "level": "Level 5"})
    del row["doc_hash"]
    found = read(tmp_path, row)[1][0]
    assert (found["problem"], found["question"], found["level"]) == ("7", "Solve.", "Level 5")


def test_labels_from_the_results_beside(tmp_path):
    results = {"model_name": "me/model", "n-shot": {"sums": 5}, "chat_template_sha": None}
    source, _ = read(tmp_path, generated(), results=results)
    assert source.labels.items() >= {"model": "me/model", "shots": 5, "task": "sums"}.items()
    assert source.notes == []
    assert "chat_template" not in source.labels


def test_samples_alone_tell_no_model(tmp_path):
    assert read(tmp_path, generated())[0].notes == [
        "there are no results (results_DATE.json) beside the samples: the model is not known"
    ]


@pytest.mark.parametrize("results", ["{", "[]", '{"n-shot": 5}', "[" * 100_000])
def test_damaged_results_are_one_line(tmp_path, results):
    with pytest.raises(DataError, match=r"results_.* cannot be read \(.+\): restore it") as caught:
        read(tmp_path, generated(), results=results)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"resps": None},
        {"resps": []},
        {"resps": [[]]},
        {"resps": ["text"]},
        {"resps": [[5]]},
        {"filtered_resps": []},
        {"filtered_resps": "5"},
        {"doc_hash": None, "doc_id": 1},
        {"metrics": []},
    ],
)
def test_rows_of_another_shape_are_one_line(tmp_path, change):
    with pytest.raises(DataError, match="line 1") as caught:
        read(tmp_path, generated(**change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [{"arguments": "?"}, {"arguments": {"gen_args_0": 5}}, {"doc": [1]}, {"filter": 5}, {"filtered_resps": [{"a": 1}]}],
)
def test_what_is_not_needed_may_have_any_shape(tmp_path, change):
    assert read(tmp_path, generated(**change))[1][0]["judgement"] == "right"
