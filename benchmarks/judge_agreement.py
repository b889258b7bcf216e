"""How well the number judge agrees with published judgements, as given and reworded.

    python benchmarks/judge_agreement.py model_solutions.jsonl

Each line of the file is a problem: `ground_truth` ending in `A: 18`, and for every model an object with
`solution` and the authors' `is_correct`. Exits with 1 when a flag is not matched, when fewer than 99 % of the
right solutions stay right under a rewording, or when a wrong one becomes right.
"""

import json
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from selftrain.judges import load_judge
from selftrain.judges.base import Judge
from selftrain.records import Problem

STILL_RIGHT = 0.99
FULL_WIDTH = str.maketrans("0123456789.,", "０１２３４５６７８９．，")  # noqa: RUF001


class Solution(NamedTuple):
    """One published solution."""

    question: str
    gold: str
    model: str
    text: str
    right: bool


class Case(NamedTuple):
    """One solution taken apart: the reasoning, the stated value as written, the gold."""

    body: str
    value: str
    gold: str

    @property
    def exact(self) -> Fraction:
        """The stated value."""
        return Fraction(self.value.replace(",", ""))


Rewording = Callable[[Case], tuple[str, str]]
"""From a case to (response, gold)."""


def _as(form: str) -> Rewording:
    return lambda case: (case.body + form.replace("@", case.value), case.gold)


def _formed(form: str, write: Callable[[Case], str]) -> Rewording:
    return lambda case: (case.body + form.replace("@", write(case)), case.gold)


def _grouped(separator: str) -> Callable[[Case], str]:
    def write(case: Case) -> str:
        whole, dot, rest = case.value.replace(",", "").partition(".")
        return f"{int(whole):,}".replace(",", separator) + dot + rest

    return write


def _zeros(case: Case) -> str:
    return case.value + ("00" if "." in case.value else ".00")


def _twice(form: str) -> Callable[[Case], str]:
    def write(case: Case) -> str:
        value = case.exact * 2
        sign = "-" if value < 0 else ""
        return sign + form.format(abs(value.numerator), 2 * value.denominator)

    return write


REWORDINGS: dict[str, Rewording] = {
    "boxed": _as("\nThe answer is $\\boxed{@}$."),
    "boxed with units": _as("\n\\[\\boxed{@ \\text{ apples}}\\]"),
    "units": _as("\nA: @ apples a day"),
    "currency": _as("\nA: $@"),
    "LaTeX currency": _as("\nA: \\$@"),
    "thousands commas": _formed("\nA: @", _grouped(",")),
    "LaTeX thousands": _formed("\nThe answer is $@$.", _grouped("{,}")),
    "thin spaces": _formed("\nA: @", _grouped("\u202f")),
    "spaces as thousands": _formed("\nA: @ dollars", _grouped(" ")),
    "trailing sentence": _as("\nA: @\n\nI checked this 2 times; ask again within 24 hours!"),
    "sentence behind": _as("\nThe answer is @ dollars, since 100% of it counts."),
    "fraction": _formed("\nA: @", _twice("{}/{}")),
    "LaTeX fraction": _formed("\nSo it is $\\boxed{@}$", _twice("\\frac{{{}}}{{{}}}")),
    "percent": _as("\nA: @%"),
    "unicode minus": lambda case: (
        f"{case.body}\nA: {str(-case.exact).replace('-', chr(0x2212))}",
        f"{-Fraction(case.gold.rsplit('A:')[-1].replace(',', ''))}",
    ),
    "bold": _as("\nThe total is **@**."),
    "bold marker": _as("\n**Answer:** @"),
    "heading": _as("\n### Final Answer\n\n@"),
    "full-width digits": lambda case: (
        f"{case.body}\nA: {case.value.translate(FULL_WIDTH)}",
        case.gold,
    ),
    "the answer is": _as("\nThe answer is @"),
    "the final answer to": _as("\nThe final answer to the question is: @."),
    "trailing zeros": _formed("\nA: @", _zeros),
    "####": _as("\n#### @"),
    "answer tag": _as("\n<answer>@</answer>"),
    "final dot": _as("\nA: @."),
    "think block": lambda case: (
        f"<think>\nA: 5\n\\boxed{{7}}</think>{case.body}\nA: {case.value}",
        case.gold,
    ),
    "plus sign": lambda case: (
        f"{case.body}\nA: {case.value if case.exact < 0 else '+' + case.value}",
        case.gold,
    ),
    "markdown list": _as("\n- Days: 365\n- Total: @"),
    "equation": _as("\nThe answer is 3 * 7 - 2 = @."),
    "scientific": _formed("\nA: @", lambda case: f"{case.value.replace(',', '')}e0"),
    "last number": _as("\nSo that makes @ dollars."),
}


def solutions(path: Path) -> Iterator[Solution]:
    """The solutions of a file, in order."""
    with path.open(encoding="utf-8") as file:
        for row in map(json.loads, file):
            for model, found in row.items():
                if isinstance(found, dict):
                    yield Solution(row["question"], row["ground_truth"], model, found["solution"], found["is_correct"])


def take_apart(solution: Solution) -> Case | None:
    """The solution as a case for rewording; None when it ends without `A: number`."""
    body, marker, value = solution.text.rpartition("\nA: ")
    plain = value.replace(",", "").removeprefix("-")
    return Case(body, value, solution.gold) if marker and plain.replace(".", "", 1).isdigit() else None


def judged_right(judge: Judge, gold: str, response: str) -> bool:
    """Whether the judge calls a response right."""
    return judge.judge(Problem.make("q", gold=gold), response).judgement == "right"


def main(path: Path) -> int:
    """Print the agreement table and every difference; the exit code."""
    judge, console = load_judge("number"), Console(width=110)
    everything = list(solutions(path))
    differences = [s for s in everything if judged_right(judge, s.gold, s.text) != s.right]
    agreeing = len(everything) - len(differences)
    console.print(f"as given: {agreeing} of {len(everything)} flags matched ({agreeing / len(everything):.2%})")
    for solution in differences:
        console.print(f"  {solution.model} flagged {solution.right}, gold {solution.gold[-30:]!r}:", markup=False)
        console.print(f"    ... {solution.text[-200:]!r}", markup=False)
    cases = [(case, s.right) for s in everything if (case := take_apart(s))]
    table = Table("rewording", "right", "still right", "wrong", "became right")
    passed = not differences
    for name, reword in REWORDINGS.items():
        kept: list[tuple[bool, str, str]] = []
        became: list[tuple[bool, str, str]] = []
        for case, right in cases:
            response, gold = reword(case)
            (kept if right else became).append((judged_right(judge, gold, response), response, gold))
        still, turned = sum(k[0] for k in kept), sum(b[0] for b in became)
        table.add_row(name, str(len(kept)), f"{still / len(kept):.2%}", str(len(became)), str(turned))
        passed &= still / len(kept) >= STILL_RIGHT and turned == 0
        for mark, response, gold in [k for k in kept if not k[0]][:3] + [b for b in became if b[0]][:3]:
            console.print(f"  {name}: {mark}, gold {gold[-20:]!r}: ... {response[-90:]!r}", markup=False)
    console.print(table)
    console.print("passed" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} model_solutions.jsonl")
    sys.exit(main(Path(sys.argv[1])))
