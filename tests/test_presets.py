"""The presets: true to the papers, told in their head comment, and showing only what sets them apart."""

import re
from functools import reduce
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from selftrain.config import RunConfig, load_config, merged, preset_text, presets, read_mapping
from selftrain.labels import Labels
from selftrain.models import Model
from selftrain.recipes import RecipeOptions, builtin_recipes, load_recipe
from selftrain.tasks.files import FilesOptions
from selftrain.tasks.gsm8k import Gsm8kOptions

PAGE = (Path(__file__).parents[1] / "docs" / "papers.md").read_text(encoding="utf-8")
EAST, IWSI, ITERATIVE, SEMIEVOL = "2503.23913", "2408.09849", "2407.05013", "2410.14745"
AS_ES = "2403.01969"
PAPERS = {
    "demo": EAST,
    "east": EAST,
    "east-8b": EAST,
    "east-dpo": EAST,
    "east-kto": EAST,
    "vanilla": EAST,
    "iwsi": IWSI,
    "iwsi-w": IWSI,
    "lmsi": "2210.11610",
    "entropy-filter": IWSI,
    "self-filter": IWSI,
    "reward-filter": IWSI,
    "iterative-sft": ITERATIVE,
    "iterative-dpo": ITERATIVE,
    "iterative-sft-dpo": ITERATIVE,
    "rft": "2308.01825",
    "star": "2203.14465",
    "rest-em": "2312.06585",
    "raft": "2304.06767",
    "semievol": SEMIEVOL,
    "semievol-no-collaboration": SEMIEVOL,
    "semievol-no-in-context": SEMIEVOL,
    "semievol-no-in-weight": SEMIEVOL,
    "semievol-no-selection": SEMIEVOL,
    "semievol-rounds": SEMIEVOL,
    "semievol-sft": SEMIEVOL,
    "as-es": AS_ES,
    "as-es-pet": AS_ES,
    "as-es-rounds": AS_ES,
    "as-es-sft": AS_ES,
    "as-es-uni": AS_ES,
}
LLAMA3 = "meta-llama/Meta-Llama-3-8B"
EAST_FAMILY = ("east", "east-8b", "east-dpo", "east-kto", "vanilla")
IWSI_FAMILY = ("iwsi", "iwsi-w", "lmsi", "entropy-filter", "self-filter", "reward-filter")
ITERATIVE_FAMILY = ("iterative-sft", "iterative-dpo", "iterative-sft-dpo")
SEMIEVOL_FAMILY = tuple(name for name, paper in PAPERS.items() if paper == SEMIEVOL)
ABLATIONS = tuple(name for name in SEMIEVOL_FAMILY if name.startswith("semievol-no-"))
RATIONALES = ("as-es", "as-es-uni", "as-es-pet", "as-es-sft")
"""Of AS-ES those that learn written chains."""
PUBLISHED: list[tuple[tuple[str, ...], str, Any]] = [
    (("east", "east-dpo", "east-kto", "vanilla"), "model", "meta-llama/Llama-3.2-1B-Instruct"),
    (("east-8b",), "model", "meta-llama/Llama-3.1-8B-Instruct"),
    (EAST_FAMILY, "training.method", "full"),
    (EAST_FAMILY, "training.loss", "sequence"),
    (EAST_FAMILY, "training.precision", "bf16"),
    (EAST_FAMILY, "training.learning_rate", 2e-6),
    (EAST_FAMILY, "training.preference.learning_rate", 2e-7),
    (EAST_FAMILY, "training.preference.beta", 0.01),
    (EAST_FAMILY, "training.epochs", 3),
    (EAST_FAMILY, "training.batch_size", 16),
    (EAST_FAMILY, "training.warmup_ratio", 0.1),
    (EAST_FAMILY, "training.scheduler", "linear"),
    (EAST_FAMILY, "recipe.options.per_problem", 1),
    (("east", "east-8b"), "recipe.options.objective", "sft"),
    (("east-dpo",), "recipe.options.objective", "dpo"),
    (("east-kto",), "recipe.options.objective", "kto"),
    (("east", "east-8b", "east-dpo", "east-kto"), "recipe.options.weight", "entropy"),
    (IWSI_FAMILY, "model", LLAMA3),
    (IWSI_FAMILY, "recipe.options.samples", 15),
    (IWSI_FAMILY, "recipe.options.answers", "majority"),
    (IWSI_FAMILY, "sampling.temperature", 1.1),
    (IWSI_FAMILY, "sampling_prompt.shots", 8),
    (IWSI_FAMILY, "prompt.shots", 0),
    (IWSI_FAMILY, "training.lora.r", 64),
    (IWSI_FAMILY, "training.lora.alpha", 16),
    (IWSI_FAMILY, "training.lora.dropout", 0.05),
    (IWSI_FAMILY, "training.learning_rate", 3e-4),
    (IWSI_FAMILY, "training.scheduler", "cosine"),
    (IWSI_FAMILY, "training.epochs", 4),
    (IWSI_FAMILY, "training.batch_size", 32),
    (("iwsi",), "recipe.options.keep", 0.8),
    (("iwsi",), "recipe.options.weighted", False),
    (("iwsi-w",), "recipe.options.weighted", True),
    (("iwsi-w",), "recipe.options.cap", 2.0),
    (ITERATIVE_FAMILY, "model", LLAMA3),
    (ITERATIVE_FAMILY, "rounds", 5),
    (ITERATIVE_FAMILY, "promote", "always"),
    (ITERATIVE_FAMILY, "recipe.options.samples", 50),
    (ITERATIVE_FAMILY, "recipe.options.warm_up", True),
    (ITERATIVE_FAMILY, "recipe.options.per_problem", None),
    (ITERATIVE_FAMILY, "sampling.temperature", 0.75),
    (ITERATIVE_FAMILY, "sampling.top_p", 0.95),
    (ITERATIVE_FAMILY, "training.preference.reference", "parent"),
    (("iterative-sft",), "recipe.options.method", "sft"),
    (("iterative-dpo",), "recipe.options.method", "dpo"),
    (("iterative-sft-dpo",), "recipe.options.method", "sft_dpo"),
    (("rft",), "recipe.options.samples", 100),
    (("rft",), "recipe.options.per_problem", None),
    (("rft",), "recipe.options.solutions", True),
    (("star", "rest-em"), "recipe.options.solutions", False),
    (("star",), "recipe.options.samples", 1),
    (("star",), "sampling.temperature", 0.0),
    (("star",), "sampling_prompt.shots", 8),
    (("rest-em",), "recipe.options.samples", 32),
    (("rest-em",), "recipe.options.per_problem", 10),
    (("rft", "rest-em"), "sampling.temperature", 0.7),
    (("rft", "star", "rest-em"), "recipe.options.start", "base"),
    (("star", "rest-em", "raft"), "promote", "always"),
    (("raft",), "recipe.options.best", 1),
    (SEMIEVOL_FAMILY, "model", "meta-llama/Llama-3.1-8B-Instruct"),
    (SEMIEVOL_FAMILY, "recipe.options.target", "answer"),
    (SEMIEVOL_FAMILY, "sampling.temperature", 1.0),
    (SEMIEVOL_FAMILY, "prompt.shots", 0),
    (SEMIEVOL_FAMILY, "training.method", "lora"),
    (SEMIEVOL_FAMILY, "training.learning_rate", 1e-4),
    (SEMIEVOL_FAMILY, "training.epochs", 2),
    (SEMIEVOL_FAMILY, "training.batch_size", 8),
    (SEMIEVOL_FAMILY, "training.scheduler", "cosine"),
    (SEMIEVOL_FAMILY, "training.warmup_ratio", 0.1),
    (("semievol", "semievol-rounds", *ABLATIONS), "recipe.options.predictions", 4),
    (("semievol", "semievol-rounds", *ABLATIONS), "recipe.options.shots", 3),
    (("semievol", "semievol-rounds", *ABLATIONS), "recipe.options.justify", "always"),
    (("semievol", "semievol-rounds", *ABLATIONS[:3]), "recipe.options.percentile", 50),
    (("semievol-no-collaboration",), "recipe.options.collaborate", False),
    (("semievol-no-in-context",), "recipe.options.in_context", False),
    (("semievol-no-in-weight",), "recipe.options.in_weight", False),
    (("semievol-no-selection",), "recipe.options.percentile", 100),
    (("semievol-rounds",), "rounds", 4),
    (("raft",), "recipe.options.answers", "any"),
    (RATIONALES, "model", "google/flan-t5-base"),
    (RATIONALES, "training.method", "full"),
    (RATIONALES, "training.learning_rate", 5e-4),
    (RATIONALES, "training.weight_decay", 0.01),
    (RATIONALES, "training.scheduler", "cosine"),
    (RATIONALES, "training.epochs", 50),
    (RATIONALES, "training.batch_size", 64),
    (("as-es", "as-es-uni", "as-es-sft"), "training.max_length", 256),
    (RATIONALES, "audit.sampling.temperature", 0.0),
    (RATIONALES[:3], "recipe.options.chains", "rationales"),
    (("as-es-sft",), "recipe.options.labels", "rationales"),
    (RATIONALES[:3], "prompt.alternate.loops", 5),
    (RATIONALES[:3], "prompt.alternate.segment_tokens", 100),
    (("as-es-sft", "as-es-rounds"), "prompt.alternate", None),
    (("as-es", "as-es-pet"), "recipe.options.path", "dual"),
    (("as-es-uni", "as-es-rounds"), "recipe.options.path", "uni"),
    ((*RATIONALES[:3], "as-es-rounds"), "recipe.options.strategy", "entropy"),
    ((*RATIONALES[:3], "as-es-rounds"), "recipe.options.given", "prefix"),
    ((*RATIONALES[:3], "as-es-rounds"), "recipe.options.cut", "clean"),
    (("as-es", "as-es-uni", "as-es-rounds"), "recipe.options.beta", 1.4),
    (("as-es-pet",), "recipe.options.beta", 1.1),
    (("as-es-rounds",), "recipe.options.chains", "responses"),
    (("as-es-rounds",), "rounds", 3),
]
"""Presets, a dotted key and its value, options with their defaults filled in."""


def options(config: RunConfig) -> RecipeOptions:
    # Not `parse`, which looks for the reward model that a preset names.
    return load_recipe(config.recipe.name).options(**config.recipe.options)


def leaves(values: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, value in values.items():
        found += leaves(value, (*path, key)) if isinstance(value, dict) and value else [(*path, key)]
    return found


def without(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Nested values without one leaf."""
    key, *rest = path
    kept = {name: value for name, value in values.items() if name != key}
    return {**kept, key: without(values[key], tuple(rest))} if rest else kept


def rows(first: str) -> list[str]:
    """The first cells of the page's table whose first heading this is."""
    lines = PAGE[PAGE.index(f"| {first} |") :].split("\n\n")[0].splitlines()[2:]
    return [name for line in lines for name in re.findall(r"`([\w-]+)`", line.split("|")[1])]


def test_the_list_of_papers_is_whole() -> None:
    assert sorted(PAPERS) == presets()


@pytest.mark.parametrize("name", presets())
def test_a_preset_can_run(name: str, tmp_path: Path) -> None:
    """It is valid with its recipe's options, and its task gives what its prompts and recipe want."""
    config = load_config(name)
    chosen = options(config)
    if config.recipe.name == "as_es":
        (tmp_path / "config.json").write_text("{}")  # of a decoder-only model; Flan-T5's are asked in turns
        chosen.check(Labels(), config.prompt, Model(name="base", folder=tmp_path, digest=""))
    if config.task.name == "files":
        files = FilesOptions(**config.task.options)
        assert (name, files.judge) == ("as-es-pet", "summary")
        assert files.ratios == {"train": 0.8, "select": 0.1, "test": 0.1}
    if config.task.name == "gsm8k":
        task = Gsm8kOptions(**config.task.options)
        assert task.shots >= config.drawing_prompt.shots
        left = 7473 - task.select - task.shots - task.valid
        assert task.valid <= 0.05 * left
        assert bool(task.valid) == (name in IWSI_FAMILY)
        assert ("valid" in chosen.reads) <= bool(task.valid)


@pytest.mark.parametrize("name", presets())
def test_only_models_that_chat_are_asked_in_chat(name: str) -> None:
    config = load_config(name)
    asked = [config.prompt, getattr(options(config), "prompt", config.prompt)]
    chats = config.model == "smollm2" or config.model.endswith("-Instruct")
    assert {prompt.style for prompt in asked} == {"chat" if chats else "plain"}


@pytest.mark.parametrize("name", presets())
def test_the_head_comment_names_the_paper_and_what_is_not_its_own(name: str) -> None:
    head = list(takewhile(lambda line: line.startswith("#"), preset_text(name).splitlines()))
    said = " ".join(line.removeprefix("# ") for line in head)
    assert f"(arXiv:{PAPERS[name]}" in said
    assert re.search(r"\b[Oo]urs\b|not known", said)
    assert len(head) <= 5
    assert max(map(len, preset_text(name).splitlines())) <= 120


@pytest.mark.parametrize("name", [name for name in presets() if "like" in yaml.safe_load(preset_text(name))])
def test_a_preset_shows_only_what_differs(name: str) -> None:
    """Each of its settings changes something of the preset that it is like."""
    own = yaml.safe_load(preset_text(name))
    below = read_mapping(own.pop("like"))
    for path in leaves(own):
        assert merged(below, without(own, path)) != merged(below, own), f"{'.'.join(path)} is inherited"


@pytest.mark.parametrize(("names", "key", "value"), PUBLISHED)
def test_published_settings(names: tuple[str, ...], key: str, value: Any) -> None:
    for name in names:
        config = load_config(name)
        filled = config.model_copy(update={"recipe": config.recipe.model_copy(update={"options": options(config)})})
        assert reduce(getattr, key.split("."), filled) == value, name


def test_a_run_of_pairs_has_the_learning_rate_of_pairs() -> None:
    assert load_config("east-dpo").training.peak_learning_rate(preferences=True) == 2e-7
    assert load_config("east").training.peak_learning_rate() == 2e-6


def test_the_page_on_papers_has_every_recipe_and_preset() -> None:
    assert sorted(rows("recipe")) == builtin_recipes()
    assert sorted({*rows("preset"), "demo"}) == presets()


def test_the_tests_that_the_page_names_are_those_of_its_files() -> None:
    files = [Path(__file__).parents[1] / name for name in re.findall(r"`(tests/[\w/]+\.py)`", PAGE)]
    code = "\n".join(file.read_text(encoding="utf-8") for file in files)
    named = re.findall(r"`(test_\w+)`", PAGE)
    assert sorted(named) == sorted(re.findall(r"^def (test_\w+)", code, re.MULTILINE))
    assert named
