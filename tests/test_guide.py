"""The guide's examples are true to the code: its recipes load, its configurations are valid."""

import re
from pathlib import Path

import pytest
import yaml

from selftrain.config import load_config
from selftrain.recipes import Recipe, load_recipe
from selftrain.sweep.variants import read_sweep

TEXT = (Path(__file__).parents[1] / "docs" / "guide.md").read_text(encoding="utf-8")


def blocks(heading: str, language: str) -> list[str]:
    """The examples of a section, sections below it included."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.mark.parametrize(
    ("name", "reads"), [("shortest", {"gold"}), ("preferring", {"gold"}), ("voting", set())], ids=str
)
def test_the_recipes_load(name: str, reads: set[str], tmp_path: Path) -> None:
    (tmp_path / "my_file.py").write_text("\n".join(blocks("Recipes of your own", "python")))
    found = load_recipe(f"{tmp_path / 'my_file.py'}:{name}")
    assert isinstance(found, Recipe)
    assert found.parse({"samples": 3}).reads == reads


def test_the_sweeps_have_the_variants_they_name(tmp_path: Path) -> None:
    (command,) = blocks("Sweeps", "")
    _, _, source, *words = command.split()
    assert [variant.name for variant in read_sweep(source, words).variants] == [
        f"exponent-{value}" for value in ("0", "0.5", "1", "2")
    ]
    (listed,) = blocks("Sweeps", "yaml")
    (tmp_path / "methods.yaml").write_text(listed)
    sweep = read_sweep(tmp_path / "methods.yaml")
    assert [variant.folder.as_posix() for variant in sweep.variants] == [
        f"runs/methods-{name}" for name in ("vanilla", "east", "east-dpo")
    ]
    assert sweep.variants[2].config.recipe.options == {"samples": 8, "exponent": 1.0, "objective": "dpo"}
    assert {(v.config.promote, v.config.audit.split) for v in sweep.variants} == {("always", "select")}


def test_the_least_configuration_is_one() -> None:
    least, *_ = blocks("A run", "yaml")
    assert load_config(yaml.safe_load(least)).recipe.name == "east"
