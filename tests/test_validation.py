"""Complaints about options are one line that names the key."""

import pytest
from pydantic import Field, field_validator

from selftrain.errors import ConfigError
from selftrain.validation import Options, parse


class Inner(Options):
    size: int = Field(default=1, ge=1)
    name: str = "x"


class Outer(Options):
    needed: int
    inner: Inner | None = None
    by_name: dict[str, Inner] = Field(default_factory=dict)
    listed: list[Inner] = Field(default_factory=list)

    @field_validator("needed")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("Must be even")
        return value


def test_what_fits_is_a_frozen_model():
    found = parse(Outer, {"needed": 2, "by_name": {"a": {"size": 3}}}, "top")
    assert found.by_name["a"].size == 3
    with pytest.raises(ValueError, match="frozen"):
        found.needed = 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"needed": 2, "odd": 1}, "unknown key top.odd: known keys are needed, inner, by_name, listed"),
        ({"needed": 2, "inner": {"sise": 1}}, "unknown key top.inner.sise: known keys are size, name"),
        ({"needed": 2, "by_name": {"a": {"b": 1}}}, "unknown key top.by_name.a.b: known keys are size, name"),
        ({"needed": 2, "listed": [{}, {"b": 1}]}, "unknown key top.listed.1.b: known keys are size, name"),
        ({}, "top.needed is missing"),
        ({"needed": "many"}, "top.needed: input should be a valid integer, unable to parse .*, found 'many'"),
        ({"needed": 3}, "top.needed: must be even, found 3"),
        ({"needed": 2, "inner": {"size": 0}}, "top.inner.size: input should be greater than or equal to 1, found 0"),
        ([1], r"top: input should be a valid dictionary or instance of Outer, found \[1\]"),
        ({"needed": 2, **dict.fromkeys("abcde", 1)}, "unknown key top.c.*; and 2 more$"),
    ],
)
def test_what_does_not_fit_is_one_line(values, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse(Outer, values, "top")
    assert "\n" not in str(caught.value)


def test_long_values_are_cut():
    with pytest.raises(ConfigError, match=r"found 'x{50,}\.\.\.$"):
        parse(Outer, {"needed": "x" * 5000}, "top")
