"""Graded scores: what may stand beside a judgement, and what is refused in one line."""

import math

import numpy as np
import pytest

from selftrain.scores import LONGEST_NAME, MOST, read_scores


def test_scores_become_plain_numbers() -> None:
    found = read_scores({"rouge_l": np.float32(0.5), "bleu": 100, "quality": -3, "x" * LONGEST_NAME: 0.1, "none": None})
    assert found == {"rouge_l": 0.5, "bleu": 100.0, "quality": -3.0, "x" * LONGEST_NAME: 0.1}
    assert all(type(value) is float for value in found.values())
    assert read_scores({}) == {}


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ([("rouge_l", 1)], "scores of type list: wanted an object of names and numbers"),
        ("0.5", "scores of type str"),
        (dict.fromkeys(map(str, range(MOST + 1)), 0.1), "9 scores: wanted at most 8"),
        ({"": 1}, "a score named ''"),
        ({" x": 1}, "a score named ' x'"),
        ({"x" * (LONGEST_NAME + 1): 1}, "wanted a name of up to 40 visible characters"),
        ({"a\nb": 1}, r"a score named 'a\nb'"),
        ({"\u202eevil": 1}, r"a score named '\u202eevil'"),
        ({"\ud800": 1}, r"a score named '\ud800'"),
        ({5: 1}, "a score named 5"),
        ({"x": math.nan}, "a score x that is nan: wanted a finite number"),
        ({"x": -math.inf}, "a score x that is -inf"),
        ({"x": True}, "a score x that is True"),
        ({"x": "0.5"}, "a score x that is '0.5'"),
        ({"x": 10**5000}, "a score x that is a huge number"),
        ({"x": [1] * 1000}, "a score x that is [1, 1"),
        ({"rouge_l": 45}, "a score rouge_l of 45: wanted a number from 0 to 1"),
        ({"bleu": -0.1}, "a score bleu of -0.1: wanted a number from 0 to 100"),
    ],
)
def test_what_is_no_score_is_told_in_one_line(given: object, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_scores(given)
    assert complaint in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 150
