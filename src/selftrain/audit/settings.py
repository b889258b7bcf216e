"""What an audit can be told: levels, margins and the resampling."""

from pydantic import BaseModel, ConfigDict, Field


class AuditSettings(BaseModel):
    """The numbers a verdict depends on, fixed before the models are compared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Two-sided level of the primary figure and of every interval; family-wise for guards that are down."""
    min_effect: float = Field(default=0.02, gt=0, lt=1)
    """Smallest gain of pass@1 worth finding; an inconclusive verdict says how many problems it takes."""
    margin: float = Field(default=0.05, gt=0, lt=1)
    """How much a guard may lose and still be held."""
    margins: dict[str, float] = Field(default_factory=dict)
    """Margins of single figures, by figure name; `pass@1` is the margin of non-inferiority to the base."""
    draws: int = Field(default=10_000, ge=100)
    """Resamples of the problems."""
    seed: int = Field(default=0, ge=0)
    """Seed of the resampling."""
    max_unjudged: float = Field(default=0.01, ge=0, le=1)
    """Share of unjudged responses above which the audit warns and gives bounds."""

    def margin_of(self, name: str) -> float:
        """The margin of a figure."""
        return self.margins.get(name, self.margin)
