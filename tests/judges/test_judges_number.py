"""The number judge reads every common way of writing a number, exactly, and no other."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain.judges.number import NumberJudge, find_number, read_number
from selftrain.records import Problem

FOUND = {
    r"\boxed{18}": "18",
    r"The answer is $\boxed{\frac{3}{4}}$.": "3/4",
    r"\boxed{\dfrac{36}{2} \text{ eggs}}": "18",
    r"\boxed{x = 18}": "18",
    r"\boxed{\boxed{18}}": "18",
    r"\boxed{18}, that is 20 less 2": "18",
    r"first \boxed{18}, then a cut off \boxed{2": "18",
    "A: 18 dollars": "18",
    "A: 18\n\nThis took 2 steps.": "18",
    "**A:** 18": "18",
    "#### 1,200": "1200",
    "#### $1,200.50": "2401/2",
    "#### 2. Then add\nThe answer is 18": "18",
    "#### Step 2: add\nSo there are 18": "18",
    "<answer>18</answer> or 20": "18",
    "<ANSWER> 18 eggs </ANSWER>": "18",
    "**Answer:** 18": "18",
    "**Final Answer**\n\n18 dollars": "18",
    "The answer is 18. I checked 2 times": "18",
    "The answer is 3 * 6 = 18.": "18",
    "The answer is 3 dollars * 6 eggs = $18 a day": "18",
    "The answer is 18, because 3 * 6 = 18 and 2 + 2 = 4.": "18",
    "The answer is clear:\nit is 18": "18",
    "The answer is not 20.\nIt must be 18": "18",
    "**42**": "42",
    "`42`": "42",
    "_42_": "42",
    "It is 42.": "42",
    "2 1/2": "5/2",
    "2½ cups": "5/2",
    "½": "1/2",
    "18\u20442": "9",
    "\uff11\uff18": "18",
    "\uff11\uff0c\uff12\uff10\uff10": "1200",
    "\u221218": "-18",
    "about \u2014 18": "18",
    "3.0": "3",
    ".5": "1/2",
    r"\$1{,}200": "1200",
    r"1\,200": "1200",
    r"1,\!200": "1200",
    "1 200 000": "1200000",
    "1\u202f200": "1200",
    "1,00,000": "100000",
    "1.2e3": "1200",
    r"1.5 \times 10^{3}": "1500",
    "1.5 x 2 = 3 million": "3000000",
    r"18\%": "18",
    "75 %": "75",
    r"\frac12": "1/2",
    r"-\frac{3}{4}": "-3/4",
    r"2\frac{1}{2}": "5/2",
    "The area is 18 m\u00b2": "18",
    "The area is 18 m^2": "18",
    "- 18 eggs": "18",
    "-$5": "-5",
    "$-5": "-5",
    "+18": "18",
    "USD18": "18",
    "Rs.500": "500",
    r"$$\n18\n$$": "18",
    r"\(18\)": "18",
    r"90^\circ": "90",
    "18kg": "18",
    "Day 1: 18": "18",
    "of the 100, *18*": "18",
    "The answer is 18!": "18",
}

NOT_FOUND = [
    "",
    "none",
    r"\boxed{\text{none}}, though 18 was near",
    r"\boxed{3, 4}",
    r"\boxed{2\sqrt{3}}",
    r"\boxed{3\pi}",
    r"\boxed{\frac{x}{2}}",
    r"\boxed{4x}",
    r"\boxed{3 \times 6}",
    "A: 3 or 4",
    "A: 10-15",
    "A: 3:2",
    "at 10:30",
    "0xff",
    "so 3 * 6",
    "9**9**9",
    "1/0",
    "1e999999999",
    "1e-999999999",
    "9" * 101,
    "9" * 20_000,
]


@pytest.mark.parametrize(("text", "wanted"), FOUND.items())
def test_the_final_number_is_found(text: str, wanted: str) -> None:
    found = find_number(text)
    assert found is not None
    assert found.canonical == wanted


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_is_no_single_number_is_not_found(text: str) -> None:
    assert find_number(text) is None


@given(
    st.fractions(),
    st.sampled_from(["{}", "A: {}", r"\boxed{{{}}}", "The answer is {}.", "#### {}", "so it is {}!?"]),
)
def test_any_fraction_is_read_back_exactly(value: Fraction, form: str) -> None:
    found = find_number(form.format(value))
    if len(str(value)) <= 40:
        assert found is not None
        assert found.value == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_decimals_with_thousands_commas_are_exact(value: object) -> None:
    found = find_number(f"The answer is {value:,} dollars")
    assert found is not None
    assert found.value == Fraction(str(value))


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    found = find_number(text)
    assert found is None or len(found.canonical) <= 210


def test_plain_form_is_what_a_strict_reader_accepts() -> None:
    found = find_number("A: $1,200.50")
    assert found is not None
    assert found.plain == "1200.50"


def test_read_number_wants_nothing_else_in_the_text() -> None:
    assert read_number("$1,200") == (Fraction(1200), "1200")
    assert read_number("18 eggs") is None


def mark(response: str, gold: str | None) -> str:
    return NumberJudge().judge(Problem.make("q", gold=gold), response).judgement


@pytest.mark.parametrize("gold", ["18", "18.0", "She makes <<9*2=18>>18.\n#### 18", "9 * 2 = 18\nA: 18", "$18", "36/2"])
def test_gold_may_be_a_number_or_a_solution(gold: str) -> None:
    assert mark("so 18", gold) == "right"
    assert mark("so 19", gold) == "wrong"


def test_equal_values_share_one_canonical_answer() -> None:
    problem = Problem.make("q", gold="0.5")
    answers = {NumberJudge().judge(problem, text).answer for text in ["0.5", "1/2", "A: 2/4", r"\frac12", "½", ".50"]}
    assert answers == {"1/2"}


def test_near_is_not_equal() -> None:
    assert mark("0.3333333333333333333333333333333333", "1/3") == "wrong"
    assert mark("10000000000000000000001", "10000000000000000000000") == "wrong"


def test_thinking_is_not_the_answer() -> None:
    assert mark("<think>A: 18</think>A: 20", "18") == "wrong"
    assert mark("<think>5</think>hm</think>so 18", "18") == "right"
    found = NumberJudge().judge(Problem.make("q", gold="18"), "<think>A: 18")
    assert (found.judgement, found.answer, found.reason) == ("wrong", None, "no answer")


@pytest.mark.parametrize(("gold", "reason"), [(None, "no gold answer"), ("blue", "gold is not a number")])
def test_without_a_usable_gold_nothing_is_wrong(gold: str | None, reason: str) -> None:
    found = NumberJudge().judge(Problem.make("q", gold=gold), "A: 18")
    assert (found.judgement, found.answer, found.reason) == ("unjudged", "18", reason)


def test_only_the_tail_of_a_long_response_counts() -> None:
    assert mark("A: 20\n" + "so " * 10_000 + "it is 18", "18") == "right"
