"""Chains are read back as they were written, and what is none is refused."""

import math
from dataclasses import astuple, replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selftrain.errors import WorkspaceError
from selftrain.run_folder import RunFolder
from selftrain.segments import chains
from selftrain.segments.chains import CHAINS, Chain, read_chains, save_chains

CHAIN = Chain(
    problem="p",
    response="r",
    source="response",
    pieces=("Ann has 3 beads.", "So does Tom,", "that is 6."),
    scores=(0.5, 0.25, 4.0),
    labels="EEA",
    segments=(0, 0, 1),
    trained=True,
)
APART = replace(CHAIN, source="rationale", segments=(0, 1, 2), trained=False)
EMPTY = replace(CHAIN, pieces=(), scores=(), labels="", segments=())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "segments.parquet"


def test_chains_are_read_back_in_order(path):
    save_chains(path, [CHAIN, APART, EMPTY])
    assert read_chains(path) == (CHAIN, APART, EMPTY)


def test_no_chain_at_all(path):
    save_chains(path, [])
    assert read_chains(path) == ()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_none(path, value):
    save_chains(path, [replace(CHAIN, scores=(0.5, value, 4.0))])
    assert pq.read_table(path)["scores"].to_pylist() == [[0.5, None, 4.0]]
    (found,) = read_chains(path)
    assert found.scores[::2] == (0.5, 4.0)
    assert math.isnan(found.scores[1])


def test_an_infinite_score_of_another_origin_is_none(path):
    written(path, scores=[0.5, math.inf, math.nan])
    assert [math.isnan(score) for score in read_chains(path)[0].scores] == [False, True, True]


def test_any_character_is_read_back_and_half_a_pair_escaped(path):
    save_chains(path, [replace(CHAIN, pieces=("a \U0001f600 \x00 b", "\ud83d half", "</script>"))])
    assert read_chains(path)[0].pieces == ("a \U0001f600 \x00 b", "\\ud83d half", "</script>")


def test_equal_chains_make_equal_bytes(path, tmp_path):
    for file in (path, tmp_path / "again.parquet"):
        save_chains(file, [CHAIN, APART])
    assert path.read_bytes() == (tmp_path / "again.parquet").read_bytes()


WRONG = {
    "a score too few": {"scores": (0.5, 0.25)},
    "a label too many": {"labels": "EEAA"},
    "a segment too few": {"segments": (0, 0)},
    "a piece too many": {"pieces": ("a", "b", "c", "d")},
    "another label": {"labels": "EEX"},
    "another source": {"source": "someone"},
    "two labels in a segment": {"segments": (0, 0, 0)},
    "not from 0": {"segments": (1, 1, 2)},
    "below 0": {"segments": (-1, -1, 0)},
    "a segment left out": {"segments": (0, 0, 2)},
    "back again": {"labels": "EAE", "segments": (0, 1, 0)},
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_chain_that_is_none(path, kind):
    with pytest.raises(ValueError, match="a chain"):
        replace(CHAIN, **WRONG[kind])
    written(path, **WRONG[kind])
    damaged(path)


def written(path, **changes):
    """A file with a chain in which some values are other ones."""
    row = dict(zip(CHAINS.names, astuple(CHAIN), strict=True)) | changes
    pq.write_table(pa.Table.from_pylist([row], schema=CHAINS), path)


def damaged(path):
    with pytest.raises(
        WorkspaceError, match="is damaged: restore it from a copy, or run again under another name"
    ) as found:
        read_chains(path)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("name", CHAINS.names)
def test_a_value_that_is_missing(path, name):
    written(path, **{name: None})
    damaged(path)


@pytest.mark.parametrize(("name", "values"), [("pieces", ["a", None, "c"]), ("segments", [0, None, 1])])
def test_a_value_of_a_piece_that_is_missing(path, name, values):
    written(path, **{name: values})
    damaged(path)


@pytest.mark.parametrize("spoil", ["text", "torn", "columns", "types", "missing", "folder"])
def test_a_file_that_is_none(path, spoil):
    save_chains(path, [CHAIN])
    if spoil == "text":
        path.write_text("no parquet")
    elif spoil == "torn":
        path.write_bytes(path.read_bytes()[:-20])
    elif spoil == "columns":
        pq.write_table(pa.table({"problem": ["a"]}), path)
    elif spoil == "types":
        pq.write_table(pa.table({name: ["a"] for name in CHAINS.names}), path)
    else:
        path.unlink()
        if spoil == "folder":
            path.mkdir()
    damaged(path)


def test_a_small_file_that_unpacks_to_far_too_much(path, monkeypatch):
    """What is equal takes no room in a file: its own count of bytes does not tell."""
    save_chains(path, [replace(CHAIN, pieces=("x" * 10_000,) * 3)] * 300)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(chains, "LARGEST", 10_000_000)
    assert len(read_chains(path)) == 300
    monkeypatch.setattr(chains, "LARGEST", 5_000_000)
    damaged(path)


def test_a_run_keeps_them_with_the_round(tmp_path):
    RunFolder(tmp_path).save_chains(2, [CHAIN])
    assert read_chains(tmp_path / "rounds" / "02" / "segments.parquet") == (CHAIN,)
