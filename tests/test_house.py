"""The order of the house: data flows one way, and what should be light is."""

import ast
from pathlib import Path

import pytest

import selftrain

ROOT = Path(selftrain.__file__).parent
FLOW = ("tasks", "engines", "judges", "signals", "recipes", "training", "audit", "report", "plan", "logs")
"""Upstream first; a package may import those before it and the shared nouns, never those after it."""
ALLOWED = {("tasks", "judges"): {"check.py"}, ("report", "plan"): {"page.py"}}
"""Files that may look downstream: a task is proved by its judge, a report sets the plan beside the truth."""
HEAVY = {
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "accelerate",
    "reasoning_gym",
    "math_verify",
    "gguf",
    "plotly",
    "jinja2",
    "openvino",
    "openvino_genai",
    "psutil",
    "inspect_ai",
    "lm_eval",
    "sentence_transformers",
}
SAY_TORCH = ("engines", "training")
"""Packages with files that import heavy libraries at their top; the package itself stays light."""


def modules():
    return sorted(ROOT.rglob("*.py"))


def imported(path, top_level=False):
    """Dotted names that a file imports, anywhere or at its top level alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages_used(path):
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "selftrain" and len(parts) > 1:
            yield parts[1]


def test_imports_are_absolute():
    """Relative imports would escape the checks below."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path


@pytest.mark.parametrize("package", [name for name in FLOW if (ROOT / name).is_dir()])
def test_nothing_upstream_imports_downstream(package):
    downstream = set(FLOW[FLOW.index(package) + 1 :])
    for path in (ROOT / package).rglob("*.py"):
        for used in downstream & set(packages_used(path)):
            assert path.name in ALLOWED.get((package, used), ()), f"{path.relative_to(ROOT)} imports {used}"


@pytest.mark.parametrize("package", ["signals", "audit"])
def test_signals_and_audit_stand_alone(package):
    """Other people's programs use them on their own logs: no model library, and of ours hardly a thing."""
    for path in (ROOT / package).rglob("*.py"):
        assert not HEAVY & {name.split(".")[0] for name in imported(path)}, path
        assert set(packages_used(path)) <= {package, "errors", "scores", "validation"}, path


def test_heavy_libraries_are_imported_where_they_are_needed():
    """Inside the functions that use them; at the top of a file only in the packages that say torch."""
    for path in modules():
        package = path.relative_to(ROOT).parts[0]
        if package not in SAY_TORCH or path.name == "__init__.py":
            assert not HEAVY & {name.split(".")[0] for name in imported(path, top_level=True)}, path


def test_nothing_is_evaluated_or_unpickled():
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
        called = {function.id for function in calls if isinstance(function, ast.Name)}
        assert not called & {"eval", "exec", "compile", "__import__"}, path
        assert not {"pickle", "dill", "marshal", "shelve"} & {name.split(".")[0] for name in imported(path)}, path
