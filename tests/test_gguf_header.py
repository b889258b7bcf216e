"""The tokenizer half of a built GGUF header."""

import pytest
from tiny import tiny_tokenizer
from tokenizers import Regex, pre_tokenizers
from transformers import LlamaConfig
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from selftrain.errors import ConfigError
from selftrain.gguf_header import build_metadata


def header(tokenizer, vocab_size=320):
    """The header of a tiny Llama with this tokenizer."""
    config = LlamaConfig(vocab_size=vocab_size, hidden_size=32, num_attention_heads=4, num_key_value_heads=2)
    return build_metadata(config, tokenizer, "tiny")


def split_by(regex):
    """A pre-tokenizer that cuts by a pattern."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(regex), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


DIGITS = pre_tokenizers.Digits(individual_digits=True)


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        (pre_tokenizers.ByteLevel(add_prefix_space=False), "gpt-2"),
        (pre_tokenizers.Sequence([DIGITS, pre_tokenizers.ByteLevel(add_prefix_space=False)]), "smollm"),
        (split_by(PRETOKENIZE_REGEX), "qwen2"),
        (split_by(PRETOKENIZE_REGEX.replace(r"|\p{N}|", r"|\p{N}{1,3}|")), "llama-bpe"),
    ],
)
def test_pre_tokenizers_have_the_names_of_the_format(steps, name):
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.pre_tokenizer = steps
    assert header(tokenizer).text("tokenizer.ggml.pre") == name


@pytest.mark.parametrize(
    "steps", [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=True), split_by(r"\d")]
)
def test_other_pre_tokenizers_are_one_line(steps):
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.pre_tokenizer = steps
    with pytest.raises(ConfigError, match="cannot be written as GGUF") as caught:
        header(tokenizer)
    assert "\n" not in str(caught.value)


def test_every_row_of_the_embedding_has_a_token_and_a_type():
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<think>"])
    values = header(tokenizer).values
    tokens, types = values["tokenizer.ggml.tokens"].value, values["tokenizer.ggml.token_type"].value
    assert len(tokens) == len(types) == 320
    assert types[tokens.index("<|im_end|>")] == 3
    assert types[tokens.index("<think>")] == 4
    assert types[tokens.index("a")] == 1
    assert (tokens[-1], types[-1]) == ("[PAD319]", 5)


def test_more_tokens_than_rows_are_refused():
    with pytest.raises(ConfigError, match="resize the embedding"):
        header(tiny_tokenizer(), vocab_size=300)
