"""Importing the package and asking for help load no heavy library and take no time."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import selftrain

HEAVY = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "scipy",
    "reasoning_gym",
    "math_verify",
    "gguf",
    "pyarrow",
    "plotly",
    "jinja2",
    "openvino",
    "openvino_genai",
)
SECONDS = 0.5
COMMAND = "import sys; sys.argv = ['selftrain', {}]; from selftrain.cli import main; main()"
CASES = {
    "import": "import selftrain",
    "help": COMMAND.format("'--help'"),
    "help of a command": COMMAND.format("'run', '--help'"),
}
MODELS = set(HEAVY) - {"scipy", "pyarrow", "plotly", "jinja2"}


def run(code):
    """What a fresh process prints, the heavy libraries it loaded, and the processor seconds it took."""
    after = "import atexit, json, sys; atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))"
    environment = {**os.environ, "PYTHONPATH": str(Path(selftrain.__file__).parent.parent), "COLUMNS": "100"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = subprocess.run(
        [sys.executable, "-c", f"{after}\n{code}"], capture_output=True, text=True, env=environment, timeout=120
    )
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert found.returncode == 0, found.stderr
    modules = {name.split(".")[0] for name in json.loads(found.stderr)}
    return found.stdout, modules & set(HEAVY), now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("case", CASES)
def test_light(case):
    runs = [run(CASES[case]) for _ in range(2)]
    assert not runs[0][1]
    assert min(seconds for _, _, seconds in runs) < SECONDS
    if case != "import":
        assert "Usage: selftrain" in runs[0][0]


def test_a_heavy_library_would_be_noticed():
    """The check itself works."""
    assert "pyarrow" in run("import selftrain; selftrain.TrainingSet")[1]


def test_no_package_loads_a_model_library():
    """Configurations, recipes, judges and audits are at hand without torch."""
    names = ("audit", "config", "engines", "judges", "loop", "models", "recipes.east", "signals", "tasks", "training")
    _, heavy, _ = run("import " + ", ".join(f"selftrain.{name}" for name in names))
    assert not heavy & MODELS


def test_a_kept_plan_is_read_without_the_loop():
    """A report sets it beside the truth, and the loop makes reports."""
    loaded = "import sys, selftrain.plan; print(*{'selftrain.loop', 'selftrain.report'} & set(sys.modules))"
    assert run(loaded)[0] == "\n"


def test_public_names_load_on_first_use():
    for name in selftrain.__all__:
        assert getattr(selftrain, name) is not None
    with pytest.raises(AttributeError, match="module selftrain has no attribute 'no_such'"):
        _ = selftrain.no_such
