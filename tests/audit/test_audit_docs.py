"""The page on audits is true to the code: figures with their roles, settings with their defaults, keys of the JSON."""

import re
from pathlib import Path

import pytest
from make_audit import full_audit

from selftrain.audit import AuditSettings
from selftrain.audit.row import Row

TEXT = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")


def table(first):
    """The rows of the table whose first heading this is, as cells."""
    lines = TEXT[TEXT.index(f"| {first} |") :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def general(name):
    """The name of a figure as the page has it where it has no exact one."""
    name = re.sub(r"(pass[@^]|majority@)8", r"\1k", name)
    name = re.sub(r" on hard$", " on SUITE", re.sub(r" on book$", " on TEXT", name))
    return re.sub(" (right|wrong)$", " MARK", re.sub("^score .*", "score NAME", name))


@pytest.fixture(scope="module")
def audit():
    return full_audit()


def test_every_figure_is_told_with_its_role(audit):
    roles = {name: role for names, role, *_ in table("figure") for name in re.findall(r"`([^`]+)`", names)}
    for figure in audit.figures:
        role = roles[figure.name] if figure.name in roles else roles[general(figure.name)]
        if figure.better == "neither":
            assert role == "neither way is better"
        else:
            assert role.startswith({"secondary": "beside"}.get(figure.role, figure.role)), figure.name
            assert ("lower is better" in role) == (figure.better == "lower"), figure.name


def test_every_setting_is_told_with_its_default():
    told = {}
    for names, defaults, _ in table("setting"):
        found = re.findall(r"`([^`]+)`", names)
        told |= dict(zip(found, defaults.split(", ") * len(found), strict=False))
    for name, field in AuditSettings.model_fields.items():
        if name == "margins":
            assert "margins.NAME" in told
        else:
            assert told[name].strip("`") == str(field.default)


def test_every_key_of_the_json_is_told(audit):
    told = {name for row in table("key") for name in re.findall(r"`([^`]+)`", " ".join(row))}
    for name in {**audit.to_json(), **audit.to_json()["figures"]["pass@1"], **audit.to_json()["null"]}:
        assert name in told or name == "name"  # which is the key itself


def test_every_key_of_a_row_is_told():
    told = {name for names, _ in table("key of a row") for name in re.findall(r"`([^`]+)`", names)}
    inner = {"mark": "judgement", "answered": "answer", "truncated": "finish", "position": "index"}
    assert {inner.get(name, name) for name in Row._fields} <= told


def test_every_verdict_is_told():
    assert [row[0] for row in table("verdict")] == ["`progress`", "`reversal`", "`regress`", "`inconclusive`"]


def test_the_page_is_short():
    assert len(TEXT.splitlines()) <= 160
