"""Forgetting: how much likelihood a text that should not be forgotten has lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selftrain.audit.detail import Counts, Floats
from selftrain.audit.figures import Difference
from selftrain.audit.settings import AuditSettings
from selftrain.audit.statistics import estimate
from selftrain.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class TextLoss:
    """What one model makes of a text that was cut into pieces; arrays have shape [pieces]."""

    name: str
    nll: Floats
    """Negative log-likelihood of each piece's tokens, summed, in nats."""
    tokens: Counts
    """Tokens of each piece that the likelihood is of."""
    pieces: str
    """Digest of the token ids of all pieces: only losses over the same tokens are compared."""
    labels: Mapping[str, Any]
    """What was measured with: model and so on (JSON values)."""

    def __post_init__(self) -> None:
        if not len(self.nll) or self.nll.shape != self.tokens.shape or (self.tokens < 1).any():
            raise ValueError("every piece of a text needs its NLL and at least one token")
        if not (self.nll >= 0).all() or not (self.nll < float("inf")).all():
            raise ValueError("NLL must be finite and 0 or more")


def text_difference(before: TextLoss, after: TextLoss, settings: AuditSettings) -> Difference:
    """Mean NLL a token of a text under two models (nats, better lower), paired and resampled by piece.

    A ratio of sums, so that a short piece counts for less. The interval is of text that goes on like this one.
    A loss has no largest value: for a piece nobody saw, it is bounded by the largest mean NLL a token of the pieces
    seen. So of two models that are equal on P pieces, the hardest costing M nats a token, what after may have lost
    is below `M (1 - (alpha/2)^(1/P))`. Raises DataError unless both were measured over the same tokens.
    """
    if before.pieces != after.pieces or (before.tokens != after.tokens).any():
        raise DataError(
            f"the text {before.name} was measured over other tokens before than after: "
            "give one text and two models with the same tokenizer"
        )
    tokens, total = before.tokens, int(before.tokens.sum())
    hardest = float(max((one.nll / tokens).max() for one in (before, after)))
    found = estimate(
        (before.nll - after.nll) / tokens,
        tokens,
        bounds=(-hardest, hardest),
        draws=settings.draws,
        seed=settings.seed,
    )
    return Difference(
        name=f"NLL on {before.name}",
        before=float(before.nll.sum() / total),
        after=float(after.nll.sum() / total),
        estimate=found,
        role="guard",
        better="lower",
    )
