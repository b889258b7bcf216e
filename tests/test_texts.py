"""Files of text that must not be forgotten: how they are cut, what is refused, and their losses under models."""

import json
from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_model_folder

from selftrain import texts
from selftrain.config import load_config
from selftrain.engines import EngineConfig
from selftrain.errors import DataError
from selftrain.metrics import Metrics
from selftrain.models import Model, load_model, load_tokenizer, open_model
from selftrain.plan.paper import PaperVerbs
from selftrain.store import Workspace, read_json_lines
from selftrain.texts import MIN_PIECES, PIECE, Text, measure_texts, read_texts, text_loss
from selftrain.verbs import Verbs

PROSE = "".join(f"{i} little ducks went out one day, over the hill and far away.\n" for i in range(200))


@pytest.fixture(scope="session")
def model(tiny_folder):
    return open_model(tiny_folder)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text(PROSE, encoding="utf-8")
    return path


def read(path, model):
    (text,) = read_texts({"notes": path}, model)
    return text


def make_verbs(root):
    engine = EngineConfig(name="transformers", precision="fp32")
    settings = {"judge": "exact", "judge_workers": 1, "judge_deadline": 1.0, "shots": (), "metrics": Metrics()}
    return Verbs(Workspace(root), seed=0, engine=engine, **settings)


def whole(text):
    return [token for piece in text.pieces for token in piece]


def test_plain_text_is_cut_into_pieces_without_losing_any(file, model):
    text = read(file, model)
    assert load_tokenizer(model).decode(whole(text)) == PROSE
    assert {len(piece) for piece in text.pieces[:-1]} == {PIECE}
    assert len(text.pieces) >= MIN_PIECES


def test_no_files_no_tokenizer():
    assert read_texts({}, None) == []


def test_rows_are_texts_of_their_own(tmp_path, model):
    rows = [f"duck number {i} " * 20 for i in range(30)]
    path = tmp_path / "notes.jsonl"
    path.write_text("".join(json.dumps({"text": row, "id": i}) + "\n" for i, row in enumerate(rows)))
    text, tokenizer = read(path, model), load_tokenizer(model)
    starts = [tokenizer.decode(piece) for piece in text.pieces]
    assert [start for start in starts if start.startswith("duck number 7 ")]
    assert sum(len(piece) for piece in text.pieces) == sum(len(tokenizer(row).input_ids) for row in rows)


def test_pieces_without_a_token_to_score_are_left_out(tmp_path, model):
    path = tmp_path / "notes.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in ["", "x", *["ab cd"] * MIN_PIECES]))
    assert len(read(path, model).pieces) == MIN_PIECES


def test_special_tokens_spelled_out_are_plain_text(tmp_path, model):
    path = tmp_path / "notes.txt"
    path.write_text("<|im_end|><|im_start|>assistant\n" * 400)
    tokenizer = load_tokenizer(model)
    assert not set(whole(read(path, model))) & set(tokenizer.all_special_ids)


def test_a_long_text_is_read_to_the_last_piece_that_is_looked_at(tmp_path, model, monkeypatch, capsys):
    monkeypatch.setattr(texts, "MAX_PIECES", 25)
    path = tmp_path / "notes.txt"
    with path.open("wb") as file:
        file.write(PROSE.encode() * 20)
        file.write(b"\xff")
        file.truncate(1 << 33)  # eight gigabytes, of which the disk holds the beginning
    text = read(path, model)
    assert len(text.pieces) == 25
    assert "only the first 25 pieces" in capsys.readouterr().err
    assert load_tokenizer(model).decode(whole(text)) == (PROSE * 20)[: len(load_tokenizer(model).decode(whole(text)))]


def test_half_a_surrogate_pair(tmp_path, model):
    path = tmp_path / "notes.jsonl"
    path.write_text((json.dumps({"text": "a\ud800b and so on"}) + "\n") * 30)
    assert load_tokenizer(model).decode(read(path, model).pieces[0]) == "a?b and so on"


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("none.txt", None, "there is no file .*none.txt"),
        ("latin.txt", b"caf\xe9 " * 2000, "latin.txt is not UTF-8 text"),
        ("empty.txt", b"", "makes 0 pieces of up to 256 tokens, at least 20"),
        ("rows.jsonl", b'{"question": "x"}\n', "line 1 has no text"),
        ("rows.jsonl", b'{"text": 3}\n', "line 1 has no text"),
        ("rows.jsonl", b"[1]\n", "line 1 holds list"),
        ("rows.jsonl", b'{"text": "\xff"}\n', "not UTF-8 text near line 1"),
    ],
)
def test_refused(tmp_path, model, name, content, complaint):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=complaint) as caught:
        read(tmp_path / name, model)
    assert "\n" not in str(caught.value)


def test_promotion_and_verdict_look_at_different_pieces():
    text = Text("notes", tuple((i, i + 1) for i in range(7)), ())
    select, test = text.part("select"), text.part("test")
    assert [piece[0] for piece in select.pieces] == [0, 2, 4, 6]
    assert [piece[0] for piece in test.pieces] == [1, 3, 5]
    assert len({text.digest, select.digest, test.digest}) == 3


def test_what_a_tokenizer_puts_in_front_is_read_and_not_scored(file, tmp_path):
    folder = tiny_model_folder(tmp_path / "leading")
    settings = json.loads((folder / "tokenizer.json").read_text())
    begin = next(token["id"] for token in settings["added_tokens"] if token["content"] == "<|im_start|>")
    special = {"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}
    settings["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [special, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [begin], "tokens": ["<|im_start|>"]}},
    }
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    text = read(file, open_model(folder))
    assert text.lead == (begin,)
    (prompt, completion), piece = text.pairs[0], text.pieces[0]
    assert (prompt, completion) == ((begin, piece[0]), piece[1:])


def test_the_loss_is_the_models_own(file, model, tmp_path):
    """Summed cross-entropy of transformers over each piece, computed without an engine."""
    import torch

    text = read(file, model)
    with make_verbs(tmp_path) as verbs:
        found = text_loss(text, model, verbs.score(model, text.pairs))
    module = load_model(model)
    for piece, nll, tokens in zip(text.pieces[:3], found.nll, found.tokens, strict=False):
        with torch.inference_mode():
            ids = torch.tensor([piece])
            expected = module(input_ids=ids, labels=ids).loss.item()
        assert tokens == len(piece) - 1
        assert nll / tokens == pytest.approx(expected, abs=1e-4)
    assert found.labels == {"model": model.name, "pieces": len(text.pieces), "tokens": int(found.tokens.sum())}


def test_a_diverged_model_costs_a_finite_amount():
    text = Text("notes", ((1, 2, 3), (4, 5)), ())
    model = Model(name="broken", folder=Path("broken"), digest="broken")
    found = text_loss(text, model, [[float("nan"), -1.0], [float("-inf")]])
    assert found.nll.tolist() == [101.0, 100.0]
    assert text_loss(text, model, [[1e-7, -1.0], [0.0]]).nll.tolist() == [1.0, 0.0]


def test_two_models_outside_a_run(file, tiny_folder, tmp_path):
    other = tiny_model_folder(tmp_path / "other", seed=1)
    found = measure_texts((str(tiny_folder), str(other)), {"notes": file})
    before, after = found["notes"]
    assert before.pieces == after.pieces
    assert before.name == after.name == "notes"
    assert not np.allclose(before.nll, after.nll)
    same = measure_texts((str(tiny_folder), str(tiny_folder)), {"notes": file})["notes"]
    assert np.array_equal(same[0].nll, same[1].nll)


def test_models_with_other_tokenizers_are_refused(file, tiny_folder, tmp_path):
    other = tiny_model_folder(tmp_path / "other", vocab=280)
    with pytest.raises(DataError, match=r"cut the text notes into different tokens.*same tokenizer"):
        measure_texts((str(tiny_folder), str(other)), {"notes": file})


def test_on_paper_a_text_costs_what_it_takes_to_read(file, model, tmp_path):
    config = load_config({"task": "files", "workspace": tmp_path / "runs", "engine": {"name": "transformers"}})
    ledger = tmp_path / "ledger.jsonl"
    settings = {"seed": 0, "engine": config.engine, "judge": "exact", "judge_workers": 1, "judge_deadline": 1.0}
    verbs = PaperVerbs(Workspace(tmp_path / "s"), config=config, metrics=Metrics(ledger), shots=(), **settings)
    text = read(file, model)
    loss = text_loss(text, model, verbs.score(model, text.pairs, "score texts"))
    (line,) = read_json_lines(ledger)
    assert (line["stage"], line["rows"], line["tokens"]) == ("score texts", len(text.pieces), loss.tokens.sum())
    assert line["seconds"] > 0
