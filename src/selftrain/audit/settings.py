"""What an audit can be told: levels, margins and the resampling."""

from typing import Annotated, Literal

from pydantic import Field

from selftrain.validation import Options

Share = Annotated[float, Field(gt=0, lt=1)]


class AuditSettings(Options):
    """The numbers a verdict depends on, fixed before the models are compared."""

    alpha: float = Field(default=0.05, ge=1e-6, lt=1)
    """Two-sided level of the primary figure and of every interval, and level of the family of guards."""
    family: Literal["holm", "benjamini_hochberg", "none"] = "holm"
    """How guards are corrected for their number before one is down: the family-wise error, the false-discovery rate,
    or not at all."""
    min_effect: Share = 0.02
    """Smallest gain of pass@1 worth finding; an inconclusive verdict says how many problems it takes."""
    margin: Share = 0.05
    """How much a guard may lose and still be held."""
    margins: dict[str, Share] = {}
    """Margins of single figures, by figure name; `pass@1` is the margin of non-inferiority to the base."""
    draws: int = Field(default=10_000, ge=100)
    """Resamples of the problems."""
    seed: int = Field(default=0, ge=0)
    """Seed of the resampling."""
    max_unjudged: float = Field(default=0.01, ge=0, le=1)
    """Share of unjudged responses above which the audit warns and gives bounds."""

    levels: tuple[str, ...] = ()
    """Names of levels, easiest first; without them the order is that of the numbers in the names, or unknown."""

    reasoning_words: int = Field(default=10, ge=1)
    """Words that right responses of both models have at the median problem where they carry reasoning; their
    diversity is then a guard."""

    def margin_of(self, name: str) -> float:
        """The margin of a figure."""
        return self.margins.get(name, self.margin)
