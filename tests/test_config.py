"""Configurations: where values come from, which are refused, and how they are compared."""

from pathlib import Path

import pytest

from selftrain import config as module
from selftrain.config import RunConfig, changed_keys, load_config, merged, preset_text, presets, read_mapping
from selftrain.errors import ConfigError
from selftrain.plain_yaml import read_yaml
from selftrain.recipes import load_recipe
from selftrain.validation import parse

MINIMAL = {"task": "gsm8k"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where presets live in this test: `small`, of two rounds."""
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "small.yaml").write_text("task: gsm8k\nrounds: 2\ntraining: {epochs: 5, method: full}\n")
    (tmp_path / "presets" / "notes.txt").write_text("no preset")
    monkeypatch.setattr(module, "files", lambda package: tmp_path)
    return tmp_path


def one_line(caught):
    assert "\n" not in str(caught.value)


def test_defaults():
    config = load_config(MINIMAL)
    assert (config.name, config.rounds, config.recipe.name) == ("run", 1, "vanilla")
    assert config.drawing_prompt == config.prompt
    assert load_config(MINIMAL | {"sampling_prompt": {"shots": 2}}).drawing_prompt.shots == 2


def test_every_preset_is_a_configuration():
    assert "demo" in presets()
    for name in presets():
        config = load_config(name)
        assert config.name == name
        parse(load_recipe(config.recipe.name).options, config.recipe.options, "recipe.options")


def test_a_preset(folder):
    assert presets() == ["small"]
    config = load_config("small")
    assert (config.name, config.rounds, config.training.epochs, config.training.method) == ("small", 2, 5, "full")
    assert preset_text("small").startswith("task: gsm8k")


def test_a_file_is_named_after_itself_unless_it_says_otherwise(folder):
    (folder / "mine.yaml").write_text("task: gsm8k\nseed: 3\n")
    assert (load_config(folder / "mine.yaml").name, load_config(folder / "mine.yaml").seed) == ("mine", 3)
    (folder / "mine.yaml").write_text("task: gsm8k\nname: other\n")
    assert load_config(str(folder / "mine.yaml")).name == "other"


def test_a_preset_comes_before_a_file_of_its_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "small").write_text("task: gsm8k\nrounds: 7\n")
    assert load_config("small").rounds == 2
    assert load_config("./small").rounds == 7


def test_a_file_like_a_preset(folder):
    """Nested mappings are merged deeply, lists replaced; a name is nothing to be like."""
    (folder / "base.yaml").write_text(
        "like: small\nname: base\nprompt: {stop: [a, b], style: plain}\nrecipe: {name: east, options: {samples: 2}}\n"
    )
    (folder / "mine.yaml").write_text("like: base.yaml\nprompt: {stop: [c]}\ntraining: {epochs: 1}\nseed: 3\n")
    config = load_config(folder / "mine.yaml", ["seed=4"])
    assert (config.name, config.seed, config.rounds) == ("mine", 4, 2)
    assert (config.training.epochs, config.training.method) == (1, "full")
    assert (config.prompt.stop, config.prompt.style) == (("c",), "plain")
    assert (config.recipe.name, config.recipe.options) == ("east", {"samples": 2})
    assert load_config(folder / "base.yaml").name == "base"
    assert "like" not in read_mapping(str(folder / "mine.yaml"))


def test_like_is_looked_for_beside_the_file_then_in_the_working_directory(folder, monkeypatch):
    (folder / "deep").mkdir()
    (folder / "deep" / "mine.yaml").write_text("like: other.yaml\n")
    (folder / "other.yaml").write_text("task: gsm8k\nrounds: 7\n")
    monkeypatch.chdir(folder)
    assert load_config("deep/mine.yaml").rounds == 7
    assert load_config({"like": "other.yaml"}).rounds == 7
    (folder / "other.yaml").write_text("task: gsm8k\nname: other\nrounds: 7\n")
    assert load_config({"like": "other.yaml"}).name == "run"
    (folder / "deep" / "other.yaml").write_text("like: ./small\ntask: gsm8k\nrounds: 8\n")
    (folder / "deep" / "small").write_text("seed: 5\n")
    assert (load_config("deep/mine.yaml").rounds, load_config("deep/mine.yaml").seed) == (8, 5)


@pytest.mark.parametrize(
    ("below", "above", "options"),
    [
        ("east", "vanilla", {}),
        ({"name": "east", "options": {"samples": 2}}, "vanilla", {}),
        (
            {"name": "east", "options": {"samples": 2}},
            {"name": "vanilla", "options": {"per_problem": 3}},
            {"per_problem": 3},
        ),
        ({"name": "east", "options": {"samples": 2}}, "east", {"samples": 2}),
        ({"name": "east", "options": {"samples": 2}}, {"options": {"exponent": 1}}, {"samples": 2, "exponent": 1}),
        ("east", {"options": {"samples": 2}}, {"samples": 2}),
        ({"options": {"samples": 2}}, "east", {}),
        ({"options": {"samples": 2}}, "vanilla", {"samples": 2}),
        (
            {"options": {"samples": 2}},
            {"name": "vanilla", "options": {"per_problem": 1}},
            {"samples": 2, "per_problem": 1},
        ),
    ],
)
def test_options_are_those_of_one_recipe(below, above, options):
    """Where another one is named, they start empty."""
    made = merged({"recipe": below, "task": "gsm8k"}, {"recipe": above})
    assert made["recipe"].get("options", {}) == options
    assert made["task"] == "gsm8k"


def test_another_judge_keeps_its_deadline_and_deeper_names_are_no_names():
    below = {"judge": {"name": "exact", "deadline": 3}, "task": {"name": "files", "options": {"judge": "exact"}}}
    made = merged(below, {"judge": "number", "task": {"options": {"judge": "math"}}})
    assert made == {"judge": {"name": "number", "deadline": 3}, "task": {"name": "files", "options": {"judge": "math"}}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("like: no-such", "mine.yaml is like 'no-such', and there is no such file or preset: known are small"),
        ("like: [small]", r"like of .*mine.yaml is \['small'\]: give the name of a preset or YAML file"),
        ("like:", "like of .*mine.yaml is None"),
        ("like: ''", "is like '', and there is no such file"),
        ("like: mine.yaml", "like goes in a circle, .*/mine.yaml to .*/mine.yaml: take one of them out"),
        ("like: there.yaml", "circle, .*/mine.yaml to .*/there.yaml to .*/mine.yaml"),
        ("like: broken.yaml", "broken.yaml is not YAML"),
        (f"like: {'a' * 5000}", r"is like 'a+\.\.\.a+', and there is no such file or preset: known are small"),
        ('like: "a\\0b"', "is like 'a.*b', and there is no such file"),
        ("task: gsm8k\nvariants: {a: {}}", "variants are for a sweep: give this configuration to selftrain sweep"),
    ],
)
def test_what_a_file_cannot_be_like(folder, text, message):
    (folder / "mine.yaml").write_text(text)
    (folder / "there.yaml").write_text("like: ./mine.yaml")
    (folder / "broken.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(folder / "mine.yaml")
    one_line(caught)


def test_the_verdict_is_told_from_test_or_select():
    assert load_config(MINIMAL).audit.split == "test"
    assert load_config(MINIMAL, ["audit.split=select"]).audit.split == "select"
    with pytest.raises(ConfigError, match=r"audit\.split: input should be 'select' or 'test', found 'train'"):
        load_config(MINIMAL, ["audit.split=train"])


def test_overrides_come_last(folder):
    """Defaults give way to the preset or file, and these to `key=value`, the last of which counts."""
    config = load_config("small", ["training.epochs=1", "rounds=3", "rounds=4", "name=x", "prompt.system=a=b: [c"])
    assert (config.training.epochs, config.training.method) == (1, "full")
    assert (config.rounds, config.name, config.prompt.system) == (4, "x", "a=b: [c")


EAST = {"task": "gsm8k", "recipe": {"name": "east", "options": {"exponent": 1}}}


@pytest.mark.parametrize(
    ("words", "name", "options"),
    [
        (("recipe.options.samples=4", "recipe=lmsi"), "lmsi", {"samples": 4}),
        (("recipe=lmsi", "recipe.options.samples=4"), "lmsi", {"samples": 4}),
        (("recipe.options={samples: 4}", "recipe.name=lmsi"), "lmsi", {"samples": 4}),
        (("recipe.name=lmsi",), "lmsi", {}),
        (("recipe.options.samples=4", "recipe=east"), "east", {"exponent": 1, "samples": 4}),
        (("recipe.options.samples=4", "recipe={name: lmsi, options: {answers: gold}}"), "lmsi",
         {"answers": "gold", "samples": 4}),
    ],
)  # fmt: skip
def test_options_given_as_words_belong_to_the_recipe_the_words_name(words, name, options):
    """Whatever the order of the words."""
    recipe = load_config(EAST, words).recipe
    assert (recipe.name, recipe.options) == (name, options)


def test_words_are_laid_over_a_configuration_as_a_file_is_over_another():
    source = {**MINIMAL, "prompt": {"style": "plain", "stop": ["a", "b"]}}
    prompt = load_config(source, ["prompt.shots=2", "prompt={stop: [c], shots: 1}"]).prompt
    assert (prompt.style, prompt.stop, prompt.shots) == ("plain", ("c",), 2)


def test_overrides_read_yaml_values():
    config = load_config(
        MINIMAL,
        ["prompt.stop=[a, b]", "training.learning_rate=1.0e-3", "audit.greedy=false", "stop_after_refused=null"],
    )
    assert config.prompt.stop == ("a", "b")
    assert config.training.learning_rate == 1e-3
    assert config.audit.greedy is False
    assert config.stop_after_refused is None


def test_a_name_stands_for_task_recipe_and_judge():
    config = load_config({"task": "gsm8k", "recipe": "east", "judge": "number"}, ["recipe.options.samples=4"])
    assert (config.task.name, config.recipe.name, config.judge.name) == ("gsm8k", "east", "number")
    assert config.recipe.options == {"samples": 4}
    assert load_config(None, ["task=gsm8k", "recipe=east"]).recipe.name == "east"


def test_the_callers_mapping_is_left_alone():
    source = {"task": {"name": "gsm8k"}, "training": {"epochs": 2}}
    load_config(source, ["training.epochs=9", "task.options.train=5"])
    assert source == {"task": {"name": "gsm8k"}, "training": {"epochs": 2}}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("rounds", "'rounds' is not key=value: write for example training.epochs=2"),
        ("=2", "'=2' is not key=value"),
        ("round=2", "unknown key round: known keys are name, workspace"),
        ("audit.sampling.temp=1", "unknown key audit.sampling.temp: known keys are temperature, top_p, max_tokens"),
        ("rounds=0", "rounds: .* greater than or equal to 1, found 0"),
        ("audit.samples=0", "audit.samples: .* greater than or equal to 1, found 0"),
        ("engine.batch=0", "engine.batch: "),
        ("sampling.temperature=-1", "sampling.temperature: "),
        ("sampling.temperature=.nan", "sampling.temperature: "),
        ("sampling.max_tokens=0", "sampling.max_tokens: "),
        ("training.epochs=0", "training.epochs: .*found 0"),
        ("training.lora.rank=4", "unknown key training.lora.rank: known keys are r, alpha, dropout, targets"),
        ("training.trl.packing=true", "training.trl: packing cannot be set"),
        ("audit.settings.margins={unparsed: 0}", "audit.settings.margins.unparsed: .*greater than 0, found 0"),
        ("rounds.x=1", "rounds: input should be a valid integer"),
        ("name=../escape", "name: "),
        ("name=.steps", "name: "),
        (f"name={'a' * 101}", "name: a run's name has at most 100 letters, digits, .* such as name=mine, found 'aaa"),
        ("name=a b", "name: a run's name has at most 100"),
        ("training..epochs=1", r"'training\.\.epochs' is no key: write names with a dot between them"),
        ("training.=1", "'training.' is no key"),
        (".seed=1", "'.seed' is no key"),
        (f"recipe.options{'.a' * 300}=1", r"'recipe\.options.*' is no key"),
        ("task={name: gsm8k, options: &t {a: *t}}", "task: the value is nested more than 32 deep, or stands in itself"),
        ("seed=2024-13-45", "seed: input should be a valid integer, .*found '2024-13-45'"),
        ("seed=" + "[" * 5000, "seed: the value is nested more than 32 deep"),
    ],
)
def test_values_that_cannot_be(override, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(MINIMAL, [override])
    one_line(caught)


@pytest.mark.parametrize("recipe", ["vanilla", "east"])
def test_no_samples_are_no_recipe(recipe):
    for key in ("samples", "per_problem"):
        with pytest.raises(
            ConfigError, match=f"recipe.options.{key}: .* greater than or equal to 1, found 0"
        ) as caught:
            load_recipe(recipe).parse({key: 0})
        one_line(caught)


def test_a_task_is_needed():
    with pytest.raises(ConfigError, match="task is missing"):
        load_config()


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load_config(MINIMAL).rounds = 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!!python/object/apply:os.system ['touch HERE/touched']", "is not YAML: could not determine a constructor"),
        ("task: !!python/object/apply:os.system ['touch HERE/touched']", "is not YAML"),
        ("task: !!python/name:os.system", "is not YAML"),
        ("a: [", "is not YAML: while parsing"),
        ("a: 2024-13-45", "is not YAML: month must be in 1..12"),
        ("a: !!int x", "is not YAML"),
        ("[" * 5000, "is nested more than 32 deep"),
        ("{a: " * 300 + "1" + "}" * 300, "is nested more than 32 deep"),
        (
            "task: &t {name: gsm8k, options: *t}\nlike: demo",
            "deep, or stands in itself: a config",
        ),
        (
            "a0: &a0 {}\n" + "".join(f"a{i + 1}: &a{i + 1} {{<<: [*a{i}, *a{i}]}}\n" for i in range(40)),
            "is nested more than 32 deep",
        ),
        ("a: \0", "is not YAML"),
        ("- task\n- gsm8k", "holds list: a mapping is wanted"),
        ("gsm8k", "holds str: a mapping is wanted"),
        ("", "holds nothing: a mapping is wanted"),
        ("1: 2", "1: keys should be strings"),
        ("task: gsm8k\ntasks: gsm8k", "unknown key tasks: known keys are name"),
    ],
)
def test_files_that_are_no_configuration(tmp_path, text, message):
    """A file is data: nothing in it runs, and what is wrong with it is one line."""
    path = tmp_path / "config.yaml"
    path.write_text(text.replace("HERE", str(tmp_path)))
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    one_line(caught)
    assert not (tmp_path / "touched").exists()


def test_a_file_that_is_too_big(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("task: gsm8k\n" + "#" * module.MAX_YAML)
    with pytest.raises(ConfigError, match="has 1,000,012 bytes: a configuration has at most 1,000,000"):
        load_config(path)


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"task: \xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8 text: save it as UTF-8 YAML"):
        read_mapping(str(path))


@pytest.mark.parametrize("name", ["no-such", "", ".", "/", "a" * 5000, "a\0b", "~/\n"])
def test_a_file_that_is_not_there(name):
    with pytest.raises(
        ConfigError, match=r"there is no file or preset .*: give a YAML file or one of .*demo"
    ) as caught:
        load_config(name)
    one_line(caught)
    assert len(str(caught.value)) < 700


def test_an_unknown_preset():
    with pytest.raises(ConfigError, match=r"unknown preset 'no': known are .*demo"):
        preset_text("no")


def test_changed_keys():
    old = {"a": 1, "b": {"c": [1, 2], "d": None, "e": {"f": 1}}, "g": {"h": 1}, "same": {"x": 1}}
    new = {"a": 2, "b": {"c": [2, 1], "e": {"f": 1, "new": 0}}, "g": None, "same": {"x": 1}}
    assert changed_keys(old, new) == ["a", "b.c", "b.e.new", "g"]
    assert changed_keys(old, old) == []


def test_changed_keys_of_configurations():
    before, after = (
        load_config(MINIMAL, overrides).model_dump(mode="json")
        for overrides in ([], ["training.epochs=9", "sampling_prompt.shots=1", "recipe=east"])
    )
    assert changed_keys(before, after) == ["recipe.name", "sampling_prompt", "training.epochs"]


def test_a_configuration_survives_its_own_dump():
    config = load_config("demo")
    assert RunConfig.model_validate(config.model_dump(mode="json")) == config
    assert isinstance(config.workspace, Path)


def test_aliases_are_read_unless_they_grow_without_end():
    assert read_yaml("a: &a {b: 1}\nc: *a\nd: {<<: *a, e: 2}") == {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}}
    laughs = "a0: &a0 [1]\n" + "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(8))
    with pytest.raises(ConfigError, match=r"holds more than 20,000 values: .* write it without aliases"):
        read_yaml(laughs)
    merges = "a0: &a0 {x: 1}\n" + "".join(
        f"a{i + 1}: &a{i + 1} {{<<: [{', '.join([f'*a{i}'] * 9)}]}}\n" for i in range(8)
    )
    with pytest.raises(ConfigError, match="holds more than 20,000 values"):
        read_yaml(merges)
