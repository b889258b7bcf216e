import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from selftrain.segments import split_pieces

RICE = (
    "Tom has 3.5 kg of rice. He buys 2 more bags, each bag weighs 1.5 kg.\n"
    "So he has 3.5 + 3 = 6.5 kg. The answer is 6.5."
)
CODE = ["```", "````", "~~~", "`", "``"]
SPACES = ["\n", "\r\n", "\u2028", "\x1c", " ", "\t", "\u3000"]
MARKS = [",", ".", "...", "!", "?", "=", '"', ")", "*", "_", "。", "、", "؟", "،", "\uff0c", "\uff01", "\u201d"]
WHOLE = ["1,200", "3.5", ".5", "1.200,50", "10:30", "p.m.", "Mr.", "e.g.,", "U.S.", "5!", "May 5, 2024", "x = 1"]
LETTERS = ["Tom", "a", "kg.", "'s.", "说", "苹果", "१।", "हि", "ส", "\ud800", "😀"]
BITS = st.sampled_from([*CODE, *SPACES, *MARKS, *WHOLE, *LETTERS])
TEXTS = st.one_of(
    st.text(max_size=80), st.lists(BITS, max_size=40).map("".join), st.lists(BITS, max_size=40).map(" ".join)
)
HOSTILE = [
    ",",
    ".",
    "`",
    "!",
    "a,",
    ", ",
    "a. ",
    "``a`",
    "~~~\n",
    "```a\n",
    "\n",
    "1,",
    '\uff0c"',
    "\u4f60\uff0c",
    "5, 2024, ",
    " .",
    "*",
]


def solid(texts):
    return "".join("".join(texts).split())


def lines(text):
    return text.splitlines() or [text]


# Official: the released behaviour.


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (
            RICE,
            [
                "Tom has 3.5 kg of rice,",
                "He buys 2 more bags,",
                "each bag weighs 1.5 kg,",
                "So he has 3.5 + 3 = 6.5 kg,",
                "The answer is 6.5,",
            ],
        ),
        ("She pays $1,200 in total. So the answer is 1,200.", ["So the answer is 1,"]),
        ("Wait... there are .5 litres left here now. OK.", ["5 litres left here now,"]),
        ("There is more to it... and so it goes on.", ["There is more to it... and so it goes on,"]),
        ("", []),
        ("Answer: 6.", []),
    ],
)
def test_official_cuts_as_released(text, pieces):
    assert split_pieces(text, mode="official") == pieces


# Clean: what the released code gets wrong.


def test_a_short_last_answer_does_not_vanish():
    assert split_pieces("He buys 2 more bags. Answer: 6.") == ["He buys 2 more bags. Answer: 6."]
    assert split_pieces("Answer: 6.") == ["Answer: 6."]


def test_a_thousands_separator_does_not_cut_a_number():
    assert split_pieces("She pays $1,200 in total. So the answer is 1,200.") == [
        "She pays $1,200 in total.",
        "So the answer is 1,200.",
    ]


def test_a_decimal_without_a_leading_digit_stays_whole():
    assert split_pieces("Wait... there are .5 litres left here now. OK.") == [
        "Wait... there are .5 litres left here now. OK."
    ]


def test_short_pieces_are_not_dropped():
    assert split_pieces("x = 5.\ny = 6.\nz = 11.\nw = 4.") == ["x = 5. y = 6.", "z = 11. w = 4."]


def test_marks_are_kept_as_they_are():
    """The released code ends every piece in a comma, the last one too."""
    assert split_pieces(RICE) == [
        "Tom has 3.5 kg of rice.",
        "He buys 2 more bags,",
        "each bag weighs 1.5 kg.",
        "So he has 3.5 + 3 = 6.5 kg.",
        "The answer is 6.5.",
    ]


def test_questions_and_exclamations_end_pieces():
    assert split_pieces("How many bags are there? There are four of them! So four is right.") == [
        "How many bags are there?",
        "There are four of them!",
        "So four is right.",
    ]


def test_scripts_without_spaces_are_cut_and_not_dropped():
    """The released code takes a whole Chinese chain for one word, and drops it."""
    text = "小明有五个苹果\uff0c他又买了三个。一共八个。"
    assert split_pieces(text) == [text[:8], text[8:15], text[15:]]
    assert split_pieces(text, "official") == []


def test_code_is_one_piece_as_it_stands():
    code = "```py\nif x:\n\n    y = 1, 2\n```"
    assert split_pieces(f"Here is how it goes:\n{code}\nThat is all of it.") == [
        "Here is how it goes:",
        code,
        "That is all of it.",
    ]


# Clean: rules of its own.


@pytest.mark.parametrize(
    "text",
    [
        "He pays 1.200,50 or 1,200.50 for them today",
        "There are now 1\uff0c200 apples in each box",
        "There are now \uff13\uff0e\uff15 kg in each box",
        "She came on May 5, 2024 at 10:30 a.m. with Mr. Smith",
        "She lives in the U.S. with J. R. Smith now",
        "Take some fruit (e.g., two pears) from the box",
        "Well... there are \u2026 or .. some of them left",
        "It is 5! = 120 and so on from there",
        "Call `f(a, b). Then` or ``g(`c`, d)`` to see it",
        "1. Count all the red apples",
        "Think of f(x,y) at example.com here",
    ],
)
def test_what_stays_whole(text):
    assert split_pieces(text) == [text]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (
            "It costs five dollars, 1,200, which is too much for her.",
            ["It costs five dollars,", "1,200, which is too much for her."],
        ),
        ("\u201cThere is no way!\u201d He said it again.", ["\u201cThere is no way!\u201d", "He said it again."]),
        ("**The answer is 6.** That is all there is.", ["**The answer is 6.**", "That is all there is."]),
        ("Those are all Tom's. He has six of them.", ["Those are all Tom's.", "He has six of them."]),
        ("Is that all of it?! It is all of it.", ["Is that all of it?!", "It is all of it."]),
        ("A `b, c is left open, it ends here now.", ["A `b, c is left open,", "it ends here now."]),
        ("a b c d\r\n\n  e f g h\u2028i j k l", ["a b c d", "e f g h", "i j k l"]),
        (
            "他有6个,又买了3个.一共9个。",
            ["他有6个,", "又买了3个.", "一共9个。"],
        ),
        (
            "राम के पास सेब। उत्तर है यह ८।",
            [
                "राम के पास सेब।",
                "उत्तर है यह ८।",
            ],
        ),
        (
            "هل لديه تفاح هنا؟ نعم لديه تفاح هنا.",
            [
                "هل لديه تفاح هنا؟",
                "نعم لديه تفاح هنا.",
            ],
        ),
    ],
)
def test_where_clean_cuts(text, pieces):
    assert split_pieces(text) == pieces


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        # it begins what follows
        ("There are two bags here. So, the answer is 5.", ["There are two bags here.", "So, the answer is 5."]),
        ("Step 1:\nAdd all the red apples.", ["Step 1: Add all the red apples."]),
        # it ends its own sentence
        (
            "There are two bags here, so 5. Then he goes home now.",
            ["There are two bags here, so 5.", "Then he goes home now."],
        ),
        # it is the last
        ("There are two bags here. So 5\n", ["There are two bags here. So 5"]),
        # there is nothing but code beside it
        ("Code:\n~~~\nx\n~~~\nDone.", ["Code:", "~~~\nx\n~~~", "Done."]),
    ],
)
def test_what_a_short_piece_joins(text, pieces):
    assert split_pieces(text) == pieces


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("All of this is open:\n```\na, b. c\n\n  d\n", ["All of this is open:", "```\na, b. c\n\n  d"]),
        ("````\n```\nx\n```\n````\nand then it goes on", ["````\n```\nx\n```\n````", "and then it goes on"]),
        ("~~~ a`b\nx\n```\n~~~", ["~~~ a`b\nx\n```\n~~~"]),
        (
            "``` no `fence` at all here\nbut prose on two lines",
            ["``` no `fence` at all here", "but prose on two lines"],
        ),
        ("  - ```\n    x, y\n", ["- ``` x, y"]),
    ],
)
def test_fences(text, pieces):
    assert split_pieces(text) == pieces


@given(TEXTS)
@example("```\n")
@example("a\x1fb. \x85c")
def test_pieces_hold_the_text_and_nothing_else(text):
    pieces = split_pieces(text)
    assert solid(pieces) == solid([text])
    assert all(piece == piece.strip() != "" for piece in pieces)
    assert all(len(lines(piece)) == 1 or piece.startswith(("```", "~~~")) for piece in pieces)


@given(TEXTS)
def test_official_pieces_are_long_and_end_in_a_comma(text):
    for piece in split_pieces(text, mode="official"):
        assert len(piece.split()) > 3
        assert piece.endswith(",")
        assert "\n" not in piece
        assert piece.count(",") == 1


@given(TEXTS.filter(lambda text: "```" not in text and "~~~" not in text))
def test_only_a_chain_of_few_words_is_a_short_piece(text):
    pieces = split_pieces(text)
    assert len(pieces) <= 1 or all(len(piece.split()) > 3 or not piece.isascii() for piece in pieces)


@pytest.mark.parametrize("text", ["", " ", "\n\t\r\n\u3000"])
@pytest.mark.parametrize("mode", ["clean", "official"])
def test_blank_text_has_no_piece(text, mode):
    assert split_pieces(text, mode) == []


@pytest.mark.parametrize("mode", ["", "Clean", "paper"])
def test_an_unknown_mode_is_refused(mode):
    with pytest.raises(ValueError, match="mode must be one of clean, official"):
        split_pieces("text", mode)


@pytest.mark.parametrize("mode", ["clean", "official"])
@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_texts_take_linear_time(unit, mode):
    """A quadratic cut would take minutes; 100,000 characters take 0.4 s at most."""
    text = unit * (100_000 // len(unit)) + "x"
    before = time.process_time()
    pieces = split_pieces(text, mode)
    assert time.process_time() - before < 2
    assert mode == "official" or solid(pieces) == solid([text])
