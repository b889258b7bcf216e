"""Embeddings as a durable step: the same bits whenever it was killed, no work done twice, little memory."""

import json
import tracemalloc

import numpy as np
import pytest

import selftrain.embedding_step as embedding_step
import selftrain.verbs as verbs_module
from selftrain.embedding_step import EMBEDDED_AT_ONCE, packed, unpacked
from selftrain.engines import EngineConfig
from selftrain.metrics import Metrics
from selftrain.store import Workspace, read_parquet
from selftrain.verbs import Verbs

WIDTH = 8
TEXTS = [f"question {i} " + "long " * (i % 7) for i in range(3 * EMBEDDED_AT_ONCE - 20)]


class Embedder:
    """In place of a model. What it makes of a text depends on the texts beside it, as rounding does."""

    def __init__(self):
        self.loads, self.blocks, self.fails_at, self.precisions = 0, [], None, []

    def load(self, name, *, precision):
        self.loads += 1
        self.precisions.append(precision)
        return self

    def __call__(self, texts):
        if len(self.blocks) + 1 == self.fails_at:
            raise KeyboardInterrupt
        self.blocks.append(list(texts))
        rng = np.random.default_rng(sum(map(len, texts)))
        return rng.normal(size=(len(texts), WIDTH)).astype(np.float32)


@pytest.fixture
def embedder(monkeypatch):
    fake = Embedder()
    monkeypatch.setattr(verbs_module, "load_embedder", fake.load)
    monkeypatch.setattr(embedding_step, "embedder_digest", lambda name: f"files of {name.lower()}")
    return fake


def make_verbs(root, metrics=None, precision="fp32"):
    engine = EngineConfig(name="transformers", precision=precision)
    settings = {"judge": "exact", "judge_workers": 1, "judge_deadline": 1.0, "shots": ()}
    return Verbs(Workspace(root), seed=0, engine=engine, metrics=metrics or Metrics(), **settings)


def step_of(root):
    (folder,) = (root / ".steps").glob("embed-*")
    return folder


def test_rows_are_in_the_order_of_the_texts(embedder, tmp_path):
    found = make_verbs(tmp_path).embed(["one", "three", "one", "two two"], "minilm")
    assert (found.shape, found.dtype) == ((4, WIDTH), np.float32)
    assert embedder.blocks[0][0] == "two two"
    assert sorted(embedder.blocks[0]) == ["one", "three", "two two"]
    whole = Embedder()(embedder.blocks[0])
    np.testing.assert_array_equal(
        found, whole[[embedder.blocks[0].index(t) for t in ["one", "three", "one", "two two"]]]
    )


def test_the_longest_come_first_whatever_the_order(embedder, tmp_path):
    found = make_verbs(tmp_path / "a").embed(TEXTS, "minilm")
    lengths = [len(text) for block in embedder.blocks for text in block]
    assert lengths == sorted(lengths, reverse=True)
    assert [len(block) for block in embedder.blocks] == [256, 256, 236]
    again = make_verbs(tmp_path / "b").embed(TEXTS[::-1], "minilm")
    assert again.tobytes() == found[::-1].tobytes()


@pytest.mark.parametrize("torn", [False, True])
def test_killed_in_the_second_block_it_resumes_with_the_same_bits(embedder, tmp_path, torn):
    expected = make_verbs(tmp_path / "whole").embed(TEXTS, "minilm")
    kept = (step_of(tmp_path / "whole") / "rows.parquet").read_bytes()
    embedder.blocks.clear()
    embedder.fails_at = 2
    with pytest.raises(KeyboardInterrupt):
        make_verbs(tmp_path / "killed").embed(TEXTS, "minilm")
    lines = step_of(tmp_path / "killed") / "rows.jsonl"
    assert len(lines.read_text().splitlines()) == EMBEDDED_AT_ONCE
    if torn:
        lines.write_bytes(lines.read_bytes()[:-100])
    embedder.fails_at = None
    resumed = make_verbs(tmp_path / "killed").embed(TEXTS, "minilm")
    assert resumed.tobytes() == expected.tobytes()
    assert (step_of(tmp_path / "killed") / "rows.parquet").read_bytes() == kept
    assert [len(block) for block in embedder.blocks] == ([256, 256, 256, 236] if torn else [256, 256, 236])


def test_what_was_embedded_before_changes_no_bit(embedder, tmp_path):
    expected = make_verbs(tmp_path / "afresh").embed(TEXTS, "minilm")
    for texts in (TEXTS[::2], TEXTS[1::2]):
        make_verbs(tmp_path / "grown").embed(texts, "minilm")
    assert make_verbs(tmp_path / "grown").embed(TEXTS, "minilm").tobytes() == expected.tobytes()


def test_what_is_there_is_read_back_without_a_model(embedder, tmp_path):
    expected = make_verbs(tmp_path).embed(TEXTS, "minilm")
    metrics = Metrics(tmp_path / "metrics.jsonl")
    again = make_verbs(tmp_path, metrics).embed([*TEXTS, TEXTS[0]], "MiniLM")
    assert again.tobytes() == np.vstack([expected, expected[:1]]).tobytes()
    assert embedder.loads == 1
    assert not metrics.stage_totals()


def test_the_stage_counts_texts_once(embedder, tmp_path, capsys):
    metrics = Metrics(tmp_path / "metrics.jsonl")
    make_verbs(tmp_path, metrics).embed(["one", "two", "one"], "minilm")
    (line,) = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert (line["stage"], line["wanted"], line["rows"]) == ("embed", 2, 2)
    assert "embed: 2 new in" in capsys.readouterr().err


def test_precision_and_files_make_another_step(embedder, tmp_path):
    for precision, name in (("fp32", "one"), ("bf16", "one"), ("fp32", "other")):
        make_verbs(tmp_path, precision=precision).embed(["one"], name)
    assert embedder.precisions == ["fp32", "bf16", "fp32"]
    assert len(list((tmp_path / ".steps").glob("embed-*"))) == 3


def test_a_loaded_model_makes_room(embedder, tmp_path):
    """Two models are never in memory at a time; what is read back leaves the first where it is."""
    closed = []
    engine = type("Engine", (), {"close": lambda self: closed.append(True)})()
    for _ in range(2):
        verbs = make_verbs(tmp_path)
        verbs._loaded = ("model", engine)
        verbs.embed(["one"], "minilm")
    assert closed == [True]


def test_no_texts_need_no_model(embedder, tmp_path):
    assert make_verbs(tmp_path).embed([], "minilm").shape == (0, 0)
    assert embedder.loads == 0


def test_half_a_surrogate_pair_is_a_text_like_another(embedder, tmp_path):
    assert len(make_verbs(tmp_path).embed(["a \ud800", "a ?"], "minilm")) == 2


def test_a_vector_comes_back_to_the_bit():
    vector = np.array([0.1, -0.0, 1e-40, np.float32(2**-149), 1.0], dtype=np.float32)
    assert unpacked(packed(vector)).tobytes() == vector.tobytes()
    assert len(packed(np.ones(384, np.float32))) == 2048


def test_rows_hold_text_and_memory_is_small(tmp_path, monkeypatch):
    """A text takes its kilobytes of base64 and of floats, not the tens of a list of numbers."""
    count, width = 2000, 384
    monkeypatch.setattr(embedding_step, "embedder_digest", lambda name: name)
    monkeypatch.setattr(
        verbs_module, "load_embedder", lambda name, precision: lambda texts: np.ones((len(texts), width), np.float32)
    )
    tracemalloc.start()
    try:
        make_verbs(tmp_path).embed([f"text {i}" for i in range(count)], "minilm")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / count < 10_000
    row = read_parquet(step_of(tmp_path) / "rows.parquet")[0]
    assert (set(row), type(row["vector"])) == ({"id", "vector"}, str)
