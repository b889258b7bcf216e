"""Building the GGUF header of a model that descends from no GGUF file: sizes and byte-level tokenizer."""

import json
from typing import Any

from selftrain.errors import ConfigError
from selftrain.gguf import Metadata, Value

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITS = {_LLAMA3: "llama-bpe", _LLAMA3.replace("{1,3}", ""): "qwen2"}
"""The format's names of the patterns by which two families cut text before merging."""
_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5


def build_metadata(config: Any, tokenizer: Any, name: str) -> Metadata:
    """The header for a transformers configuration and tokenizer.

    Raises ConfigError for a tokenizer that is not byte-level BPE or cuts text in a way this writer has no
    name for.
    """
    values = {"general.name": Value(name, "STRING"), "general.type": Value("model", "STRING")}
    values |= {f"{config.model_type}.{key}": value for key, value in _sizes(config).items()}
    values |= {f"tokenizer.{key}": value for key, value in _tokenizer_values(tokenizer, config.vocab_size).items()}
    return Metadata(config.model_type, values)


def _sizes(config: Any) -> dict[str, Value]:
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    counts = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.key_length": head,
        "attention.value_length": head,
        "rope.dimension_count": head,
        "vocab_size": config.vocab_size,
    }
    numbers = {
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "rope.freq_base": config.rope_parameters["rope_theta"],
    }
    return {key: Value(count, "UINT32") for key, count in counts.items()} | {
        key: Value(float(number), "FLOAT32") for key, number in numbers.items()
    }


def _tokenizer_values(tokenizer: Any, vocab_size: int) -> dict[str, Value]:
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    pre = _pre_tokenizer(parts)
    tokens, types = _vocabulary(tokenizer, vocab_size)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in parts["model"]["merges"]]
    values = {
        "ggml.model": Value("gpt2", "STRING"),
        "ggml.pre": Value(pre, "STRING"),
        "ggml.tokens": Value(tokens, "STRING"),
        "ggml.token_type": Value(types, "INT32"),
        "ggml.merges": Value(merges, "STRING"),
        "ggml.add_bos_token": Value(_adds_bos(tokenizer), "BOOL"),
        "ggml.add_space_prefix": Value(False, "BOOL"),
    }
    for key, number in _special_ids(tokenizer).items():
        values[f"ggml.{key}_token_id"] = Value(number, "UINT32")
    if isinstance(tokenizer.chat_template, str):
        values["chat_template"] = Value(tokenizer.chat_template, "STRING")
    return values


def _pre_tokenizer(parts: dict[str, Any]) -> str:
    """The format's name for how a tokenizer cuts text, from its serialized parts."""
    steps = parts["pre_tokenizer"] or {}
    steps = steps.get("pretokenizers", [steps])
    kinds = [step.get("type") for step in steps]
    if parts["model"]["type"] == "BPE" and kinds and kinds[-1] == "ByteLevel" and not steps[-1]["add_prefix_space"]:
        regex = steps[-1]["use_regex"]
        if kinds == ["ByteLevel"] and regex:
            return "gpt-2"
        if kinds == ["Digits", "ByteLevel"] and regex and steps[0]["individual_digits"]:
            return "smollm"
        if kinds == ["Split", "ByteLevel"] and not regex and steps[0]["pattern"].get("Regex") in _SPLITS:
            return _SPLITS[steps[0]["pattern"]["Regex"]]
    raise ConfigError(
        f"tokenizer ({parts['model']['type']} after {' + '.join(map(str, kinds))}) "
        "cannot be written as GGUF: export hf instead"
    )


def _vocabulary(tokenizer: Any, size: int) -> tuple[list[str], list[int]]:
    """The text and type of every id below `size`; rows of the embedding without a token get a placeholder."""
    tokens = [f"[PAD{number}]" for number in range(size)]
    types = [_UNUSED] * size
    for text, number in tokenizer.get_vocab().items():
        if number >= size:
            raise ConfigError(f"token {text!r} has id {number} but the embedding {size} rows: resize the embedding")
        tokens[number], types[number] = text, _NORMAL
    for number, token in tokenizer.added_tokens_decoder.items():
        types[number] = _CONTROL if token.special else _USER_DEFINED
    return tokens, types


def _adds_bos(tokenizer: Any) -> bool:
    return tokenizer.bos_token_id is not None and tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id]


def _special_ids(tokenizer: Any) -> dict[str, int]:
    ids = {
        "bos": tokenizer.bos_token_id,
        "eos": tokenizer.eos_token_id,
        "unknown": tokenizer.unk_token_id,
        "padding": tokenizer.pad_token_id,
    }
    return {key: number for key, number in ids.items() if number is not None}
