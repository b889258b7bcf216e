"""Every recipe through the command line with the tiny model, and what a label-free one may not see."""

import json
import shutil

import pytest
from small import NAMES, Lab, inside, read_json, write_lab, write_rows

from selftrain.plan import paper
from selftrain.report.record import read_run
from selftrain.report.words import round_lines
from selftrain.store import read_parquet
from selftrain.training_set import Labelled, Pair, Row, TrainingSet

JUDGE = '''
"""Right if the response begins with the kind of character that the gold answer names."""

from selftrain.judges.base import compared, no_answer, unjudged


class Kind:
    name, exact_same = "kind", True

    def answer(self, question, response):
        first = response.strip()[:1]
        return ("letter" if first.isalpha() else "digit" if first.isdigit() else "mark") if first else None

    def judge(self, problem, response):
        found = self.answer(problem, response)
        return no_answer() if found is None else compared(found == problem.gold, found)

    def same(self, a, b):
        return a == b


kind = Kind()
'''
NOSY = """
from selftrain import Round, TrainingSet, recipe
from selftrain.recipes import RecipeOptions


class Blind(RecipeOptions):
    @property
    def reads(self):
        return frozenset()


@recipe("nosy", paper="none")
def nosy(round: Round, options: Blind) -> TrainingSet:
    for problem in round.problems:
        assert not any(hasattr(problem, name) for name in ("gold", "rationale", "reference"))
    assert not (round.labels.gold or round.labels.given or round.labels.valid)
    assert not (len(round.solutions()) or len(round.valid()))
    return round.training_set(round.judge(round.sample(round.parent, round.problems, n=1)))
"""
SMALL = {
    "recipe": {"name": "vanilla", "options": {"samples": 4}},
    "training": {
        "method": "full",
        "precision": "fp32",
        "epochs": 1,
        "learning_rate": 1e-4,
        "batch_size": 8,
    },
    "audit": {
        "samples": 2,
        "sampling": {"temperature": 1.0, "max_tokens": 3},
        "greedy": False,
        "settings": {"margin": 0.2, "draws": 100},
    },
}
COUNTS = {"train": 12, "select": 6, "test": 6, "valid": 3}
RATE = "recipe.options.template='{question} {response}'"
"""A short one: the tiny model replies with a digit now and then, and it is all that it reads."""


def write_split(folder, split, *, answer="letter", count=None):
    rows = [
        {"question": f"{split}: name of {NAMES[i % 8]} {i}?", "answer": answer, "rationale": f"{i} is a letter"}
        for i in range(COUNTS[split] if count is None else count)
    ]
    return write_rows(folder / f"{split}.jsonl", rows)


@pytest.fixture(scope="module")
def lab(tmp_path_factory, model) -> Lab:
    """A task with rationales and a judge that reads answers."""
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "own.py").write_text(JUDGE)
    (folder / "nosy.py").write_text(NOSY)
    (folder / "task").mkdir()
    files = {split: str(write_split(folder / "task", split)) for split in COUNTS}
    task = {"name": "files", "options": {**files, "judge": f"{folder / 'own.py'}:kind"}}
    return write_lab(folder, model, {**SMALL, "task": task})


@pytest.fixture(scope="module")
def rewards(tmp_path_factory):
    """A tiny reward model."""
    import torch
    from tiny import tiny_tokenizer
    from transformers import LlamaConfig, LlamaForSequenceClassification

    folder, words = tmp_path_factory.mktemp("rewards") / "reward", tiny_tokenizer()
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(words), num_labels=1, pad_token_id=3, initializer_range=0.5, **sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        LlamaForSequenceClassification(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def chosen(recipe, **options):
    return [f"recipe.name={recipe}", *(f"recipe.options.{name}={value}" for name, value in options.items())]


def rows_of(run, number=1):
    return TrainingSet.load(run / "rounds" / f"{number:02d}" / "training.parquet")


def funnel_of(run, number=1):
    return read_json(run / "rounds" / f"{number:02d}" / "funnel.json")


@pytest.mark.parametrize(
    ("name", "changes", "kind"),
    [
        ("vanilla", chosen("vanilla"), Row),
        ("solutions", chosen("vanilla", solutions="true", start="base"), Row),
        ("east", chosen("east"), Row),
        ("east-dpo", chosen("east", objective="dpo"), Pair),
        ("east-kto", chosen("east", objective="kto", weight="rejected"), Labelled),
        ("lmsi", chosen("lmsi"), Row),
        ("entropy", chosen("entropy_filter", max_entropy=0.6), Row),
        ("iwsi", chosen("iwsi"), Row),
        ("iwsi-w", chosen("iwsi", weighted="true", loss_on="all"), Row),
        ("self", [*chosen("self_filter"), RATE], Row),
        ("iterative", chosen("iterative"), Row),
        ("iterative-dpo", chosen("iterative", method="dpo", warm_up="false", pairs="cross", per_problem=2), Pair),
    ],
)
def test_a_run_of_every_recipe_and_objective(lab, name, changes, kind):
    run = lab.run(name, *changes)
    rows, funnel = rows_of(run), funnel_of(run)
    assert rows.kind is kind
    assert len(rows) == funnel["rows"] > 0
    assert rows.normalised == (name != "iwsi-w")
    assert funnel["tokens"]["trained"] == rows.tokens
    assert (funnel["tokens"]["scored"] > 0) == name.startswith("iwsi")
    assert (run / "report.html").stat().st_size > 0


@pytest.mark.parametrize("options", [{}, {"answers": "any", "best": 1}])
def test_a_run_of_the_reward_filter(lab, rewards, options):
    name = "best-of-n" if options else "reward"
    run = lab.run(name, *chosen("reward_filter", model=rewards, **options))
    rows, funnel = rows_of(run), funnel_of(run)
    assert rows.kind is Row
    assert funnel["right"] == 0
    if options:
        assert len({row.problem for row in rows}) == len(rows)
        assert len(rows) == COUNTS["train"]
    else:
        assert len(rows) == round(0.8 * (len(rows) + funnel["dropped"]["lower reward"]))


def test_a_run_that_finds_nothing_to_learn_is_counted(lab):
    """No exponent below 0 has a weight for what the model is sure of: one token, drawn greedily."""
    run = lab.run("nothing", *chosen("east", exponent=-1), "sampling.temperature=0")
    assert len(rows_of(run)) == 0
    funnel = funnel_of(run)
    assert sum(funnel["dropped"].values()) == COUNTS["train"]
    (line,) = [line for line in round_lines(read_run(run).rounds[0]) if "nothing to train on;" in line]
    for reason, count in funnel["dropped"].items():
        assert f"; dropped {count}: {reason}" in line


def test_what_was_skipped_is_told_by_the_report(lab):
    run = lab.run("skipped", *chosen("iwsi", keep=0.5))
    told = "\n".join(round_lines(read_run(run).rounds[0]))
    dropped = funnel_of(run)["dropped"]
    assert f"dropped {dropped['higher DS weight']}: higher DS weight" in told
    assert "round 1: valid loss " in told
    assert f"on {COUNTS['valid']} rationales" in told


def test_three_rounds_of_sft_dpo(lab):
    """Warm-up on rationales, DPO, SFT; each from the one before, on fresh responses."""
    ended = inside(
        "run", lab.config, "name=alternating", *chosen("iterative", method="sft_dpo"), "rounds=3", "promote=always"
    )
    assert ended.code == 0, ended.err
    run = lab.workspace / "alternating"
    assert [rows_of(run, number).kind for number in (1, 2, 3)] == [Row, Pair, Row]
    assert {row.completion_text for row in rows_of(run)} == {
        f"{i} is a letter<|im_end|>" for i in range(COUNTS["train"])
    }
    for told in (ended.err, ended.out):  # as it happens, and in the story at the end
        assert told.count("coverage 0.") == told.count("round 2: coverage 0.") == 1
    assert [len(funnel_of(run, number)["notes"]) for number in (1, 2, 3)] == [0, 1, 0]
    draws = [funnel_of(run, number)["draws"] for number in (1, 2, 3)]
    assert draws[0] == {}
    assert len(draws[1].keys() | draws[2].keys()) == 2
    parents = [read_json(run / "rounds" / f"{number:02d}" / "round.json")["parent"] for number in (2, 3)]
    assert parents == ["round-01", "round-02"]


@pytest.fixture(scope="module")
def poisoned(lab, tmp_path_factory):
    """The training file with other gold answers, and nothing else changed."""
    file = write_split(tmp_path_factory.mktemp("poisoned"), "train", answer="digit")
    clean = [json.loads(line) for line in (lab.folder / "task" / "train.jsonl").read_text().splitlines()]
    spoilt = [json.loads(line) for line in file.read_text().splitlines()]
    assert [{**row, "answer": None} for row in clean] == [{**row, "answer": None} for row in spoilt]
    assert not {row["answer"] for row in clean} & {row["answer"] for row in spoilt}
    return file


@pytest.mark.parametrize(
    ("recipe", "options", "same"),
    [("iwsi", {}, True), ("lmsi", {}, True), ("vanilla", {}, False), ("lmsi", {"answers": "gold"}, False)],
    ids=["iwsi", "lmsi", "vanilla", "lmsi of gold answers"],
)
def test_poisoned_gold_answers_do_not_reach_a_label_free_training_set(lab, poisoned, tmp_path, recipe, options, same):
    """In workspaces apart, so that nothing is read back; vanilla shows that the answers would be seen."""
    files = []
    for name, changes in (("clean", []), ("poisoned", [f"task.options.train={poisoned}"])):
        workspace = tmp_path / name
        lab.run("run", *chosen(recipe, **options), f"workspace={workspace}", *changes)
        files.append(workspace / "run" / "rounds" / "01" / "training.parquet")
        assert read_parquet(files[-1])
    assert (files[0].read_bytes() == files[1].read_bytes()) is same


def test_a_label_free_recipe_of_ones_own_is_given_no_label(lab):
    """It finds no gold answer, rationale or reference, and the judge refuses."""
    ended = inside("run", lab.config, "name=nosy", f"recipe={lab.folder / 'nosy.py'}:nosy")
    assert "the recipe judges responses, its options say it reads no gold answers" in ended.complaint


def refusal(lab, name, *changes):
    """What a run that is refused at the door says; it has sampled nothing."""
    complaint = inside("run", lab.config, f"name={name}", *changes).complaint
    assert not (lab.workspace / name / "rounds").exists()
    return complaint


def test_a_valid_split_that_is_missing(lab):
    complaint = refusal(lab, "no-valid", *chosen("iwsi"), "task.options.valid=null")
    assert "the recipe iwsi compares with the rationales of a valid split, the task files has none" in complaint


def test_a_valid_split_that_is_empty(lab, tmp_path):
    file = write_split(tmp_path, "valid", count=0)
    assert "valid" in refusal(lab, "empty-valid", *chosen("iwsi"), f"task.options.valid={file}")


def test_a_valid_split_that_overlaps_train(lab):
    complaint = refusal(lab, "overlap", *chosen("iwsi"), f"task.options.valid={lab.folder / 'task' / 'train.jsonl'}")
    assert f"{COUNTS['train']} questions of valid also in other parts" in complaint


def test_a_valid_split_without_rationales(lab, tmp_path):
    file = write_rows(tmp_path / "valid.jsonl", [{"question": "valid: of what?", "answer": "letter"}])
    complaint = refusal(lab, "bare-valid", *chosen("iwsi"), f"task.options.valid={file}")
    assert "1 problem of valid without a rationale, such as 'valid: of what?'" in complaint


def test_a_reward_model_with_the_wrong_head(lab, model):
    complaint = refusal(lab, "wrong-head", *chosen("reward_filter", model=model))
    assert "is LlamaForCausalLM: a sequence classifier" in complaint


def test_a_judge_that_cannot_read_answers(lab, tmp_path):
    (tmp_path / "mute.py").write_text(JUDGE.replace("def answer", "def stated").replace("self.answer", "self.stated"))
    complaint = refusal(lab, "mute", *chosen("lmsi"), f"judge={tmp_path / 'mute.py'}:kind")
    assert "reads no answers without gold answers: give it a method answer(question, response)" in complaint


def test_a_prompt_of_the_recipe_that_cannot_be_rendered(lab):
    assert "the prompt wants 3 shots" in refusal(lab, "shots", *chosen("self_filter"), "recipe.options.prompt.shots=3")


def test_a_reward_model_that_changes_while_the_run_is_under_way(lab, rewards, tmp_path):
    """The rounds that are there were made with another one."""
    folder = tmp_path / "reward"
    shutil.copytree(rewards, folder)
    words = ["name=moved", *chosen("reward_filter", model=folder, samples=2)]
    lab.run("run", *words)
    config = read_json(folder / "config.json")
    (folder / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.5}))
    assert "the content of reward model changed since the run" in inside("run", lab.config, *words).complaint


@pytest.mark.parametrize(
    ("recipe", "changes", "stages"),
    [
        ("iwsi", [], {"sample train", "judge", "score", "train"}),
        ("self_filter", [RATE], {"sample train", "judge"}),  # whether the tiny model gives a rating is luck
        ("reward_filter", [], {"sample train", "judge", "reward", "train"}),
        ("iterative", ["recipe.options.method=sft_dpo", "rounds=3"], {"sample train", "judge", "train"}),
    ],
)
def test_plans(lab, rewards, tmp_path, monkeypatch, recipe, changes, stages):
    monkeypatch.setattr(paper, "SECONDS", 1e9)  # on a busy machine too a calibration draws all its blocks
    needed = {"model": rewards} if recipe == "reward_filter" else {}
    ended = inside("plan", lab.config, "name=planned", *chosen(recipe, **needed), *changes, f"workspace={tmp_path}")
    assert ended.code == 0, ended.err
    planned = {(stage["round"], stage["stage"]) for stage in read_json(tmp_path / "planned" / "plan.json")["stages"]}
    if "train" in stages:
        rounds = {number for number, stage in planned if stage == "train"}
        assert rounds == ({1, 2, 3} if recipe == "iterative" else {1})
    last = 3 if recipe == "iterative" else 1
    assert {(last, stage) for stage in stages} <= planned
