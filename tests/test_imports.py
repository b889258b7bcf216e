"""Import paths load what they name and fail in one line."""

import dataclasses

import pytest

from selftrain.errors import ConfigError
from selftrain.imports import is_import_path, load_object


def test_a_name_of_a_module():
    assert load_object("dataclasses:fields") is dataclasses.fields


def test_a_name_in_a_file(tmp_path):
    path = tmp_path / "my own.py"
    path.write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Box:\n    size: 'int' = 3\nanswer = Box().size\n"
    )
    assert load_object(f"{path}:answer") == 3
    path.write_text("answer = 4")
    assert load_object(f"{path}:answer") == 4


def test_files_of_one_name_are_different_modules(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.py").write_text(f"def f(): return {folder!r}")
    first, second = (load_object(f"{tmp_path / folder / 'x.py'}:f") for folder in ("a", "b"))
    assert (first(), second()) == ("a", "b")
    assert first.__module__ != second.__module__


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("number", "'number' is no import path: write package.module:name or path/file.py:name"),
        ("a.b:", "is no import path"),
        ("a.b:c d", "is no import path"),
        ("no_such_package.module:f", "there is no module no_such_package: install it, or name a file"),
        ("dataclasses:no_such", "dataclasses has no no_such: define it there or correct"),
        ("nowhere/file.py:f", r"there is no file nowhere.file\.py"),
    ],
)
def test_what_does_not_exist(spec, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_object(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:", "cannot be loaded: SyntaxError"),
        ("import no_such_library", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise ValueError('a\\nb')", "cannot be loaded: ValueError: a b"),
    ],
)
def test_a_file_that_fails(tmp_path, text, message):
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_object(f"{path}:f")
    assert "\n" not in str(caught.value)


def test_import_paths_are_told_from_other_names():
    assert is_import_path("a.b:c")
    assert is_import_path("C:/tasks/own.py:make")
    assert not is_import_path("gsm8k")
    assert not is_import_path(":f")
