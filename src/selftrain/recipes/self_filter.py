"""The self filter: the model rates its own responses, and learns the better ones (baseline of arXiv:2408.09849)."""

import re

from pydantic import Field, field_validator

from selftrain.judges.stated import after_thinking
from selftrain.prompts import PromptConfig, filled, holding
from selftrain.recipes import recipe
from selftrain.recipes._votes import VoteOptions, answered, voted
from selftrain.records import Groups, Problem
from selftrain.round import Round
from selftrain.sampling import SamplingConfig
from selftrain.signals import keep_lowest
from selftrain.training_set import TrainingSet

RATING = re.compile(r"(?<![0-9.,\u2212-])(10|[0-9])(?![0-9]|[.,][0-9])")
SCALE = re.compile(r"\b0 {0,2}(?:-|\u2013|to) {0,2}10\b|(?:/|\bof) {0,2}10\b")
"""What names the scale, and is no rating: 0-10, /10, out of 10."""


class SelfFilterOptions(VoteOptions):
    """Options of the self filter."""

    keep: float = Field(0.8, gt=0, le=1)
    """Share of the responses that is kept, those rated highest; ties go to the earlier response."""
    template: str = (
        "Question: {question}\n\nAnswer: {response}\n\nHow good is this answer? Reply with a whole number from 0 "
        "(wrong) to 10 (right and well explained), and nothing else."
    )
    """How the model is asked for a rating; `{question}` and `{response}` stand for the two."""
    prompt: PromptConfig = PromptConfig()
    """The prompt of a rating."""
    sampling: SamplingConfig = SamplingConfig(temperature=0, max_tokens=16)
    """How a rating is drawn."""

    @property
    def prompts(self) -> tuple[PromptConfig, ...]:
        """See `RecipeOptions.prompts`."""
        return (self.prompt,)

    @field_validator("template")
    @classmethod
    def _both(cls, template: str) -> str:
        return holding(template, "question", "response")


@recipe("self_filter", paper="arXiv:2408.09849")
def self_filter(round: Round, options: SelfFilterOptions) -> TrainingSet:
    """The share of the responses with a majority answer that the model itself rates highest, from 0 to 10."""
    samples = voted(round, answered(round, options), options).apart()
    ratings = rated(round, samples, options)
    read = [rating is not None for rating in ratings]
    samples = round.keep(samples.where_mask(read), of=samples, reason="no rating from 0 to 10")
    best = keep_lowest([-rating for rating in ratings if rating is not None], options.keep)
    return round.training_set(round.keep(samples.where_mask(best), of=samples, reason="rated lower"))


def rated(round: Round, samples: Groups, options: SelfFilterOptions) -> list[int | None]:
    """The parent's rating of every single response; None where it states none. Equal responses are rated once."""
    texts = [
        filled(options.template, question=group.problem.whole, response=round.trained(group.responses[0]))
        for group in samples
    ]
    questions = [Problem.make(text).without_gold() for text in texts]
    once = list({question.id: question for question in questions}.values())
    answers = round.ask(round.parent, once, prompt=options.prompt, sampling=options.sampling)
    ratings = {question.id: rating_in(answer.text) for question, answer in zip(once, answers, strict=True)}
    return [ratings[question.id] for question in questions]


def rating_in(text: str) -> int | None:
    """The first whole number from 0 to 10 after the thinking, but for those of the scale; None if there is none."""
    found = RATING.search(SCALE.sub(" ", after_thinking(text) or ""))
    return int(found[1]) if found else None
