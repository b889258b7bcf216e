"""What recipes without gold answers share: responses whose answer most responses to their problem agree on."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from selftrain.recipes import RecipeOptions
from selftrain.records import Groups
from selftrain.round import Round

if TYPE_CHECKING:
    from selftrain.labels import Label


class VoteOptions(RecipeOptions):
    """Which responses count as right."""

    samples: int = Field(15, ge=1, le=10_000)
    """Responses drawn for each training problem."""
    answers: Literal["majority", "gold"] = "majority"
    """Keep the responses with the majority answer, which no gold answer is read for, or those judged right."""

    @property
    def reads(self) -> "frozenset[Label]":
        """See `RecipeOptions.reads`."""
        return frozenset({"gold"} if self.answers == "gold" else ())


def answered(round: Round, options: VoteOptions) -> Groups:
    """Responses of the parent to every training problem with their answers; judged if gold answers are read."""
    samples = round.sample(round.parent, round.problems, n=options.samples)
    if options.answers == "gold":
        return round.judge(samples)
    groups = round.read(samples)
    agreeing, drawn = (sum(len(group.responses) for group in of) for of in (groups.majority(), groups))
    round.tell(f"{agreeing:,} of {drawn:,} responses state their problem's majority answer")
    return groups


def voted(round: Round, groups: Groups, options: VoteOptions) -> Groups:
    """The groups cut down to the responses that count as right and can be trained; the rest is dropped and counted."""
    if options.answers == "gold":
        return round.trainable(round.keep(groups.right(), of=groups, reason="no right response"))
    return round.trainable(round.keep(groups.majority(), of=groups, reason="no response states an answer"))
