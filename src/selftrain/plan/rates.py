"""How long things take: from what a calibration measured to the seconds of a stage. Arithmetic alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

from selftrain.training import TrainingConfig
from selftrain.training_set import Kind, Labelled, Pair, Row

Prompt = tuple[int, ...]
CALIBRATION_STEPS = 2
"""Optimizer steps of a calibration; the last one is timed, those before warm the machine up."""
REFERENCE_PASS: dict[Kind, float] = {Row: 0, Pair: 1 / 3, Labelled: 1 / 2}
"""What the reference takes to read the rows once, of what a pass of training takes.

Going backward is twice the work of going forward. Labelled responses are read twice, by the reference and in each pass:
once with their own prompts, and once, forward alone, with those of others.
"""


@dataclass(frozen=True, slots=True)
class SamplingRate:
    """Seconds for each prompt token that is read and for each token that is drawn."""

    read: float
    drawn: float

    @classmethod
    def of(cls, read: float, blocks: Sequence[tuple[float, int, int]]) -> "SamplingRate":
        """From the seconds for each token read, and the blocks that were drawn.

        A block is (seconds, tokens read, tokens drawn).
        """
        drawing = sum(seconds - read * tokens for seconds, tokens, _ in blocks)
        return cls(read, max(drawing, 0.0) / max(sum(drawn for *_, drawn in blocks), 1))

    def seconds(self, read: int, drawn: int) -> float:
        """Seconds to read and draw so many tokens."""
        return self.read * read + self.drawn * drawn


def tokens_read(prompts: Sequence[Prompt], block: int | None) -> int:
    """Tokens that an engine reads for these prompts, one a response, in the order they are run.

    In a block the beginning that all prompts share is read once, and the rest of each distinct prompt, padded to
    the longest. An engine without blocks reads what any two prompts begin with once.
    """
    if block is None:
        ordered = sorted(set(prompts))
        return sum(len(prompt) - _shared([before, prompt]) for before, prompt in pairwise([(), *ordered]))
    return sum(_block_tokens(prompts[start : start + block]) for start in range(0, len(prompts), block))


def _block_tokens(prompts: Sequence[Prompt]) -> int:
    distinct = set(prompts)
    shared = _shared([prompt[:-1] for prompt in distinct])
    return shared + len(distinct) * (max(map(len, distinct)) - shared)


def _shared(prompts: Sequence[Prompt]) -> int:
    """How many tokens all prompts begin with."""
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*prompts, strict=False)))


@dataclass(frozen=True, slots=True)
class TrainingRate:
    """Seconds for each token of a row that is trained, and for what comes before and after the steps."""

    token: float
    fixed: float
    """Loading the model, one checkpoint, saving the result."""
    reference: float = 0.0
    """For each token that the reference reads, once, before the steps."""

    @classmethod
    def of(cls, seconds: float, steps: Sequence[float], tokens: int, kind: Kind = Row) -> "TrainingRate":
        """From the seconds of a whole training, when each of its steps had ended, the tokens of one and the rows."""
        step = steps[-1] - steps[-2]
        reading = REFERENCE_PASS[kind] * step
        fixed = max(seconds - len(steps) * (step + reading), 0.0)
        return cls(step / tokens, fixed, reading / tokens)

    def seconds(self, rows: int, tokens: int, config: TrainingConfig) -> float:
        """Seconds to train on so many rows with so many tokens in all, each seen once an epoch.

        A checkpoint writes three times the result (weights and the two moments of Adam), so each one after the
        first adds three quarters of the fixed part: no less than it takes.
        """
        steps = optimizer_steps(rows, config)
        seen = tokens * config.epochs * steps / (config.epochs * math.ceil(rows / config.batch_size))
        further = 0.75 * (checkpoints(rows, config) - 1)
        return self.token * seen + self.reference * tokens + self.fixed * (1 + further)


def optimizer_steps(rows: int, config: TrainingConfig) -> int:
    """Optimizer steps of a training on so many rows."""
    limit = config.trl.get("max_steps", -1)
    return int(limit) if limit > 0 else config.epochs * math.ceil(rows / config.batch_size)


def checkpoints(rows: int, config: TrainingConfig) -> int:
    """Checkpoints that a training on so many rows makes."""
    return math.ceil(optimizer_steps(rows, config) / config.save_steps)
