from hypothesis import given
from hypothesis import strategies as st

from selftrain.words import spaced, words


def test_words_are_lowercased_runs_of_letters_and_digits():
    assert words("Tom's 3.5 kg, a_b: ÉTÉ") == ["tom", "s", "3", "5", "kg", "a", "b", "été"]


def test_marks_belong_to_their_letters():
    assert words("हिन्दी e\u0301t") == ["हिन्दी", "e\u0301t"]


def test_scripts_without_spaces_are_read_by_character():
    assert words("答案是6。かな") == ["答", "案", "是", "6", "か", "な"]
    assert words("한국어 문장") == ["한국어", "문장"]


@given(st.text())
def test_spacing_changes_nothing_but_spaces(text):
    assert spaced(text).replace(" ", "") == text.replace(" ", "")
