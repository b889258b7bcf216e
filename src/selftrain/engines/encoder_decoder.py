"""The transformers engine for models that read the prompt by an encoder and write by a decoder, such as T5.

Each distinct prompt of a block passes the encoder once, and all its responses share what was read. The decoder starts
with the token that the model's configuration names.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import torch
from transformers import DynamicCache, EncoderDecoderCache

from selftrain.engines.entropy import entropies
from selftrain.engines.readers import Reader, Run
from selftrain.engines.scoring import Pair
from selftrain.engines.transformers import TransformersEngine
from selftrain.models import Model
from selftrain.models.load import decoder_start


class EncoderDecoderEngine(TransformersEngine):
    """As `TransformersEngine`. Raises ConfigError for a model that does not say how its decoder starts."""

    def __init__(
        self,
        model: Model,
        *,
        precision: Literal["bf16", "fp32"] = "bf16",
        batch: int = 64,
        device: str = "cpu",
    ) -> None:
        super().__init__(model, precision=precision, batch=batch, device=device)
        self._start = decoder_start(self._model)

    def entropies(self, pairs: Iterable[Pair]) -> Iterator[list[float]]:
        """See `Engine.entropies`. Texts are read as for `score`."""
        yield from self._told(pairs, Reader(self._logits, lambda logits, _: entropies(logits)))

    def _tokens_read(self, prompts: Sequence[tuple[int, ...]]) -> int:
        return sum(map(len, prompts))  # an encoder sees the whole prompt from each token: beginnings are not shared

    def _read(self, prompts: Sequence[tuple[int, ...]], run: Run) -> tuple[Any, torch.Tensor, torch.Tensor]:
        """Reads the prompts: their cache, attention mask [prompts, tokens] and what `run` makes of the start token."""
        width = max(map(len, prompts))
        ids = self._tensor([prompt + (0,) * (width - len(prompt)) for prompt in prompts])
        mask = self._tensor([(1,) * len(prompt) + (0,) * (width - len(prompt)) for prompt in prompts])
        cache: Any = EncoderDecoderCache(DynamicCache(), DynamicCache())
        return cache, mask, run(ids, mask, cache)[:, -1]

    @torch.inference_mode()
    def _logits(self, ids: torch.Tensor, mask: torch.Tensor, cache: Any, keep: int = 1) -> torch.Tensor:
        """Logits of what follows each of the decoder's tokens `ids`, all of which are kept: [rows, tokens, vocabulary].

        With an empty cache `ids` are prompts, and it is the start token that the logits follow. Rows of the decoder
        start together and are padded on the right, so of `mask` only what it says of the prompts is used.
        """
        length = cache.cross_attention_cache.get_seq_length()
        read: dict[str, Any]
        if length:
            # Keys and values of the prompt are in the cache: the encoder's states are asked for their length alone.
            states = torch.empty(len(ids), length, 1, device=ids.device)
            read = {"encoder_outputs": (states,), "attention_mask": mask[:, :length], "decoder_input_ids": ids}
        else:
            start = ids.new_full((len(ids), 1), self._start)
            read = {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": start}
        logits: torch.Tensor = self._model(**read, past_key_values=cache, use_cache=True).logits
        return logits
