"""What every task keeps: parts share no question, nothing needed is empty, gold answers are there."""

import subprocess
import sys

import pytest

from selftrain.errors import ConfigError, DataError
from selftrain.records import Problem
from selftrain.tasks import Suite, TaskConfig, load_task, make_task


def problems(*numbers, gold="1"):
    return [Problem.make(f"Question {n}?", gold=gold) for n in numbers]


def worked(*numbers):
    return [Problem.make(f"Question {n}?", gold="1", rationale=f"{n} is one, so the answer is 1.") for n in numbers]


def splits(**more):
    return {"train": problems(1, 2), "select": problems(3), "test": problems(4), **more}


def suite(select, test):
    return Suite(select=tuple(problems(*select)), test=tuple(problems(*test)))


def test_a_sound_task():
    task = make_task("t", splits=splits(), suites={"hard": suite([5], [6])}, judge="exact")
    assert [name for name, _ in task.parts()] == [
        "train",
        "select",
        "test",
        "suite hard, select",
        "suite hard, test",
    ]
    assert task.notes == ()


def test_duplicates_inside_a_part_are_dropped_and_counted():
    train = [*problems(1, 2, 1), *problems(2, gold="9")]
    task = make_task("t", splits=splits(train=train), judge="exact", notes=["before"])
    assert task.splits["train"] == tuple(problems(1, 2))
    assert task.notes == ("before", "dropped 2 duplicate questions from train, 1 of them with another answer")


def test_white_space_does_not_make_a_question_new():
    with pytest.raises(DataError, match="1 question of test also in other parts"):
        make_task("t", splits=splits(test=[Problem.make(" Question\t1? ", gold="1")]), judge="exact")


@pytest.mark.parametrize(
    ("parts", "suites", "message"),
    [
        (splits(test=problems(1, 2, 9)), {}, "2 questions of test also in other parts, such as 'Question 1.' in train"),
        (splits(shots=problems(3)), {}, "1 question of shots also in other parts, such as 'Question 3.' in select"),
        (splits(), {"hard": suite([1], [6])}, "1 question of suite hard, select .* in train: remove"),
        (splits(), {"hard": suite([5], [5])}, "1 question of suite hard, test .* in suite hard, select"),
        (splits(), {"a": suite([5], [6]), "b": suite([6], [7])}, "suite b, select .* in suite a, test"),
        (splits(test=[]), {}, "t: test has no problems"),
        ({"train": problems(1), "test": problems(2)}, {}, "t: select has no problems"),
        (splits(), {"hard": suite([], [6])}, "t: suite hard, select has no problems"),
        (splits(dev=problems(9)), {}, "split 'dev': known splits are train, select, test, shots, valid, lab"),
        (splits(test=problems(4, gold=None)), {}, "1 problem of test without a gold answer, such as 'Question 4.'"),
        (splits(train=[*problems(1), *problems(2, gold=None)]), {}, "1 problem of train without a gold answer"),
        (splits(shots=problems(9, gold=None)), {}, "1 problem of shots without a gold answer"),
        (splits(valid=[]), {}, "t: valid has no problems: give it at least one"),
        (splits(labelled=[]), {}, "t: labelled has no problems: give it at least one"),
        (
            splits(labelled=problems(8, 9, gold=None)),
            {},
            "2 problems of labelled without a gold answer, such as 'Quest",
        ),
        (
            splits(labelled=problems(2)),
            {},
            "1 question of labelled also in other parts, such as 'Question 2.' in train",
        ),
        (splits(labelled=problems(4)), {}, "1 question of labelled also in other parts, such as 'Question 4.' in test"),
        (
            splits(valid=worked(1)),
            {},
            "1 question of valid also in other parts, such as 'Question 1.' in train: remove",
        ),
        (
            splits(valid=[*worked(8), *problems(9, 10)]),
            {},
            "2 problems of valid without a rationale, such as 'Question 9",
        ),
    ],
)
def test_unsound_tasks_are_refused(parts, suites, message):
    with pytest.raises(DataError, match=message) as caught:
        make_task("t", splits=parts, suites=suites, judge="exact")
    assert "\n" not in str(caught.value)


def test_train_may_go_without_any_gold_and_says_so():
    task = make_task("t", splits=splits(train=problems(1, 2, gold=None)), judge="exact")
    assert task.notes == ("train has no gold answers: only recipes that need no labels can learn from it",)


def test_beside_labelled_problems_train_may_have_gold_for_all_some_or_none():
    for train in (problems(1, 2), [*problems(1), *problems(2, gold=None)]):
        assert make_task("t", splits=splits(train=train, labelled=problems(8)), judge="exact").notes == ()
    task = make_task("t", splits=splits(train=problems(1, 2, gold=None), labelled=problems(8)), judge="exact")
    assert task.notes == ("train has no gold answers: no report can tell how right its pseudo-labels are",)


def test_labelled_problems_have_gold_answers_whatever_the_judge():
    with pytest.raises(DataError, match="1 problem of labelled without a gold answer"):
        make_task("t", splits=splits(labelled=problems(8, gold=None)), judge="my_judge.py:mark")


def test_no_question_may_be_labelled_unlabelled_and_tested():
    for first, second in (("labelled", "train"), ("labelled", "test"), ("train", "test")):
        parts = {**splits(labelled=problems(8)), first: problems(7, 20), second: problems(6, 20)}
        with pytest.raises(
            DataError, match=r"1 question of (\w+) also in other parts, .*'Question 20\?' in (\w+)"
        ) as caught:
            make_task("t", splits=parts, judge="exact")
        assert first in str(caught.value)
        assert second in str(caught.value)


def test_the_judge_choice_needs_options_for_every_problem():
    def choice(number, options):
        return [Problem.make(f"Question {number}?", gold="A", options=options)]

    parts = {name: choice(n, ["yes", "no"]) for n, name in enumerate(("train", "select", "test", "labelled"))}
    assert make_task("t", splits=parts, judge="choice").splits["labelled"][0].options == ("yes", "no")
    with pytest.raises(DataError, match=r"t: 1 problem of test without options, such as 'Question 9\?': the judge"):
        make_task("t", splits={**parts, "test": choice(9, [])}, judge="choice")
    make_task("t", splits={**parts, "test": choice(9, [])}, judge="exact")


def test_a_judge_of_ones_own_may_need_no_gold():
    parts = {name: problems(n, gold=None) for n, name in enumerate(("train", "select", "test"))}
    assert make_task("t", splits=parts, judge="my_judge.py:mark").judge == "my_judge.py:mark"


def test_the_digest_follows_questions_golds_parts_and_judge():
    def made(judge="exact", suites=None, **more):
        return make_task("t", splits=splits(**more), suites=suites, judge=judge).digest

    variants = [
        made(),
        made(train=problems(1, 7)),
        made(train=problems(1, 2, gold="2")),
        made(train=problems(2, 1)),
        made(shots=problems(8)),
        made(shots=worked(8)),
        made(valid=worked(8)),
        made(suites={"hard": suite([5], [6])}),
        made(judge="number"),
    ]
    assert len(set(variants)) == len(variants)
    assert made() == made()
    assert made() == "f7f9ae7a0258fd2b"  # what earlier versions kept with a run


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        ConfigError, match="no task 'gsm9k': known are reasoning_gym:FAMILY, arc, commonsense_qa, files, gsm8k, mmlu"
    ):
        load_task(TaskConfig(name="gsm9k"), 0)


def own(tmp_path, text):
    path = tmp_path / "own.py"
    path.write_text(text, encoding="utf-8")
    return TaskConfig(name=f"{path}:make", options={"a": 1})


def test_a_task_of_ones_own_gets_options_and_seed(tmp_path):
    text = """
from selftrain.records import Problem
from selftrain.tasks import make_task
def make(options, seed):
    part = lambda name: [Problem.make(f"{name} {options['a']} {seed}", gold="x")]
    return make_task("own", splits={n: part(n) for n in ("train", "select", "test")}, judge="exact")
"""
    task = load_task(own(tmp_path, text), 7)
    assert task.splits["test"][0].text == "test 1 7"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def make(options, seed): return []", "returned list: it must return a Task made by make_task"),
        ("make = 3", "is no function"),
    ],
)
def test_what_is_no_task_is_refused(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_task(own(tmp_path, text), 0)


@pytest.mark.parametrize("name", ["gold", "rationale", "level", "family"])
def test_what_must_be_text_is_told_before_a_run_begins(tmp_path, name):
    text = f"""
from selftrain.records import Problem
from selftrain.tasks import make_task
def make(options, seed):
    part = lambda name, **more: [Problem.make(name, **{{"gold": "4", **more}})]
    return make_task("own", splits=dict(train=part("a"), select=part("b", {name}=2), test=part("c")), judge="exact")
"""
    with pytest.raises(DataError) as caught:
        load_task(own(tmp_path, text), 0)
    place = f"{tmp_path / 'own.py'}:make"
    said = f"{place}: the {name} of 'b' in select is of type int: give it as text, such as '2'"
    assert str(caught.value) == said


def test_options_that_are_no_texts_are_told_before_a_run_begins(tmp_path):
    text = """
from selftrain.records import Problem
from selftrain.tasks import make_task
def make(options, seed):
    part = lambda name, *options: [Problem.make(name, gold="A", options=options)]
    return make_task("own", splits=dict(train=part("a", "1"), select=part("b", 2), test=part("c")), judge="exact")
"""
    with pytest.raises(DataError, match="an option of 'b' in select is no text: give each as text"):
        load_task(own(tmp_path, text), 0)


def test_an_error_in_a_task_of_ones_own_is_one_line(tmp_path):
    text = """
import json
def make(options, seed):
    return read()
def read():
    return json.loads("not\\nJSON")
"""
    with pytest.raises(ConfigError) as caught:
        load_task(own(tmp_path, text), 0)
    path = tmp_path / "own.py"
    place = f"({path} line 6)"
    assert str(caught.value) == f"{path}:make raised JSONDecodeError: Expecting value: line 1 column 1 (char 0) {place}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def make(options): pass", r"own\.py:make raised TypeError: make\(\) takes 1 .* were given$"),
        ("def make(options, seed):\n    raise ValueError", r"own\.py:make raised ValueError \(.*own\.py line 2\)$"),
        ("def make(options, seed): raise ValueError('a\\nb')", r"raised ValueError: a b \(.*own\.py line 1\)$"),
    ],
)
def test_every_error_in_a_task_of_ones_own(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_task(own(tmp_path, text), 0)


def test_a_task_of_ones_own_may_refuse_in_its_own_words(tmp_path):
    text = "from selftrain.errors import DataError\ndef make(options, seed): raise DataError('no such year')"
    with pytest.raises(DataError, match=r"^no such year$"):
        load_task(own(tmp_path, text), 0)


def test_importing_tasks_loads_no_heavy_library():
    heavy = "{'torch', 'transformers', 'datasets', 'reasoning_gym', 'pyarrow'}"
    code = f"import sys, selftrain.tasks; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
