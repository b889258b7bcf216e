"""Variants: which words vary a key, how settings are laid over one another, and which sweeps are refused."""

import json

import pytest

from selftrain.errors import ConfigError
from selftrain.sweep.variants import MOST, axis, flattened, read_sweep

CONFIG = {"task": "gsm8k", "recipe": {"name": "east", "options": {"samples": 4}}, "name": "s"}


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


def test_every_variant_is_measured_on_select_unless_the_configuration_says_otherwise():
    (config, _) = variants(CONFIG, "seed=1,2").values()
    assert (config.promote, config.audit.split) == ("always", "select")
    (config, _) = variants({**CONFIG, "promote": "on_progress"}, "seed=1,2", "audit.split=test").values()
    assert (config.promote, config.audit.split) == ("on_progress", "test")


def listing(variants):
    return {**CONFIG, "variants": variants}


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
        (CONFIG, ["name=a,b"], "the variant name-a sets name: variants share a workspace"),
        (CONFIG, ["workspace=a,b"], "sets workspace"),
        (CONFIG, [f"seed={','.join(map(str, range(MOST + 1)))}"], "this makes 201 variants: a sweep has at most 200"),
        (listing({"a": {}, "b": {}}), [], "the variants a and b are the same"),
        (listing({"a": {"recipe.options": {"exponent": 1.0}}, "b": {}}), [], "the variants a and b are the same"),
        (listing({"a": {}, "b": {"like": "demo"}}), [], "the variant b: unknown key like"),
        (listing({"a/b": {}}), [], "the variant 'a/b' cannot name a run"),
        (listing({1: {}}), [], "the variant 1 cannot name a run"),
        (listing({"a": 3}), [], "the variant a is a int: a mapping of settings is wanted"),
        (listing(["a"]), [], "variants is a list: a mapping of names to settings is wanted"),
        (listing({"a": {"recipe.options": 3}}), [], "the variant a: recipe.options: "),
        ({**CONFIG, "name": "../x"}, ["seed=1,2"], "the variant seed-1: name: "),
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
