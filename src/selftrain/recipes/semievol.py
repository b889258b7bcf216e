"""SemiEvol: few labels, spread to many problems without, in weights and in context (arXiv:2410.14745)."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from selftrain.embeddings import DEFAULT_EMBEDDER, embedder_digest
from selftrain.errors import ConfigError
from selftrain.models import Model
from selftrain.pseudo_labels import PseudoLabel
from selftrain.recipes import recipe
from selftrain.recipes._propagation import (
    DECIDED,
    Configuration,
    agree,
    decided,
    demonstrations,
    drawn,
    elected,
    predicted,
)
from selftrain.recipes._targets import TargetOptions, learned, target
from selftrain.records import Group, Groups, Question
from selftrain.round import Round
from selftrain.signals import keep_confident
from selftrain.training_set import TrainingSet

if TYPE_CHECKING:
    from selftrain.labels import Labels

Written = list[tuple[Group, str]]
"""A pseudo-response to each problem, by itself in a group, and which configuration wrote it."""


class SemiEvolOptions(TargetOptions):
    """Options of SemiEvol; every stage can be switched off."""

    in_weight: bool = True
    """Fine-tune the base on the labelled problems first; without it the base takes this warm model's place."""
    in_context: bool = True
    """Show predictions the nearest labelled problems as demonstrations; without it they see the bare question."""
    shots: int = Field(3, ge=1, le=64)
    """Demonstrations at most: configurations show 0, 1, ... so many, nearest first."""
    embedder: str = DEFAULT_EMBEDDER
    """Model of sentence embeddings that tells which questions are near: `minilm`, a folder, or a hub name."""
    collaborate: bool = True
    """Let several configurations predict; without it one does, the warm model with all shots."""
    predictions: int = Field(4, ge=1, le=64)
    """Responses to each problem, of configurations drawn from {base, warm} x shots, none again before all of them."""
    justify: Literal["on_disagreement", "always", "never"] = "on_disagreement"
    """When the warm model looks at the predictions and decides; where it does not, the majority answer is taken."""
    template: str = "Answers given to the question below, right or wrong:\n{responses}\n\n{question}"
    """How it is shown them; `{question}` and `{responses}` stand for the two. With the question last, what follows
    answers it, as in training."""
    percentile: float = Field(50, gt=0, le=100)
    """Of the mean negative log-likelihoods of the pseudo-responses: those up to it are kept. 100 keeps all."""

    @field_validator("template")
    @classmethod
    def _both(cls, template: str) -> str:
        for name in ("{question}", "{responses}"):
            if name not in template:
                raise ValueError(f"the template has no {name}: put it where the {name[1:-1]} should stand")
        return template

    @property
    def configurations(self) -> list[Configuration]:
        """Those that may predict."""
        models = ("base", "warm") if self.in_weight else ("base",)
        shots = range(self.shots + 1 if self.in_context else 1)
        every = [Configuration(model, number) for model in models for number in shots]
        return every if self.collaborate else every[-1:]

    def digests(self) -> dict[str, str]:
        """See `RecipeOptions.digests`."""
        return {"embedder": embedder_digest(self.embedder)} if self.in_context else {}

    def check(self, labels: "Labels") -> None:
        """See `RecipeOptions.check`."""
        if self.in_context and len(labels.labelled) < self.shots:
            raise ConfigError(
                f"{self.shots} shots are wanted, there are {len(labels.labelled)} labelled rows: give more or set "
                "recipe.options.shots lower"
            )


@recipe("semievol", paper="arXiv:2410.14745")
def semievol(round: Round, options: SemiEvolOptions) -> TrainingSet:
    """The base, trained on the labelled problems and on those pseudo-responses that the warm model is surest of."""
    round.start = round.base
    known = learned(round, options)
    taught = {label.question.id for label in round.taught}
    problems = [problem for problem in round.problems if problem.id not in taught]
    warm = round.base
    if options.in_weight:
        warm = round.train(round.training_set(known), name=f"round-{round.number:02d}-warm")
    written = pseudo_responses(round, warm, known, problems, options)
    round.pseudo_labels = selected(round, warm, written, options)
    kept = [target(label, options) for label in round.pseudo_labels if label.kept]
    return round.training_set(Groups([*known, *kept]))


def pseudo_responses(
    round: Round, warm: Model, known: Groups, problems: list[Question], options: SemiEvolOptions
) -> Written:
    """One response to each problem: what the predictions agree on, or what the warm model decides."""
    near = demonstrations(round, known, problems, options.shots, options.embedder) if options.in_context else {}
    count = options.predictions if options.collaborate else 1
    turns = [drawn(options.configurations, count, round.rng) for _ in problems]
    groups = predicted(round, {"base": round.base, "warm": warm}, problems, turns, near)
    written = elected(groups, turns)
    asked = [place for place, group in enumerate(groups) if confers(group, options)]
    own = decided(round, warm, Groups([groups[place] for place in asked]), options.template)
    for place, group in zip(asked, own, strict=True):
        written[place] = (group, DECIDED)
    if options.collaborate:
        agreed = f"predictions agree on {sum(map(agree, groups)):,} of {len(groups):,} problems"
        round.tell(f"{agreed}; the warm model decided {len(asked):,}")
    return written


def confers(group: Group, options: SemiEvolOptions) -> bool:
    """Whether the warm model is to decide between the predictions for a problem."""
    return options.collaborate and (options.justify == "always" or (options.justify != "never" and not agree(group)))


def selected(round: Round, warm: Model, written: Written, options: SemiEvolOptions) -> tuple[PseudoLabel, ...]:
    """The pseudo-labels, of which those with a mean negative log-likelihood up to a percentile are kept.

    It is taken over those that state an answer, can be trained and have a finite one; the others are dropped, counted.
    """
    groups = Groups([group for group, _ in written])
    labels = [pseudo_label(group, source) for group, source in written]
    stated = round.keep(groups.where(states), of=groups, reason="no answer in the pseudo-response")
    targets = round.trainable(Groups([target(label, options) for label in labels if label.answer is not None]))
    fit = {group.problem.id for group in targets}
    ranked = stated.where(lambda group: group.problem.id in fit)
    nll = dict(zip((group.problem.id for group in ranked), round.losses(warm, ranked).tolist(), strict=True))
    labels = [replace(label, nll=nll.get(label.question.id, math.nan)) for label in labels]
    threshold, kept = keep_confident([label.nll for label in labels], options.percentile)
    finite = ranked.where(lambda group: math.isfinite(nll[group.problem.id]))
    round.keep(finite, of=ranked, reason="no finite confidence")
    round.keep(groups.where_mask(kept), of=finite, reason="less confident")
    ties = sum(label.nll == threshold for label in labels)
    round.tell(
        f"kept {kept.sum():,} of {len(finite):,} pseudo-labels that can be ranked: those with at most {threshold:.4g} "
        f"nats a token, percentile {options.percentile:g}, where {ties:,} tie"
        if finite
        else "no pseudo-label can be ranked"
    )
    return tuple(replace(label, kept=bool(one)) for label, one in zip(labels, kept, strict=True))


def pseudo_label(group: Group, source: str) -> PseudoLabel:
    """The one response of a group as a pseudo-label that is not ranked yet."""
    return PseudoLabel(
        question=group.problem,
        response=group.responses[0],
        answer=group.judgements[0].answer,
        nll=math.nan,
        source=source,
        kept=False,
    )


def states(group: Group) -> bool:
    """Whether the one response of a group states an answer."""
    return group.judgements[0].answer is not None
