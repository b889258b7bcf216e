"""SemiEvol: few labels, spread to many problems without, in weights and in context (arXiv:2410.14745)."""

import math
from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from selftrain.models import Model
from selftrain.pseudo_labels import PseudoLabel
from selftrain.recipes import recipe
from selftrain.recipes._collaboration import CollaborationOptions, configurations, pseudo_responses
from selftrain.recipes._demonstrations import DemonstrationOptions, demonstrations
from selftrain.recipes._targets import TargetOptions, learned, spoken, target
from selftrain.records import Groups
from selftrain.round import Round
from selftrain.signals import keep_confident
from selftrain.training_set import TrainingSet


class SemiEvolOptions(TargetOptions, DemonstrationOptions, CollaborationOptions):
    """Options of SemiEvol; every stage can be switched off."""

    in_weight: bool = True
    """Fine-tune the base on the labelled problems first; without it the base takes this warm model's place."""
    percentile: float = Field(50, gt=0, le=100)
    """Of the mean negative log-likelihoods of the pseudo-responses: those up to it are kept. 100 keeps all that have
    one."""


@recipe("semievol", paper="arXiv:2410.14745")
def semievol(round: Round, options: SemiEvolOptions) -> TrainingSet:
    """The base, trained on the labelled problems and on those pseudo-responses that the warm model is surest of."""
    round.start = round.base
    known = learned(round, options)
    taught = {label.question.id for label in round.taught}
    problems = [problem for problem in round.problems if problem.id not in taught]
    near = demonstrations(round, known, problems, options)
    models = {"base": round.base}
    if options.in_weight:
        models["warm"] = round.train(round.training_set(known), name=f"round-{round.number:02d}-warm")
    every = configurations(list(models), options.shots if options.in_context else 0, options)
    labels = pseudo_responses(round, models, every, problems, near, options)
    round.pseudo_labels = selected(round, models.get("warm", round.base), labels, options)
    kept = [target(label, options) for label in round.pseudo_labels if label.kept]
    return round.training_set(Groups([*known, *kept]))


def selected(
    round: Round, warm: Model, labels: Sequence[PseudoLabel], options: SemiEvolOptions
) -> tuple[PseudoLabel, ...]:
    """The pseudo-labels, of which those with a mean negative log-likelihood up to a percentile are kept.

    It is taken over those that state an answer, can be trained and have a finite one; the others are dropped, counted.
    """
    stated = [label for label in labels if label.answer is not None]
    targets = round.trainable(Groups([target(label, options) for label in stated]))
    fit = {group.problem.id for group in targets}
    ranked = [label for label in stated if label.question.id in fit]
    losses = round.losses(warm, Groups([spoken(label) for label in ranked])).tolist()
    nll = {label.question.id: loss for label, loss in zip(ranked, losses, strict=True)}
    labels = [replace(label, nll=nll.get(label.question.id, math.nan)) for label in labels]
    _, kept = keep_confident([label.nll for label in labels], options.percentile)
    finite = sum(map(math.isfinite, losses))
    round.drop("no answer in the pseudo-response", len(labels) - len(stated))
    round.drop("no finite confidence", len(ranked) - finite)
    round.drop("less confident", finite - int(kept.sum()))
    return tuple(replace(label, kept=bool(one)) for label, one in zip(labels, kept, strict=True))
