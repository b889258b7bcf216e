"""The verbs beside `run`, through the command line."""

import json

import yaml
from small import inside, weights

from selftrain.logs import read_log
from selftrain.models import load_model, open_model


def test_export_hf(first, tmp_path):
    import torch

    ended = inside("export", first, "--as", "hf", "--out", tmp_path / "hf")
    assert ended.code == 0, ended.err
    written, final = weights(tmp_path / "hf"), weights(first / "final")
    assert all(torch.equal(written[name], final[name]) for name in final)
    assert "exists already" in inside("export", first, "--as", "hf", "--out", tmp_path / "hf").complaint


def test_export_gguf(first, tmp_path):
    from gguf import GGUFReader

    ended = inside("export", first, "--as", "gguf", "--out", tmp_path / "final.gguf")
    assert ended.code == 0, ended.err
    names = {tensor.name for tensor in GGUFReader(tmp_path / "final.gguf").tensors}
    assert {"token_embd.weight", "output.weight", "blk.1.ffn_down.weight"} <= names


def test_export_adapter(first, chained, tmp_path):
    import torch
    from peft import PeftModel

    ended = inside("export", chained, "--as", "adapter", "--out", tmp_path / "adapter")
    assert ended.code == 0, ended.err
    parent = load_model(open_model(chained / "rounds/01/model"))
    merged = PeftModel.from_pretrained(parent, str(tmp_path / "adapter")).merge_and_unload().state_dict()
    final = weights(chained / "final")
    assert all(torch.allclose(merged[name], final[name], atol=1e-6) for name in final)
    assert "has no adapter" in inside("export", first, "--as", "adapter", "--out", tmp_path / "none").complaint


def test_sample_then_judge(lab, model, tmp_path):
    log, judged = tmp_path / "log.jsonl", tmp_path / "judged.jsonl"
    words = ("--task", lab.config, "--out", log, "--samples", 2, "--max-tokens", 3, "--temperature", 1)
    ended = inside("sample", model, *words)
    assert ended.code == 0, ended.err
    found = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(found) == 80
    assert {row["judgement"] for row in found} == {"right", "wrong"}
    assert all(row["nll"] > 0 and row["tokens"] <= row["max_tokens"] == 3 for row in found)
    ended = inside("judge", log, "--judge", f"{lab.folder / 'judge.py'}:kind", "--out", judged)
    assert ended.code == 0, ended.err
    again = [json.loads(line) for line in judged.read_text().splitlines()]
    assert [row["judgement"] for row in again] == [row["judgement"] for row in found]
    one, other = (read_log(path).main for path in (log, judged))
    assert one.right.tolist() == other.right.tolist()
    assert one.labels == other.labels
    assert (one.labels["temperature"], one.labels["max_tokens"]) == (1, 3)
    inside("sample", model, *words)
    assert [json.loads(line) for line in log.read_text().splitlines()] == found


def test_check_task_proves_gold_answers(lab):
    ended = inside("check-task", lab.config)
    assert ended.code == 0, ended.err
    assert "every gold answer judges itself right (120 checked)" in ended.out


def test_presets_can_be_listed_and_printed(tmp_path):
    listed = inside("presets")
    assert listed.code == 0
    for name in listed.out.split():
        printed = inside("presets", name)
        assert {"task", "like"} & yaml.safe_load(printed.out).keys()
    assert "unknown preset 'nope'" in inside("presets", "nope").complaint
