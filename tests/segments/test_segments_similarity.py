import pytest

from selftrain.segments import similarity_scores

QUESTION = "Tom has two bags of rice and buys three more bags. How many bags does he have?"
PIECES = ["Tom has two bags of rice", "2 + 3 = 5", "so he has five bags."]


@pytest.mark.parametrize("measure", ["rouge", "bleu"])
def test_what_is_copied_scores_below_what_is_inferred(measure):
    copied, inferred, mixed = similarity_scores(QUESTION, PIECES, measure)
    assert 0 <= copied < mixed < inferred == 1


def test_rouge_is_one_minus_the_f1():
    # 6 of 6 words in the question's 17
    assert similarity_scores(QUESTION, PIECES[:1]) == [pytest.approx(1 - 2 * 6 / (6 + 17))]


def test_bleu_has_the_piece_for_the_hypothesis():
    """Swapped, as published: the short piece would pay no brevity penalty, but for precision."""
    import sacrebleu

    right = sacrebleu.sentence_bleu(PIECES[2], [QUESTION]).score
    swapped = sacrebleu.sentence_bleu(QUESTION, [PIECES[2]]).score
    assert right != pytest.approx(swapped)
    assert similarity_scores(QUESTION, PIECES[2:], "bleu") == [pytest.approx(1 - right / 100)]


@pytest.mark.parametrize("measure", ["rouge", "bleu"])
def test_the_ends_of_the_range(measure):
    assert similarity_scores(QUESTION, [QUESTION, "", "..!"], measure)[:2] == [0, 1]
    assert similarity_scores("", ["a"], measure) == [1]
    assert similarity_scores(QUESTION, [], measure) == []


def test_other_scripts_are_compared():
    same, other = similarity_scores("小明有五个苹果", ["小明有五个苹果", "答案是八"])
    assert same == 0 < other


def test_an_unknown_measure_is_refused():
    with pytest.raises(ValueError, match="measure must be one of rouge, bleu"):
        similarity_scores(QUESTION, PIECES, "meteor")
