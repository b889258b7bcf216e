"""Statements come best first, each last of its kind; thinking is cut off."""

from selftrain.judges.stated import RESPONSE_CAP, final_text, last_line, statements


def test_statements_come_in_order_of_firmness() -> None:
    text = "The answer is a\n<answer>b</answer>\nA: c\n#### 4\n\\boxed{e}\n\\boxed{f}"
    assert [s.line.strip() for s in statements(text)] == ["f", "4", "c", "b", "a"]
    assert [s.firm for s in statements(text)] == [True, True, True, True, False]


def test_phrases_are_tried_from_the_last() -> None:
    text = "The answer is 1.\nAnswer: 2\nFinal answer\n\n3\nMy answer is not 4"
    assert [s.line.strip() for s in statements(text)] == ["3", "2", "1."]


def test_boxes_nest_and_may_hold_escaped_braces() -> None:
    assert next(statements(r"\boxed{\frac{1}{2} \} {x}}")).text == r"\frac{1}{2} \} {x}"


def test_empty_markers_state_nothing() -> None:
    assert list(statements("\\boxed{ } <answer></answer>\nA:\n")) == []


def test_thinking_is_cut_off() -> None:
    assert final_text("<think>a</think>b</think>c") == "c"
    assert final_text("a</think>b<think>c") is None
    assert final_text("plain") == "plain"
    assert final_text("x" * 50_000 + "end") == "x" * (RESPONSE_CAP - 3) + "end"


def test_last_line_skips_blank_ones() -> None:
    assert last_line("a\nb\n \n") == "b"
    assert last_line(" \n") == ""
