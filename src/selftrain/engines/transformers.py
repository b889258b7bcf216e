"""The transformers engine: any causal model, any device.

Requests run in blocks. The tokens that all prompts of a block begin with are read once, each distinct prompt's
rest once, and the responses of one problem share what was read. Finished responses leave the block as they end.
"""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from itertools import islice
from typing import Any, Literal

import torch
from transformers import DynamicCache, EncoderDecoderCache

from selftrain.engines.base import Completion, Request, Sampling, check_room
from selftrain.engines.decoding import Draft
from selftrain.engines.readers import Reader, Run, entropy_reader, logprob_reader
from selftrain.engines.scoring import Pair, batches, begun_alike, chunks, tokens_at_once
from selftrain.errors import ConfigError
from selftrain.models import Model, load_model, load_tokenizer

DTYPES: dict[str, Literal["bfloat16", "float32"]] = {"bf16": "bfloat16", "fp32": "float32"}


class TransformersEngine:
    """A model loaded for sampling and scoring. `precision` is the type of its weights and products."""

    def __init__(
        self,
        model: Model,
        *,
        precision: Literal["bf16", "fp32"] = "bf16",
        batch: int = 64,
        device: str = "cpu",
    ) -> None:
        self.block: int | None = batch
        self.prefilled = 0
        self._batch = batch
        _check_device(device)
        self._tokenizer = load_tokenizer(model)
        self._model: Any = load_model(model, dtype=DTYPES[precision], device=device).eval()
        config = self._model.config.get_text_config()
        self._context = getattr(config, "max_position_embeddings", None)
        self._tokens_at_once = tokens_at_once(config.vocab_size)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """See `Engine.generate`."""
        for request in requests:
            check_room(len(request.prompt), self._context)
        for start in range(0, len(requests), self._batch):
            yield from self._block(requests[start : start + self._batch], sampling)

    def score(self, pairs: Iterable[Pair]) -> Iterator[list[float]]:
        """See `Engine.score`. What a prompt shares with others is read once, as for drawing; see `scoring`."""
        yield from self._told(pairs, logprob_reader(self._logits))

    def entropies(self, pairs: Iterable[Pair]) -> Iterator[list[float]]:
        """See `Engine.entropies`. Texts are read as for `score`."""
        yield from self._told(pairs, entropy_reader(self._model, self._logits, self._states))

    def close(self) -> None:
        """Releases the model's memory."""
        self._model = None

    def _block(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        prompts = list(dict.fromkeys(request.prompt for request in requests))
        places = {prompt: place for place, prompt in enumerate(prompts)}
        self.prefilled += self._tokens_read(prompts)
        cache, mask, logits = self._read(prompts, self._logits)
        rows = self._tensor([places[request.prompt] for request in requests])
        cache.batch_select_indices(rows)
        mask, logits = mask[rows], logits[rows].float()
        drafts = [Draft(request, sampling, self._tokenizer, self._context) for request in requests]
        alive = list(range(len(drafts)))
        while True:
            tokens, logprobs = self._draw(logits, drafts, sampling)
            still = []
            for row in alive:
                done = drafts[row].add(tokens[row], logprobs[row])
                if done is None:
                    still.append(row)
                else:
                    yield done
            alive = still
            if not alive:
                return
            if len(alive) <= 0.75 * len(drafts):
                keep = self._tensor(alive)
                cache.batch_select_indices(keep)
                mask, drafts, tokens = (
                    mask[keep],
                    [drafts[row] for row in alive],
                    [tokens[row] for row in alive],
                )
                alive = list(range(len(drafts)))
            # The positions of finished rows stand still, so that they never leave the model's context.
            reads = mask.new_zeros(len(drafts), 1).index_fill(0, self._tensor(alive), 1)
            mask = torch.cat([mask, reads], dim=1)
            logits = self._logits(self._tensor(tokens)[:, None], mask, cache)[:, -1].float()

    def _tokens_read(self, prompts: Sequence[tuple[int, ...]]) -> int:
        """Tokens that pass through the model when these are read."""
        shared = begun_alike(prompts)
        return shared + sum(len(prompt) - shared for prompt in prompts)

    def _read(self, prompts: Sequence[tuple[int, ...]], run: Run) -> tuple[DynamicCache, torch.Tensor, torch.Tensor]:
        """Reads the prompts: their cache, attention mask [prompts, tokens] and what `run` makes of the last tokens."""
        cache = DynamicCache(config=self._model.config)
        shared = begun_alike(prompts)
        if shared:
            head = self._tensor([prompts[0][:shared]])
            run(head, torch.ones_like(head), cache)
            cache.batch_repeat_interleave(len(prompts))
        width = max(len(prompt) for prompt in prompts) - shared
        rest = [prompt[shared:] for prompt in prompts]
        ids = self._tensor([(0,) * (width - len(r)) + r for r in rest])
        mask = self._tensor([(1,) * shared + (0,) * (width - len(r)) + (1,) * len(r) for r in rest])
        return cache, mask, run(ids, mask, cache)[:, -1]

    # Here and not around `generate`: a generator would leave its caller in inference mode between two items.
    @torch.inference_mode()
    def _logits(self, ids: torch.Tensor, mask: torch.Tensor, cache: DynamicCache | None, keep: int = 1) -> torch.Tensor:
        """Logits of what follows each of the last `keep` tokens, [rows, keep, vocabulary]."""
        logits: torch.Tensor = self._model(**_inputs(ids, mask, cache), logits_to_keep=keep).logits
        return logits

    @torch.inference_mode()
    def _states(self, ids: torch.Tensor, mask: torch.Tensor, cache: DynamicCache | None, keep: int = 1) -> torch.Tensor:
        """What the output head makes logits of, [rows, keep, width]; see `_logits`."""
        states: torch.Tensor = self._model.base_model(**_inputs(ids, mask, cache)).last_hidden_state
        return states[:, -keep:]

    def _draw(self, logits: torch.Tensor, drafts: Sequence[Draft], sampling: Sampling) -> tuple[list[int], list[float]]:
        """The next token of each row and its log-probability at temperature 1."""
        logprobs = torch.log_softmax(logits, dim=-1)
        if sampling.temperature == 0:
            tokens = logits.argmax(dim=-1, keepdim=True)
        else:
            step = [draft.uniform() for draft in drafts]
            uniform = torch.tensor(step, dtype=torch.float32, device=logits.device)[:, None]
            probabilities = torch.softmax(logits / sampling.temperature, dim=-1)
            tokens = inverse_cdf(nucleus(probabilities, sampling.top_p), uniform)
        return tokens[:, 0].tolist(), logprobs.gather(1, tokens)[:, 0].tolist()

    def _checked(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        for prompt, completion in pairs:
            check_room(len(prompt), self._context)
            check_room(len(prompt) + max(len(completion) - 1, 0), self._context)
            yield prompt, completion

    def _told(self, pairs: Iterable[Pair], reader: Reader) -> Iterator[list[float]]:
        """What the reader tells of each completion token, pair by pair."""
        for chunk in chunks(self._checked(pairs), self._tokens_at_once):
            yield from self._told_together(chunk, reader)

    def _told_together(
        self, chunk: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], reader: Reader
    ) -> list[list[float]]:
        """As `_told`, of pairs whose prompts are read together."""
        prompts = list(dict.fromkeys(prompt for prompt, _ in chunk))
        places = {prompt: place for place, prompt in enumerate(prompts)}
        rows = [places[prompt] for prompt, _ in chunk]
        cache, mask, made = self._read(prompts, reader.run)
        begun = [place for place, (_, completion) in enumerate(chunk) if completion]
        first = reader.values(made, [rows[place] for place in begun], [chunk[place][1][0] for place in begun])
        found: list[list[float]] = [[] for _ in chunk]
        for place, value in zip(begun, first, strict=True):
            found[place].append(value)
        lengths = [len(completion) - 1 for _, completion in chunk]
        for batch in batches(lengths, mask.shape[1], self._tokens_at_once):
            own = self._tensor([rows[place] for place in batch])
            rest = self._continue(selected(cache, own), mask[own], [chunk[place][1] for place in batch], reader)
            for place, values in zip(batch, rest, strict=True):
                found[place] += values
        return found

    def _continue(
        self, cache: DynamicCache, mask: torch.Tensor, completions: Sequence[Sequence[int]], reader: Reader
    ) -> Iterator[list[float]]:
        """What is told of all tokens but the first of completions of what is in the cache."""
        longest = max(map(len, completions)) - 1
        ids = self._tensor([(*own[:-1], *(0,) * (longest - len(own) + 1)) for own in completions])
        reads = self._tensor([(1,) * (len(own) - 1) + (0,) * (longest - len(own) + 1) for own in completions])
        made = reader.run(ids, torch.cat([mask, reads], dim=1), cache, keep=longest).flatten(0, 1)
        places = [row * longest + place for row, own in enumerate(completions) for place in range(len(own) - 1)]
        told = iter(reader.values(made, places, [token for own in completions for token in own[1:]]))
        for own in completions:
            yield list(islice(told, len(own) - 1))

    def _tensor(self, values: Sequence[Any]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._model.device)


def _inputs(ids: torch.Tensor, mask: torch.Tensor, cache: DynamicCache | None) -> dict[str, Any]:
    """The arguments of a forward pass over `ids`, the last of what `mask` tells of."""
    positions = (mask.cumsum(1) - 1).clamp_min(0)[:, -ids.shape[1] :]
    read = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
    return {**read, "past_key_values": cache, "use_cache": cache is not None}


def selected(cache: Any, rows: torch.Tensor) -> Any:
    """A cache of these rows of another, which stays as it is."""
    if isinstance(cache, EncoderDecoderCache):
        parts = (cache.self_attention_cache, cache.cross_attention_cache)
        return EncoderDecoderCache(*(selected(part, rows) for part in parts))
    chosen = copy(cache)
    chosen.layers = [copy(layer) for layer in cache.layers]
    chosen.batch_select_indices(rows)
    return chosen


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = (str(error).strip() or "unknown").splitlines()[0]
        raise ConfigError(f"engine.device {device!r} cannot be used ({reason}): cpu always can") from None


def nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """Probabilities [rows, vocabulary] with all but the smallest set of mass at least `top_p` put to zero."""
    if top_p >= 1:
        return probabilities
    ordered, order = probabilities.sort(dim=-1, descending=True)
    outside = ordered.cumsum(dim=-1) - ordered >= top_p
    return probabilities.scatter(1, order, ordered.masked_fill(outside, 0.0))


def inverse_cdf(probabilities: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The token [rows, 1] at which the running sum of `probabilities` first exceeds `uniform` [rows, 1] of it."""
    mass = probabilities.cumsum(dim=-1)
    total = mass[:, -1:]
    # Below the total even after rounding, so that the token found has a probability above zero.
    return torch.searchsorted(mass, torch.minimum(uniform * total, total * (1 - 2**-22)), right=True)
