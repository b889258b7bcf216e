"""A tiny random Llama with a byte-level tokenizer, for tests that need a real model but not a good one."""

from collections.abc import Sequence
from pathlib import Path

END = "<|im_end|>"
PAD = "<|pad|>"
SPECIAL = ["<|endoftext|>", "<|im_start|>", END, PAD]
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LINES = [
    "what is the sum of 1 and 2?",
    "the answer is 3",
    "what is the product of 4 and 5? the answer is 20",
    "you are a helpful assistant",
]


def tiny_model_folder(
    path: Path,
    seed: int = 0,
    *,
    vocab: int = 320,
    layers: int = 2,
    hidden: int = 32,
    tied: bool = True,
    lines: Sequence[str] = LINES,
) -> Path:
    """Write a Hugging Face folder (float32 safetensors) and return it; equal arguments give equal weights.

    The tokenizer encodes any text and decodes it back exactly; `vocab` is a limit on the number of its
    tokens, at least 260 (256 bytes and 4 specials), which are learned from `lines`.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = tiny_tokenizer(vocab, lines)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=tied,
        bos_token_id=tokenizer.convert_tokens_to_ids("<|im_start|>"),
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    path.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def tiny_tokenizer(vocab: int = 320, lines: Sequence[str] = LINES):  # type: ignore[no-untyped-def]
    """A byte-level BPE tokenizer with a chat template of system, user and assistant turns."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token=END,
        pad_token=PAD,
        unk_token="<|endoftext|>",
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
