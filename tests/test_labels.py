"""What of a task's labels a recipe gets: what it does not read is not there."""

from dataclasses import fields

import pytest
from make_round import make_group, make_round

from selftrain.errors import ConfigError
from selftrain.labels import Labels
from selftrain.recipes import load_recipe
from selftrain.records import Problem
from selftrain.tasks.task import make_task

LABEL_FREE = {
    "lmsi": {},
    "iwsi": {},
    "entropy_filter": {},
    "self_filter": {},
    "reward_filter": {"model": "folder"},
}


def make_problems(name, count=2, **labels):
    return [Problem.make(f"{name} {number}", **labels) for number in range(count)]


def make(judge="exact", **splits):
    parts = {name: make_problems(name, gold="3") for name in ("train", "select", "test")}
    return make_task("t", splits={**parts, **splits}, judge=judge)


VALID = make_problems("valid", gold="3", rationale="1 and 2 are 3")
LABELLED = make_problems("labelled", gold="3", rationale="1 and 2 are 3")


def reads(name, **options):
    return load_recipe(name).options(**{**LABEL_FREE.get(name, {}), **options}).reads


def test_what_each_recipe_reads():
    assert reads("vanilla") == reads("east") == {"gold"}
    assert reads("vanilla", solutions=True) == reads("iterative") == {"gold", "rationales"}
    assert reads("iterative", warm_up=False) == {"gold"}
    for name in LABEL_FREE:
        valid = {"valid"} if name == "iwsi" else set()
        assert reads(name) == valid
        assert reads(name, answers="gold") == {"gold"} | valid
    assert reads("reward_filter", answers="any") == set()
    assert reads("semievol") == reads("supervised") == {"labelled"}


def test_labels_hold_what_is_read_and_no_more():
    task = make(valid=VALID, labelled=LABELLED)
    nothing = Labels.of(task, (), "mine", task.judge)
    assert nothing == Labels()
    assert all(not getattr(nothing, part.name) for part in fields(Labels))
    everything = Labels.of(task, ("gold", "rationales", "valid"), "mine", task.judge)
    assert everything.gold == {problem.id: problem for problem in task.splits["train"]}
    assert (everything.given, everything.valid) == (task.splits["train"], tuple(VALID))
    assert Labels.of(task, {"labelled"}, "mine", task.judge).labelled == tuple(LABELLED)
    parts = (("gold", "gold"), ("rationales", "given"), ("valid", "valid"), ("labelled", "labelled"))
    for label, part in parts:
        found = Labels.of(task, {label}, "mine", task.judge)
        assert [one.name for one in fields(Labels) if getattr(found, one.name)] == [part]


@pytest.mark.parametrize("other", ["gold", "rationales"])
def test_beside_labelled_problems_those_to_train_on_are_unlabelled(other):
    """So that no recipe sees the answers of the probe."""
    task = make(labelled=LABELLED)
    with pytest.raises(ConfigError, match="reads the labelled split and the training problems' labels, too") as e:
        Labels.of(task, {"labelled", other}, "mine", task.judge)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("name", LABEL_FREE)
def test_a_label_free_recipe_gets_no_gold_answer_of_a_training_problem(name):
    """Not by its problems' type, not by the labels, not by the judge."""
    task = make(valid=VALID)
    labels = Labels.of(task, reads(name), name, task.judge)
    assert not labels.gold
    assert not labels.given
    groups = [make_group("q", "RW")]
    round = make_round(groups, labels=labels)
    with pytest.raises(AttributeError, match="gold"):
        _ = round.problems[0].gold
    with pytest.raises(ConfigError, match="the recipe judges responses, its options say it reads no gold answers"):
        round.judge(round.sample(round.parent, round.problems, n=2))


@pytest.mark.parametrize("train", [{"gold": "3"}, {}], ids=["answered", "bare"])
@pytest.mark.parametrize("name", ["semievol", "supervised"])
def test_a_recipe_for_few_labels_gets_the_labelled_problems_alone(name, train):
    """Whether the training problems have gold answers, as a probe, or none."""
    task = make(labelled=LABELLED, train=make_problems("train", **train))
    labels = Labels.of(task, reads(name), name, task.judge)
    assert labels == Labels(labelled=tuple(LABELLED))
    assert not {problem.id for problem in labels.labelled} & {problem.id for problem in task.splits["train"]}


@pytest.mark.parametrize("name", ["semievol", "supervised"])
def test_labelled_rows_that_are_missing(name):
    with pytest.raises(
        ConfigError, match=f"the recipe {name} learns from labelled problems, the task t has no labelled rows: give it"
    ) as caught:
        Labels.of(make(), reads(name), name, "exact")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("judge", ["exact", "number", "math"])
def test_gold_answers_that_are_missing(judge):
    task = make(judge, train=make_problems("bare"))
    with pytest.raises(ConfigError, match="the recipe east reads gold answers, the training problems have none: ") as e:
        Labels.of(task, {"gold"}, "east", task.judge)
    assert "\n" not in str(e.value)
    assert Labels.of(task, (), "lmsi", task.judge) == Labels()


def test_a_judge_of_ones_own_may_do_without_gold_answers(tmp_path):
    task = make("own.py:judge", train=make_problems("bare"))
    assert len(Labels.of(task, {"gold"}, "east", task.judge).gold) == 2


def test_labels_to_learn_from_that_are_missing():
    worked = Problem.make("worked", rationale="so 3")
    task = make("own.py:judge", train=[*make_problems("bare"), *make_problems("answered", gold="3"), worked])
    with pytest.raises(ConfigError, match="learns from labels, 2 training problems have neither a rationale nor an"):
        Labels.of(task, {"rationales"}, "iterative", task.judge)


def test_a_valid_split_that_is_missing():
    with pytest.raises(
        ConfigError, match=r"the rationales of a valid split, the task t has none: give it one, such as"
    ):
        Labels.of(make(), {"valid"}, "iwsi", "exact")


def test_the_judge_that_marks_decides_whether_gold_answers_are_needed():
    task = make("exact", train=make_problems("bare"))
    assert Labels.of(task, {"gold"}, "east", "own.py:judge").gold
    own = make("own.py:judge", train=make_problems("bare"))
    with pytest.raises(ConfigError, match="reads gold answers, the training problems have none"):
        Labels.of(own, {"gold"}, "east", "number")


@pytest.mark.parametrize("reads", [{"golds"}, None, 3])
def test_labels_that_nobody_has(reads):
    with pytest.raises(
        ConfigError, match=r"the recipe mine reads .*: `reads` of its options is a frozenset among gold, "
    ):
        Labels.of(make(), reads, "mine", "exact")
