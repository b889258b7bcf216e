"""Variants: which words vary a key, how settings are laid over one another, and which sweeps are refused."""

import json

import pytest

from selftrain.errors import ConfigError
from selftrain.sweep.variants import MOST, axis, flattened, read_sweep

CONFIG = {"task": "gsm8k", "recipe": {"name": "east", "options": {"samples": 4}}, "name": "s"}


def listing(variants):
    return {**CONFIG, "variants": variants}


def variants(config, *words):
    return {variant.name: variant.config for variant in read_sweep(config, words).variants}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0,1,2", [0, 1, 2]),
        ("0.5, 1e-5", [0.5, "1e-5"]),
        ("[a, b],[c]", [["a", "b"], ["c"]]),
        ('"a, b",c', ["a, b", "c"]),
        ("null,{shots: 2, style: plain}", [None, {"shots": 2, "style": "plain"}]),
        ("true,false", [True, False]),
    ],
)
def test_a_word_with_commas_is_an_axis(text, values):
    assert axis(f"a.b={text}") == ("a.b", values)


@pytest.mark.parametrize(
    "text", ["1", "", "[a, b]", '["a"]', "{a: 1, b: 2}", '"a, b"', "1,", "a],[b", "a: [", "x #, y"]
)
def test_a_word_without_is_one_value(text):
    assert axis(f"a.b={text}") is None


def test_words_that_are_none():
    with pytest.raises(ConfigError, match="'rounds' is not key=value"):
        axis("rounds")


def test_a_grid():
    found = variants(CONFIG, "recipe.options.exponent=0,0.5", "training.epochs=1,2", "rounds=3")
    assert list(found) == [
        "exponent-0-epochs-1",
        "exponent-0-epochs-2",
        "exponent-0.5-epochs-1",
        "exponent-0.5-epochs-2",
    ]
    config = found["exponent-0.5-epochs-2"]
    assert config.name == "s-exponent-0.5-epochs-2"
    assert (config.recipe.options, config.training.epochs, config.rounds) == ({"samples": 4, "exponent": 0.5}, 2, 3)


def test_a_sweep_knows_its_folder_and_what_sets_variants_apart(tmp_path):
    sweep = read_sweep({**CONFIG, "workspace": tmp_path}, ["name=other", "seed=1,2"])
    assert (sweep.name, sweep.folder) == ("other", tmp_path / "other")
    assert [dict(variant.setting) for variant in sweep.variants] == [{"seed": 1}, {"seed": 2}]
    assert [variant.folder for variant in sweep.variants] == [tmp_path / "other-seed-1", tmp_path / "other-seed-2"]
    assert sweep.file(sweep.variants[0]) == tmp_path / "other" / "variants" / "seed-1.yaml"


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ('"a b","a,b",a-b', ["system-a-b", "system-a-b-2", "system-a-b-3"]),
        ('"a b","a,b",a-b-2', ["system-a-b", "system-a-b-2", "system-a-b-2-2"]),
        (f"{'x' * 60}y,{'x' * 60}z", [f"system-{'x' * 39}y", f"system-{'x' * 39}z"]),
        ("null,../../etc/passwd", ["system-null", "system-..-..-etc-passwd"]),
    ],
)
def test_names_are_names_of_runs_and_all_different(values, names):
    assert list(variants(CONFIG, f"prompt.system={values}")) == names


def test_methods_of_a_file_are_laid_over_the_rest():
    listed = {
        "plain": None,
        "more": {"recipe.options.samples": 8, "training": {"epochs": 2}},
        "other": {"recipe": "vanilla", "training.epochs": 3},
        "both": {"recipe": {"name": "vanilla"}, "recipe.options.per_problem": 2},
    }
    found = variants({**CONFIG, "training": {"method": "full"}, "variants": listed}, "rounds=2")
    assert list(found) == list(listed)
    recipes = {name: (config.recipe.name, config.recipe.options) for name, config in found.items()}
    assert recipes == {
        "plain": ("east", {"samples": 4}),
        "more": ("east", {"samples": 8}),
        "other": ("vanilla", {}),
        "both": ("vanilla", {"per_problem": 2}),
    }
    assert [config.training.epochs for config in found.values()][1:3] == [2, 3]
    assert {(config.training.method, config.rounds) for config in found.values()} == {("full", 2)}


def test_axes_apply_to_each_method_and_single_values_to_all():
    listed = {"a": {"training.epochs": 5}, "b": {"recipe": "vanilla"}}
    found = variants({**CONFIG, "variants": listed}, "recipe.options.samples=2,3", "training.epochs=7")
    assert list(found) == ["a-samples-2", "a-samples-3", "b-samples-2", "b-samples-3"]
    assert {config.training.epochs for config in found.values()} == {7}
    assert found["b-samples-3"].recipe.options == {"samples": 3}


VOTING = {"task": "gsm8k", "name": "s", "recipe": {"name": "east", "options": {"exponent": 2}}}


@pytest.mark.parametrize("axis", ["recipe=vanilla,east", "recipe.name=vanilla,east"])
@pytest.mark.parametrize("turned", [False, True])
def test_options_given_as_words_belong_to_every_recipe_of_an_axis(axis, turned):
    words = [axis, "recipe.options.samples=4"]
    found = variants(VOTING, *(reversed(words) if turned else words))
    assert [(config.recipe.name, config.recipe.options) for config in found.values()] == [
        ("vanilla", {"samples": 4}),
        ("east", {"exponent": 2, "samples": 4}),
    ]


def test_whole_mappings_come_before_what_is_in_them():
    found = variants(VOTING, "task.options.train=5,6", "task=gsm8k,files", "prompt.shots=2", "prompt={style: plain}")
    assert [(config.task.name, config.task.options) for config in found.values()] == [
        (name, {"train": count}) for count in (5, 6) for name in ("gsm8k", "files")
    ]
    assert {(config.prompt.style, config.prompt.shots) for config in found.values()} == {("plain", 2)}


def test_every_variant_is_measured_on_select_unless_the_configuration_says_otherwise():
    (config, _) = variants(CONFIG, "seed=1,2").values()
    assert (config.promote, config.audit.split) == ("always", "select")
    (config, _) = variants({**CONFIG, "promote": "on_progress"}, "seed=1,2", "audit.split=test").values()
    assert (config.promote, config.audit.split) == ("on_progress", "test")


@pytest.mark.parametrize(
    ("config", "words", "message"),
    [
        (
            CONFIG,
            [],
            "a sweep wants something to vary: give a key several values, such as recipe.options.exponent=0,1,2",
        ),
        (CONFIG, ["rounds=2"], "a sweep wants something to vary"),
        (CONFIG, ["recipe.options.exponent=1,x"], "the variant exponent-x: recipe.options.exponent: .*found 'x'"),
        (CONFIG, ["training.epochs=1,0"], "the variant epochs-0: training.epochs: .*found 0"),
        (CONFIG, ["recipe=east,nope"], "the variant recipe-nope: unknown recipe 'nope'"),
        (CONFIG, ["nope=1,2"], "the variant nope-1: unknown key nope"),
        (CONFIG, ["recipe.options.exponent=1,1.0"], "the variants exponent-1 and exponent-1.0 are the same: take one"),
        (CONFIG, ["training.epochs=1,2", "training.epochs=3,4"], "training.epochs has several values twice"),
        (
            CONFIG,
            ["recipe.options.exponent=0,-0.0"],
            "the variants exponent-0 and exponent--0.0 are the same: take one",
        ),
        (
            CONFIG,
            ["name=a,b"],
            "the variant name-a sets name: a sweep names its runs; set it once, for the whole sweep",
        ),
        (CONFIG, ["workspace=a,b"], "sets workspace: variants share one"),
        (
            CONFIG,
            ["audit.split=select,test"],
            "the variant split-select sets audit.split: variants are compared on one",
        ),
        (CONFIG, ["audit={split: select},{split: test}"], "sets audit.split"),
        (listing({"a": {"audit": {"split": "test"}}}), [], "the variant a sets audit.split"),
        (
            CONFIG,
            ["variants.x.seed=3"],
            "variants.x.seed cannot be given as a word: variants stand in the file, settings",
        ),
        (CONFIG, ["seed=1,2", "variants={a: {seed: 3}}"], "variants cannot be given as a word"),
        (listing({"a": {"": 1}, "b": {}}), [], "the variant a: '' is no key: write names with a dot between them"),
        (listing({"a": {"training.": 1}, "b": {}}), [], "the variant a: 'training.' is no key"),
        (
            CONFIG,
            ["seed=1,2", "task={a: &t {b: *t}}"],
            "task: the value is nested more than 32",
        ),
        (CONFIG, [f"seed=1,{'[' * 5000}"], "seed: the value is nested more than 32 deep"),
        (
            {**CONFIG, "name": "a" * 99},
            ["seed=1,2"],
            "its run cannot be called 'aa.*, of 106 characters: use at most 100",
        ),
        (
            {**CONFIG, "name": "a b"},
            ["seed=1,2"],
            "give the sweep another name=... or list `variants` with short names",
        ),
        (CONFIG, [f"recipe.options.{'k' * 200}=1,2"], "the variant k{40}-1: unknown key recipe.options.kk"),
        (CONFIG, ["a b=1,2"], "the variant a-b-1: unknown key a b: known keys are"),
        (listing({"a" * 101: {}}), [], "the variant 'a+' cannot name a run: use at most 100 letters"),
        (CONFIG, [f"seed={','.join(map(str, range(MOST + 1)))}"], "this makes 201 variants: a sweep has at most 200"),
        (listing({"a": {}, "b": {}}), [], "the variants a and b are the same"),
        (listing({"a": {"recipe.options": {"exponent": 1.0}}, "b": {}}), [], "the variants a and b are the same"),
        (listing({"a": {}, "b": {"like": "demo"}}), [], "the variant b: unknown key like"),
        (listing({"a/b": {}}), [], "the variant 'a/b' cannot name a run"),
        (listing({1: {}}), [], "the variant 1 cannot name a run"),
        (listing({"a": 3}), [], "the variant a is a int: a mapping of settings is wanted"),
        (listing(["a"]), [], "variants is a list: a mapping of names to settings is wanted"),
        (listing({"a": {"recipe.options": 3}}), [], "the variant a: recipe.options: "),
        ({**CONFIG, "name": "../x"}, ["seed=1,2"], "the variant seed-1: its run cannot be called '../x-seed-1'"),
    ],
)
def test_sweeps_that_cannot_be(config, words, message):
    with pytest.raises(ConfigError, match=message) as caught:
        read_sweep(config, words)
    assert "\n" not in str(caught.value)


def test_the_callers_mapping_is_left_alone():
    config = {**CONFIG, "audit": {"samples": 2}, "variants": {"a": {"recipe": {"options": {"samples": 9}}}}}
    before = json.dumps(config)
    read_sweep(config, ["audit.samples=3,4", "recipe.options.exponent=2"])
    assert json.dumps(config) == before


def test_flattened():
    assert dict(flattened({"a": {"b": 1, "c": {"d": [1]}}, "e": {}})) == {"a.b": 1, "a.c.d": [1], "e": {}}
