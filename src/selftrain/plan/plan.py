"""A plan: what a run will ask for, and what that takes."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selftrain.plan.stages import Stage


@dataclass(frozen=True, slots=True)
class PromptSeen:
    """A prompt as the model will see it, and what the calibration saw the model say."""

    name: str
    tokens: int
    """Of the example."""
    longest: int
    """Tokens of the longest."""
    text: str
    responses: int
    finished: int
    right: int
    completion_tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes of memory or disk: what is needed at the peak, what stays, and what there is."""

    peak: int
    free: int | None
    kept: int = 0
    measured: int = 0
    """What the calibration itself took."""

    @property
    def suffices(self) -> bool:
        """Whether there is enough, as far as is known."""
        return self.free is None or self.peak <= self.free


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will come to."""

    config: dict[str, Any]
    folder: Path
    """Of the run."""
    prompts: tuple[PromptSeen, ...]
    stages: tuple[Stage, ...]
    disk: Need
    memory: Need
    notes: tuple[str, ...]
    calibration_seconds: float

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(stage.seconds for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {**asdict(self), "folder": str(self.folder), "seconds": round(self.seconds, 3)}
