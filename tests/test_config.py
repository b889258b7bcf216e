"""Configurations: where values come from, which are refused, and how they are compared."""

from pathlib import Path

import pytest

from selftrain import config as module
from selftrain.config import RunConfig, changed_keys, load_config, preset_text, presets, read_mapping
from selftrain.errors import ConfigError
from selftrain.recipes import load_recipe

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
        load_recipe(config.recipe.name).parse(config.recipe.options)


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


def test_overrides_come_last(folder):
    """Defaults give way to the preset or file, and these to `key=value`, the last of which counts."""
    config = load_config("small", ["training.epochs=1", "rounds=3", "rounds=4", "name=x", "prompt.system=a=b: [c"])
    assert (config.training.epochs, config.training.method) == (1, "full")
    assert (config.rounds, config.name, config.prompt.system) == (4, "x", "a=b: [c")


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
        ("seed=2024-13-45", "seed: input should be a valid integer, .*found '2024-13-45'"),
        ("seed=" + "[" * 5000, "seed: "),
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
        ("[" * 5000, "is not YAML"),
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


@pytest.mark.parametrize("name", ["no-such", "", ".", "/"])
def test_a_file_that_is_not_there(name):
    with pytest.raises(ConfigError, match=r"there is no file or preset .*: give a YAML file or one of .*demo"):
        load_config(name)


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
