"""What a label teaches: how an answer, a rationale or a pseudo-response becomes the text of a row."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import field_validator

from selftrain.digest import normal_text
from selftrain.errors import ConfigError
from selftrain.judges.number import find_number
from selftrain.prompts import filled, holding
from selftrain.pseudo_labels import PseudoLabel
from selftrain.recipes import RecipeOptions
from selftrain.records import Group, Groups, Judgement, Problem, given
from selftrain.round import Round
from selftrain.sampling import Samples

if TYPE_CHECKING:
    from selftrain.labels import Label


class TargetOptions(RecipeOptions):
    """What rows teach."""

    target: Literal["answer", "response"] = "answer"
    """The answer alone, or the whole response: of a labelled problem its rationale, where it has one."""
    written: str = "Answer: {answer}"
    """How an answer alone is written; `{answer}` stands for it. The judge must be able to read it."""

    @property
    def reads(self) -> "frozenset[Label]":
        """See `RecipeOptions.reads`."""
        return frozenset({"labelled"})

    @field_validator("written")
    @classmethod
    def _has_answer(cls, written: str) -> str:
        return holding(written, "answer")


def learned(round: Round, options: TargetOptions) -> Groups:
    """The labelled problems, then what promoted rounds took for labels, as responses that can be trained.

    The training problems take the place of the labelled ones in a recipe that reads their labels.
    Raises ConfigError if no labelled problem fits into a row, or if the judge reads no answer in any.
    """
    problems = round.labels.labelled or round.labels.given
    labelled = round.trainable(Groups([given(problem, _label(problem, options)) for problem in problems]))
    if not labelled:
        raise ConfigError(
            f"no labelled problem fits into {round.training.max_length} tokens: shorten them or raise "
            "training.max_length"
        )
    found = round.read(Samples.gathered([group.problem for group in labelled], [group.responses for group in labelled]))
    if not found.majority():
        example = labelled[0].responses[0].text[-60:]
        raise ConfigError(
            f"the judge reads no answer in {example!r}, nor in what other labelled problems teach: "
            "change recipe.options.written, or the rationales, so that it does"
        )
    return Groups([*labelled, *round.trainable(Groups([target(label, options) for label in round.taught]))])


def target(label: PseudoLabel, options: TargetOptions) -> Group:
    """A pseudo-label as what is trained: its response, or the answer alone as the response writes it."""
    if options.target == "response" or label.answer is None:
        return spoken(label)
    text = filled(options.written, answer=as_written(label.answer, label.response.text))
    said = replace(label.response, text=text, tokens=(), logprobs=(), finish="stop")
    return spoken(replace(label, response=said))


def spoken(label: PseudoLabel) -> Group:
    """A pseudo-label's response as a group."""
    judgement = Judgement(judgement="unjudged", answer=label.answer, reason="a pseudo-label")
    return Group(problem=label.question, responses=(label.response,), judgements=(judgement,), clusters=(0,))


def as_written(answer: str, text: str) -> str:
    """A canonical answer as it last stands in a text, in its own case, a number as it is spelled (14.1, not 141/10).

    The answer itself if it does not stand there, or has a case of its own: an option's letter A is not the word "a".
    """
    if answer != answer.casefold():
        return answer
    words = r"\s+".join(re.escape(word) for word in normal_text(answer).split())
    found = re.findall(rf"(?<!\w){words}(?!\w)", text[-_LOOKED_AT:], re.IGNORECASE) if words else []
    if found:
        return normal_text(found[-1])
    number = find_number(text[-_LOOKED_AT:])
    return number.plain if number and number.canonical == answer else answer


_LOOKED_AT = 20_000
"""Characters at the end of a response in which its answer is looked for."""


def _label(problem: Problem, options: TargetOptions) -> str:
    if options.target == "response" and problem.rationale:
        return problem.rationale
    return filled(options.written, answer=problem.gold or "")
