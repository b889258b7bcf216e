"""The OpenVINO engine: continuous batching with shared prefixes on a CPU, for Llama-style models.

A completion depends on its own request alone, in bf16 too, to the bit. That takes care, for a token rounds
differently when it is read among others of its prompt, when it is read on its own, and when it is alone in a step:
- A silent request reads the prompt whole. While it lives, the requests for the prompt are added: they share what it
  read, and each reads the last token on its own.
- A request that is left alone gets a silent companion.
- Requests are let in only while the cache has room for all that they may need, so that none is put aside and read anew.
- A prompt that begins with another whole prompt is read into an empty cache, as the other's last token would be shared.

Given completions are read by the transformers engine, which is faster at it: OpenVINO reads the prompt again for each
of them and makes the logits of all its tokens. One of the two is in memory at a time.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import openvino
import openvino_genai as genai
import psutil
import torch

from selftrain.engines.base import Completion, Request, Sampling, check_room
from selftrain.engines.decoding import Draft
from selftrain.engines.openvino_files import openvino_files
from selftrain.engines.prefixes import TOKENS_PER_REQUEST, Prefixes
from selftrain.engines.scoring import Pair
from selftrain.engines.transformers import TransformersEngine
from selftrain.errors import ConfigError
from selftrain.models import Model, load_tokenizer, read_config

PRECISIONS = {"bf16": "bf16", "fp32": "f32"}
BLOCK = 32
"""Tokens in a block of the cache. What a prompt begins with is found again by whole blocks."""
SILENT = 3
"""Tokens that a silent request may draw: it is stopped before the last."""
READ_AT_ONCE = 2048
"""Prompt tokens read in one step, unless a single prompt has more."""
MEMORY_SHARE = 0.25
"""The most that the cache takes of the free memory."""
TOKENS_AT_ONCE = 2**20
"""No limit: what a step may read is decided here."""
MISREAD = 0.5
"""Mean difference of log-probabilities (nats) that shows a model read wrongly; bf16 alone makes about .05."""


@dataclass(frozen=True, slots=True)
class _Wave:
    """Requests for one prompt that are let in together."""

    requests: tuple[Request, ...]
    blocks: int
    """Blocks of the cache that each may come to need."""

    @property
    def prompt(self) -> tuple[int, ...]:
        return self.requests[0].prompt


@dataclass(slots=True)
class _Running:
    """A request being decoded."""

    draft: Draft
    handle: Any
    blocks: int


class OpenVinoEngine:
    """A model loaded for sampling and scoring; at most `batch` requests are decoded together.

    Raises ConfigError for a model that GGUF cannot express, or that OpenVINO reads as another model than it is.
    """

    block: int | None = None

    def __init__(self, model: Model, *, precision: Literal["bf16", "fp32"] = "bf16", batch: int = 256) -> None:
        self.prefilled = 0
        self._batch = batch
        self._properties = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
            "KV_CACHE_PRECISION": PRECISIONS[precision],
            "INFERENCE_NUM_THREADS": max(2, torch.get_num_threads()),  # with one, bf16 ends in a crash
        }
        self._model, self._precision = model, precision
        self._tokenizer = load_tokenizer(model)
        config = read_config(model)
        self._context = int(config.max_position_embeddings)
        self._vocabulary = int(config.vocab_size)
        self._blocks = _cache_blocks(config, batch)
        self._files = openvino_files(model)
        self._number = 0
        self._scorer: TransformersEngine | None = None
        self._sampler: Any = None
        self._wake()
        self._check_reading(model.name)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """See `Engine.generate`."""
        for request in requests:
            check_room(len(request.prompt), self._context)
        if self._sampler is None:
            self._wake()
        waves = deque(self._waves(requests, sampling))
        running: list[_Running] = []
        silent: list[Any] = []
        try:
            while waves or running:
                let_in = self._let_in(waves, running)
                if len(running) == 1 and not let_in:
                    self._accompany()
                heard, silent = silent, [self._add(self._sampler, w.prompt, max_new_tokens=SILENT) for w in let_in]
                self._sampler.step()
                for handle in heard:
                    handle.stop()
                done = [(one, self._advance(one)) for one in running]
                running = [one for one, completion in done if completion is None]
                for wave in let_in:
                    running += [self._begin(request, wave.blocks, sampling) for request in wave.requests]
                yield from (completion for _, completion in done if completion is not None)
        finally:
            for handle in (*(one.handle for one in running), *silent, *self._companion):
                handle.stop()
            _drain(self._sampler)

    def score(self, pairs: Iterable[Pair]) -> Iterator[list[float]]:
        """See `Engine.score`."""
        yield from self._reader().score(pairs)

    def entropies(self, pairs: Iterable[Pair]) -> Iterator[list[float]]:
        """See `Engine.entropies`."""
        yield from self._reader().entropies(pairs)

    def close(self) -> None:
        """Releases the model's memory."""
        self._sampler = self._scorer = None
        self._files.close()

    def _reader(self) -> TransformersEngine:
        """What reads given completions, in the place of what samples."""
        if self._scorer is None:
            self._rest()
            self._scorer = TransformersEngine(self._model, precision=self._precision)
        return self._scorer

    def _wake(self) -> None:
        """Loads the model for sampling, with an empty cache, in the place of what scores."""
        self._scorer = None  # its memory first
        self._sampler, self._read, self._companion = self._pipeline(), Prefixes(BLOCK), list[Any]()

    def _rest(self) -> None:
        """Releases what samples."""
        for handle in self._companion:
            handle.stop()
        _drain(self._sampler)
        self._sampler = None

    def _pipeline(self) -> Any:
        scheduler = genai.SchedulerConfig()
        scheduler.enable_prefix_caching = True
        scheduler.dynamic_split_fuse = True  # prompts are read beside what is being drawn
        scheduler.max_num_seqs = 2 * self._batch  # with the silent ones
        scheduler.max_num_batched_tokens = TOKENS_AT_ONCE
        scheduler.num_kv_blocks = self._blocks
        try:
            return genai.ContinuousBatchingPipeline(self._files.gguf, scheduler, "CPU", self._properties)
        except RuntimeError as error:
            reason = (str(error).strip() or "unknown").splitlines()[-1]
            raise ConfigError(f"OpenVINO cannot load the model ({reason}): set engine.name=transformers") from error

    def _check_reading(self, name: str) -> None:
        """Raises ConfigError if the model's log-probabilities are not those it has elsewhere."""
        echo = self._add(self._sampler, self._files.tokens, max_new_tokens=0, echo=True, logprobs=1)
        _drain(self._sampler)
        found = np.array(echo.read_all()[0].generated_log_probs[1:])  # the first of them means nothing
        apart = float(np.abs(found - self._files.logprobs).mean())
        if not apart < MISREAD:
            raise ConfigError(
                f"OpenVINO reads {name} wrongly, its log-probabilities are {apart:.2f} nats off: "
                "set engine.name=transformers"
            )

    def _waves(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[_Wave]:
        """The requests by prompt, in parts that the engine can decode together."""
        by_prompt: dict[tuple[int, ...], list[Request]] = {}
        for request in requests:
            by_prompt.setdefault(request.prompt, []).append(request)
        for prompt, own in by_prompt.items():
            length = min(len(prompt) + sampling.max_tokens, self._context)
            blocks = -(-length // BLOCK) + 2
            size = max(1, min(self._batch, self._blocks // blocks))
            for start in range(0, len(own), size):
                yield _Wave(tuple(own[start : start + size]), blocks)

    def _let_in(self, waves: deque[_Wave], running: Sequence[_Running]) -> list[_Wave]:
        """The next waves there is room for. A prompt that begins like one to be read in this step waits for it."""
        if waves and not running and self._read.continues(waves[0].prompt):
            self._rest()
            self._wake()
        seats = self._batch - len(running)
        blocks = self._blocks - sum(one.blocks for one in running)
        room, chosen, reading = READ_AT_ONCE, list[_Wave](), Prefixes(BLOCK)
        while waves:
            wave, prompt = waves[0], waves[0].prompt
            shared = self._read.shared(prompt)
            unread = max(1, len(prompt) - shared)
            seats -= len(wave.requests)
            blocks -= wave.blocks * len(wave.requests)
            room -= unread
            full = seats < 0 or blocks < 0 or (chosen and room < 0)
            if full or self._read.continues(prompt) or reading.shared(prompt) > shared or reading.continues(prompt):
                break
            self.prefilled += unread + len(wave.requests)
            reading.add(prompt)
            chosen.append(waves.popleft())
        for wave in chosen:
            self._read.add(wave.prompt)
        return chosen

    def _accompany(self) -> None:
        """Sees to a second row in the next step."""
        if not any(one.get_status() == genai.GenerationStatus.RUNNING for one in self._companion):
            prompt = (self._vocabulary - 1,)
            self._companion = [self._add(self._sampler, prompt, max_new_tokens=BLOCK - 1)]
            self._read.add(prompt)

    def _begin(self, request: Request, blocks: int, sampling: Sampling) -> _Running:
        draft = Draft(request, sampling, self._tokenizer, self._context)
        longest = min(sampling.max_tokens, self._context - len(request.prompt))
        drawn = {
            "do_sample": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "rng_seed": request.seed,
        }
        settings = drawn if sampling.temperature else {"do_sample": False}
        handle = self._add(self._sampler, request.prompt, max_new_tokens=longest, logprobs=1, **settings)
        return _Running(draft, handle, blocks)

    def _advance(self, one: _Running) -> Completion | None:
        """Takes what a request has drawn; the completion if it has ended."""
        while one.handle.can_read():
            for output in one.handle.read().values():
                for token, logprob in zip(output.generated_ids, output.generated_log_probs, strict=True):
                    done = one.draft.add(token, logprob)
                    if done is not None:
                        one.handle.stop()
                        return done
        return None

    def _add(self, pipeline: Any, tokens: Sequence[int], **settings: Any) -> Any:
        """A handle of a new request. Where a text ends is decided here: OpenVINO looks for no end of its own."""
        self._number += 1
        config = genai.GenerationConfig(ignore_eos=True, apply_chat_template=False, **settings)
        return pipeline.add_request(self._number, openvino.Tensor(np.array([tokens], dtype=np.int64)), config)


def _drain(pipeline: Any) -> None:
    while pipeline.has_non_finished_requests():
        pipeline.step()


def _cache_blocks(config: Any, batch: int) -> int:
    """Blocks of the cache: for `batch` requests, within the share of memory, at least for one whole context."""
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    block_bytes: int = BLOCK * 2 * config.num_hidden_layers * config.num_key_value_heads * head * 4
    affordable = MEMORY_SHARE * psutil.virtual_memory().available / block_bytes
    wanted = batch * TOKENS_PER_REQUEST // BLOCK
    return max(int(config.max_position_embeddings) // BLOCK + 4, min(wanted, int(affordable)))
