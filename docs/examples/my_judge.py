"""A judge of your own: a function (problem, response) that marks one response.

Name it in the configuration by its path:

    task:
      name: files
      options:
        path: weather.jsonl
        ratios: {train: .6, select: .1, test: .3}
        judge: docs/examples/my_judge.py:temperature

Return True or False, or None when nobody can tell (it then counts for neither side), or a Judgement to say
which answer was read: equal answers are what a majority is counted over. The response is text from a model:
never run it.
"""

import re

from selftrain.records import Judgement, Problem

DEGREES = re.compile(r"(-?\d{1,4}(?:\.\d{1,4})?)\s*(?:degrees|°)", re.IGNORECASE)


def temperature(problem: Problem, response: str) -> bool | Judgement | None:
    """Right when the last temperature named is within half a degree of the gold answer."""
    if problem.gold is None:
        return None
    named = DEGREES.findall(response)
    if not named:
        return False
    right = abs(float(named[-1]) - float(problem.gold.removesuffix("°"))) <= 0.5
    return Judgement(
        judgement="right" if right else "wrong",
        answer=named[-1],
        reason="within half a degree" if right else "more than half a degree off",
    )
