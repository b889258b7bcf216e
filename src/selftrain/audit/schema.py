"""The JSON schema of an audit, published as docs/audit.schema.json; run as a module, this prints it."""

import ast
import inspect
import json
from textwrap import dedent
from typing import Any

from selftrain.audit.calibration import Calibration
from selftrain.audit.caveats import Alone
from selftrain.audit.coverage import Coverage
from selftrain.audit.curve import Curve
from selftrain.audit.figures import Figure
from selftrain.audit.levels import Levels
from selftrain.audit.null import Null
from selftrain.audit.problem_tests import ProblemTests
from selftrain.audit.rounds import Rounds
from selftrain.audit.sets import Chosen, Sets
from selftrain.audit.settings import AuditSettings
from selftrain.audit.verdict import Audit, adapter

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NOTE = "Version 1. New keys may be added; what has a name keeps its meaning, or the version rises."
PARTS = (Alone, AuditSettings, Calibration, Chosen, Coverage, Curve, Figure, Levels, Null, ProblemTests, Rounds, Sets)
"""The classes that an audit is made of."""


def schema() -> dict[str, Any]:
    """What `Audit.to_json` writes, as JSON schema; descriptions are those of the code."""
    made = adapter().json_schema(mode="serialization")
    for part in PARTS:
        _describe(made["$defs"][part.__name__], part)
    _describe(made, Audit)
    parts = {name: made["$defs"][name] for name in sorted(made["$defs"])}
    del made["$defs"], made["title"]
    return {"$schema": _DIALECT, "title": "Audit of selftrain", "$comment": _NOTE, **made, "$defs": parts}


def schema_text() -> str:
    """The text of the published file."""
    return json.dumps(schema(), indent=2) + "\n"


def _describe(made: dict[str, Any], part: type) -> None:
    """Puts the texts below the attributes of a class beside them."""
    made["description"] = " ".join((inspect.getdoc(part) or "").split())
    said = _said(part)
    for name, value in made["properties"].items():
        value.pop("title", None)
        value.update({"description": said[name]} if name in said else {})


def _said(part: type) -> dict[str, str]:
    """What the text below each attribute of a class says."""
    (found,) = ast.parse(dedent(inspect.getsource(part))).body
    assert isinstance(found, ast.ClassDef)  # noqa: S101
    pairs = zip(found.body, found.body[1:], strict=False)
    return {
        one.target.id: " ".join(text.value.value.split())
        for one, text in pairs
        if isinstance(one, ast.AnnAssign)
        and isinstance(one.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


if __name__ == "__main__":
    print(schema_text(), end="")
