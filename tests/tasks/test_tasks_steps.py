"""Worked solutions: every statement true, led to the gold answer, judged right, and the same every time."""

import re
from fractions import Fraction

import pytest

from selftrain.judges.reasoning_gym import ReasoningGymJudge
from selftrain.records import Problem
from selftrain.tasks.steps import STEPS, check_steps, worked_solution
from selftrain.tasks.streams import Stream

pytest.importorskip("reasoning_gym")

OWN = sorted(set(STEPS) - {"gsm_symbolic"})
UNUSUAL = [
    ("chain_sum", {"allow_negation": True, "max_digits": 1}),
    ("count_bits", {"max_n": 150}),
    ("decimal_chain_sum", {"allow_negation": True, "min_decimal_places": 0, "max_decimal_places": 8}),
    ("gcd", {"min_numbers": 3, "max_numbers": 4, "max_value": 40}),
    ("lcm", {"min_numbers": 3, "max_numbers": 4, "max_value": 12}),
    ("products", {"allow_negation": True, "min_terms": 3, "max_terms": 4, "max_digits": 3}),
    ("simple_equations", {"max_value": 5}),
]


@pytest.fixture(scope="module")
def judge():
    return ReasoningGymJudge()


def entries(family, settings=None, seed=0):
    return Stream(family, settings or {}, seed, set()).take(100)


def judged(judge, family, entry, text):
    reference = {"dataset": family, "entry": entry}
    return judge.judge(Problem.make(entry["question"], gold=entry["answer"], reference=reference), text).judgement


def sentences(text):
    return re.split(r"(?<=\.)\s", text)


def value(side):
    """The value of `a + b * c`, its numbers and operators parted by spaces."""
    first, *rest = side.split()
    terms = [Fraction(first)]
    for operator, number in zip(rest[::2], map(Fraction, rest[1::2]), strict=True):
        if operator == "*":
            terms[-1] *= number
        elif operator == "/":
            terms[-1] /= number
        else:
            terms.append({"+": number, "-": -number}[operator])
    return sum(terms)


def statements(text):
    """Both sides of every sentence that equates two expressions of numbers."""
    equated = [sentence.removesuffix(".") for sentence in sentences(text) if "=" in sentence]
    return [sentence.split(" = ") for sentence in equated if "equation" not in sentence]


def concluded(family, steps):
    """The answer that the steps before the last line come to."""
    if family == "prime_factorization":
        return " \N{MULTIPLICATION SIGN} ".join(re.findall(r"(\d+)(?:\. \d+ /| is prime)", steps))
    found = r"= (\d+)\." if family == "letter_counting" else r"(-?\d+(?:\.\d+)?)"
    return re.findall(found, steps)[-1]


@pytest.mark.parametrize(("family", "settings"), [*((family, {}) for family in OWN), *UNUSUAL])
def test_every_step_is_true_and_leads_to_the_gold_answer(judge, family, settings):
    shown = 0
    for entry in entries(family, settings):
        text = worked_solution(family, entry)
        *steps, last = text.split("\n")
        assert last == f"The answer is {entry['answer']}."
        assert concluded(family, "\n".join(steps)) == entry["answer"]
        assert judged(judge, family, entry, text) == "right"
        for left, right in statements(text):
            assert value(left) == value(right), text
            shown += 1
        assert len(sentences(text)) >= 3
        assert min(len(sentence.split()) for sentence in sentences(text)) >= 4, text
    assert shown >= 100


def test_the_solutions_of_gsm_symbolic_end_in_the_answer_alone(judge):
    lengths = []
    for entry in entries("gsm_symbolic"):
        text = worked_solution("gsm_symbolic", entry)
        lines = text.split("\n")
        assert lines[-1] == f"The answer is {entry['answer']}."
        assert "#" not in text
        assert all(line.strip() == line != "" for line in lines)
        assert judged(judge, "gsm_symbolic", entry, text) == "right"
        lengths.append(len(lines))
    assert min(lengths) >= 3


@pytest.mark.parametrize("family", sorted(STEPS))
def test_the_same_seed_gives_the_same_text(family):
    one, again, other = ([worked_solution(family, entry) for entry in entries(family, seed=s)] for s in (1, 1, 2))
    assert one == again != other


def test_legs_are_counted_animal_by_animal():
    entry = {"answer": "188", "metadata": {"animals": {"woodlouse": 13, "snake": 1, "ant": 1}}}
    assert worked_solution("leg_counting", entry).split("\n") == [
        "You have 13 woodlouses, each with 14 legs. 13 * 14 = 182.",
        "You have 1 snake with 0 legs. 1 * 0 = 0. 182 + 0 = 182.",
        "You have 1 ant with 6 legs. 1 * 6 = 6. 182 + 6 = 188.",
        "The answer is 188.",
    ]


def test_sums_run():
    entry = {"answer": "17", "metadata": {"expression": "12 + 3 - -2"}}
    assert worked_solution("chain_sum", entry).split("\n") == [
        "The problem starts with 12.",
        "Then it adds 3. 12 + 3 = 15.",
        "Then it subtracts -2. 15 - -2 = 17.",
        "The answer is 17.",
    ]


@pytest.mark.parametrize(
    ("equation", "line"),
    [
        ("x = 7", "So the value of x is 7."),
        ("-x = -7", "Divide both sides by -1. -7 / -1 = 7."),
        ("5 - x = -2", "That leaves the equation -x = -7."),
        ("2*x - 4 = 10", "Add 4 to both sides. 10 + 4 = 14."),
        ("x + 4 = 11", "Subtract 4 from both sides. 11 - 4 = 7."),
    ],
)
def test_equations_of_every_form_are_solved(equation, line):
    text = worked_solution("simple_equations", {"answer": "7", "metadata": {"equation": equation, "variable": "x"}})
    assert line in text
    assert text.endswith("So the value of x is 7.\nThe answer is 7.")


def test_families_with_steps_are_offered():
    from selftrain.families import refusal

    assert [family for family in STEPS if refusal(family)] == []
    for family in STEPS:
        check_steps(family)
