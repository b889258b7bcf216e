import math
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain.errors import MissingExtraError
from selftrain.overlap import LONGEST, MOST_WORDS, bleu, rouge_l

TEXTS = st.text(max_size=60)


@pytest.fixture
def forgotten():
    """The libraries are looked for again, before and after."""
    from selftrain import overlap

    for load in (overlap._rouge, overlap._bleu):
        load.cache_clear()
    yield
    for load in (overlap._rouge, overlap._bleu):
        load.cache_clear()


def test_rouge_l_is_the_f1_of_the_longest_common_subsequence():
    # common: the cat on mat; precision 4/5, recall 4/6
    assert rouge_l("the cat is on mat", "the cat sat on the mat") == pytest.approx(
        2 * (4 / 5) * (4 / 6) / (4 / 5 + 4 / 6)
    )


def test_rouge_l_equals_rouge_score_s_own_on_english():
    from rouge_score.rouge_scorer import RougeScorer

    said, wanted = "The cats' lesions_2 shrank by 3.5 cm; no new one.", "Lesions 2 and 3 shrank, by 3.5cm: no NEW one!"
    own = RougeScorer(["rougeL"]).score(target=wanted, prediction=said)["rougeL"].fmeasure
    assert 0 < own < 1
    assert rouge_l(said, wanted) == own


@pytest.mark.parametrize(
    ("said", "wanted", "score"),
    [
        ("答案是六", "答案是七", 3 / 4),
        ("नमस्ते दुनिया", "नमस्ते जग", 1 / 2),
        ("Привет, Мир!", "привет мир", 1),
        ("สวัสดี", "สวัสดี", 1),
        ("한국어 문장", "한국어 낱말", 1 / 2),
    ],
)
def test_rouge_l_reads_other_scripts(said, wanted, score):
    assert rouge_l(said, wanted) == pytest.approx(score)


def test_without_a_word_there_is_no_overlap():
    assert rouge_l("", "") == rouge_l("a", "") == rouge_l("...", "...") == 0
    assert bleu("", "") == bleu("a", "") == bleu("", "a") == 0


def test_bleu_is_sacrebleu_s_sentence_bleu():
    import sacrebleu

    said, wanted = "The cat sat on a mat, 3.5 cm thick.", "The cat sat on the mat. It is 3.5 cm thick."
    assert bleu(said, wanted) == pytest.approx(sacrebleu.sentence_bleu(said, [wanted]).score)
    assert 20 < bleu(said, wanted) < 60


def test_bleu_takes_the_candidate_for_the_hypothesis():
    """All of a short text is in the longer one: nothing but its shortness counts. The published code swaps them."""
    short, long = "Tom has two bags", "Tom has two bags of rice and each of them weighs one kilogram"
    assert bleu(short, long) == pytest.approx(100 * math.exp(1 - 13 / 4))
    assert bleu(long, short) != pytest.approx(bleu(short, long))
    assert bleu(short, short) == 100


def test_bleu_sets_characters_of_scripts_without_spaces_apart():
    assert 50 < bleu("他有六个苹果和梨。", "他有六个苹果和桃。") < 100


def test_bleu_leaves_no_text_in_memory():
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

    bleu("a text", "another text")
    assert Tokenizer13a.__call__.cache_info().currsize == TokenizerRegexp.__call__.cache_info().currsize == 0


@given(TEXTS, TEXTS)
def test_scores_stay_in_their_range(one, other):
    assert 0 <= rouge_l(one, other) <= 1
    assert rouge_l(one, other) == pytest.approx(rouge_l(other, one))
    assert 0 <= bleu(one, other) <= 100


def test_only_the_beginning_is_looked_at():
    same = "a " * MOST_WORDS
    assert rouge_l(same + "b " * 10, same) == 1
    assert bleu("a" * LONGEST + " b", "a" * LONGEST) == 100


@pytest.mark.parametrize("unit", ["a ", ".", "<", "&quot;", "1,", "-\n", "a\u0301\u0316", "你", "\ud800"])
def test_hostile_texts_take_no_time(unit):
    rouge_l("a", "a"), bleu("a", "a")
    before = time.process_time()
    rouge_l(unit * 200_000, unit * 200_000), bleu(unit * 200_000, unit * 200_000)
    assert time.process_time() - before < 2


@pytest.mark.parametrize(
    ("score", "module", "library"), [(rouge_l, "rouge_score", "rouge-score"), (bleu, "sacrebleu", "sacrebleu")]
)
def test_a_missing_library_is_named_with_its_extra(score, module, library, monkeypatch, forgotten):
    for name in [name for name in sys.modules if name.split(".")[0] == module] or [module]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"{library} is not installed.*selftrain\[summaries\]"):
        score("a", "a")
