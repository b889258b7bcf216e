"""Content hashes are stable names."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import selftrain
from selftrain.digest import digest, files_digest, normal_text, seed_from

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def test_golden():
    """Digests name steps on disk: they may not change from one version to the next."""
    assert digest({"b": [1, 2.5, None], "a": "\u00fc"}) == "703dceec79c30480"
    assert seed_from(["round", 1]) == 7597584927792249384


def test_the_order_of_keys_and_tuples_do_not_matter():
    assert digest({"a": 1, "b": (1, 2)}) == digest({"b": [1, 2], "a": 1})
    assert digest([1, 2]) != digest([2, 1])


def test_kinds_of_values_are_told_apart():
    values = [1, "1", 1.5, True, None, [], {}, "", [1], [[1]], {"1": 1}, "\ud800", float("nan"), float("inf")]
    assert len({digest(value) for value in values}) == len(values)


@given(json_values, json_values)
def test_equal_values_and_no_others_have_equal_digests(a, b):
    assert digest(a) == digest(a)
    if a != b:
        assert digest(a) != digest(b)


def test_length():
    assert digest("x", 40).startswith(digest("x", 8))
    assert (len(digest("x", 40)), len(digest("x"))) == (40, 16)


@pytest.mark.parametrize("value", [{1, 2}, b"x", object(), {"a": {1}}])
def test_values_without_json(value):
    with pytest.raises(TypeError):
        digest(value)


@given(json_values)
def test_seeds_fit_a_generator(value):
    assert 0 <= seed_from(value) < 2**63


def test_digests_do_not_depend_on_the_process():
    code = "from selftrain.digest import digest; print(digest({'b': {'x', }.pop(), 'a': [1, 'y']}))"
    for seed in ("0", "1"):
        environment = {"PYTHONPATH": str(Path(selftrain.__file__).parent.parent), "PYTHONHASHSEED": seed}
        found = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
        )
        assert found.stdout.strip() == digest({"b": "x", "a": [1, "y"]})


def test_files(tmp_path):
    for name, content in (("a", "1"), ("b", "2")):
        (tmp_path / name).write_text(content)
    a, b = tmp_path / "a", tmp_path / "b"
    whole = files_digest([a, b])
    assert whole == files_digest([b, a])
    (tmp_path / "folder").mkdir()
    assert files_digest([a.rename(tmp_path / "folder" / "a"), b]) == whole
    (tmp_path / "folder" / "a").rename(a)
    b.write_text("3")
    changed = files_digest([a, b])
    b.rename(tmp_path / "c")
    assert len({whole, changed, files_digest([a, tmp_path / "c"]), files_digest([a])}) == 4


def test_the_border_between_name_and_content_counts(tmp_path):
    for name, content in (("a", "bc"), ("ab", "c")):
        (tmp_path / name).write_text(content)
    assert files_digest([tmp_path / "a"]) != files_digest([tmp_path / "ab"])


def test_normal_text():
    assert normal_text(" a\u00a0 b\n\tc\u2003") == "a b c"
    assert len({normal_text(text) for text in ("3\u00b2", "32", "3\u2082", "\uff13\uff12")}) == 4
    assert normal_text("A\u0301") == "\u00c1"
    assert normal_text("Aa") != normal_text("aa")
