"""The published schema is that of the code, and audits keep to it."""

import json
from pathlib import Path

import jsonschema
import pytest
from make_audit import full_audit
from make_cells import counted

from selftrain.audit import Audit, AuditSettings, compare
from selftrain.audit.schema import PARTS, schema, schema_text

PUBLISHED = Path(__file__).parents[2] / "docs" / "audit.schema.json"
SETTINGS = AuditSettings(draws=100)


def test_the_published_schema_is_that_of_the_code():
    remade = "python -m selftrain.audit.schema > docs/audit.schema.json"
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text(), f"the schema has changed; make it again: {remade}"


def test_the_schema_tells_the_parts_in_order_with_their_meaning():
    found = schema()
    jsonschema.Draft202012Validator.check_schema(found)
    assert list(found["properties"])[:5] == ["verdict", "because", "problems_needed", "figures", "null"]
    assert "$id" not in found
    assert set(found["$defs"]) == {part.__name__ for part in PARTS}
    described = found["$defs"]["Figure"]["properties"]
    assert "negative number is a loss" in described["difference"]["description"]
    assert found["$defs"]["AuditSettings"]["properties"]["margin"]["description"].startswith(
        "How much a guard may lose"
    )


AUDITS = {
    "full": full_audit,
    "small": lambda: full_audit(count=2, each=2),
    "bare": lambda: compare(counted([3] * 9, 4), counted([1] * 9, 4, unjudged=3), settings=SETTINGS),
    "one response": lambda: compare(counted([1, 0] * 5, 1), counted([0, 1] * 5, 1), settings=SETTINGS),
    "never right": lambda: compare(counted([0] * 9, 4), counted([0] * 9, 4), settings=SETTINGS),
    "one problem": lambda: compare(counted([1], 4), counted([1], 4), settings=SETTINGS),
}


@pytest.mark.parametrize("kind", AUDITS)
def test_audits_keep_to_the_schema_and_come_back(kind):
    audit = AUDITS[kind]()
    written = json.dumps(audit.to_json(), allow_nan=False)
    values = json.loads(written)
    jsonschema.validate(values, schema())
    assert set(values) == set(schema()["properties"])
    assert json.dumps(Audit.from_json(values).to_json()) == written


def test_the_schema_refuses_what_is_no_audit():
    values = json.loads(json.dumps(full_audit(count=8, each=2).to_json()))
    for wrong in ({"verdict": "fine"}, {"figures": []}, {"counts": {"problems": "many"}}, {"null": 3}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(values | wrong, schema())
    del values["tests"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, schema())
