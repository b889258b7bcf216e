"""A tiny random T5 with a Unigram tokenizer, for tests that need a real encoder-decoder model but not a good one."""

from collections.abc import Sequence
from pathlib import Path

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
LINES = [
    "what is the sum of 1 and 2?",
    "Tom has 3 apples and 12 pears, 7 of them green.",
    "The answer is 20.",
    "0 1 2 3 4 5 6 7 8 9",
]
UNUSED = 8
"""Rows of the embedding that stand for no token, as T5's last ones."""


def tiny_t5_folder(
    path: Path,
    seed: int = 0,
    *,
    tied: bool = False,
    vocab: int = 120,
    layers: int = 2,
    decoder_layers: int | None = None,
    hidden: int = 32,
    dropout: float = 0.0,
    lines: Sequence[str] = LINES,
) -> Path:
    """Write a Hugging Face folder (float32 safetensors) and return it; equal arguments give equal weights.

    Untied as Flan-T5: gated GELU, an output head of its own. Tied as the first T5: ReLU, and hidden states that are
    scaled before they meet the embedding. `vocab` is a limit on the number of tokens, which are learned from `lines`.
    Without `decoder_layers` both sides have `layers`.
    """
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = tiny_t5_tokenizer(vocab, lines)
    config = T5Config(
        vocab_size=len(tokenizer) + UNUSED,
        d_model=hidden,
        d_kv=hidden // 4,
        d_ff=2 * hidden,
        num_layers=layers,
        num_decoder_layers=decoder_layers or layers,
        num_heads=4,
        feed_forward_proj="relu" if tied else "gated-gelu",
        dropout_rate=dropout,
        tie_word_embeddings=tied,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = T5ForConditionalGeneration(config)
        if not tied:
            model.lm_head.weight = torch.nn.Parameter(2 * hidden**-0.5 * torch.randn(config.vocab_size, hidden))
    path.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def tiny_t5_tokenizer(vocab: int = 120, lines: Sequence[str] = LINES):  # type: ignore[no-untyped-def]
    """A Unigram tokenizer that ends what it encodes with its end token; white space of all kinds is a space to it."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab, special_tokens=[PAD, END, UNKNOWN], unk_token=UNKNOWN, show_progress=False
    )
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, tokenizer.token_to_id(END))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )
