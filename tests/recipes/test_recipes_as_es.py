"""AS-ES: chains cut, scored, labelled, and learned by one model or two."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_round import SaidVerbs, make_round, tokenizer
from tiny import tiny_model_folder
from tiny_t5 import tiny_t5_folder

from selftrain.errors import ConfigError, MissingExtraError
from selftrain.labels import Labels
from selftrain.models import open_model
from selftrain.prompts import PromptConfig, Renderer
from selftrain.recipes import load_recipe
from selftrain.recipes._segments import verbatim
from selftrain.recipes.as_es import label_pieces, merge_pieces, segment_rows, split_pieces
from selftrain.records import Problem
from selftrain.segments import position_labels

AS_ES = load_recipe("as_es")
CHAIN = "There are 2 big cats here, and each cat has 4 legs.\n2 * 4 = 8 legs it is.\nThe answer is 8."
PIECES = ("There are 2 big cats here,", "and each cat has 4 legs.", "2 * 4 = 8 legs it is.", "The answer is 8.")
PROBLEMS = [Problem.make("legs of 2 cats?", gold="8", rationale=CHAIN)]
ALTERNATE = PromptConfig(alternate={})
SCORER, EXTRACTIVE = "round-01-scorer", "round-01-extractive"


class Models(SaidVerbs):
    """Models that are unsure of signs alone: the entropy of a token is 5 for each `=`, 1 for each `*`, .01 else."""

    def __init__(self, says=lambda *_: CHAIN, *, encoder=False, **settings):
        super().__init__(says, judge="number", **settings)
        self._encoder, self.read_by = encoder, []

    def renderer(self, model, prompt, shots=None):
        return Renderer(self._tokenizer_or_tiny(), prompt, (), encoder=self._encoder)

    def entropies(self, model, pairs):
        self.read_by += [(model, self._text(context), self._text(tokens)) for context, tokens in pairs]
        return [[self._entropy(token) for token in tokens] for _, tokens in pairs]

    def _entropy(self, token):
        said = self._text([token])
        return 5.0 * said.count("=") + said.count("*") + 0.01

    def _text(self, tokens):
        return self._tokenizer_or_tiny().decode(list(tokens))

    def judge(self, samples, problems):
        found = self.read(samples)
        known = {problem.id: problem.gold for problem in problems}
        return type(found)(
            [
                replace(
                    group,
                    judgements=tuple(
                        replace(j, judgement="right" if j.answer == known[group.problem.id] else "wrong")
                        for j in group.judgements
                    ),
                )
                for group in found
            ]
        )


class Named(str):
    """A model in a test is its name; it has no partner."""

    extractive = None


def made(problems=PROBLEMS, *, verbs=None, labels=None, prompt=ALTERNATE, settings=None, **options):
    """The training set that the recipe makes of some problems, by default of their rationales, and the round."""
    chosen = AS_ES.parse({"chains": "rationales", **options})
    given = Labels(given=tuple(problems)) if chosen.chains == "rationales" else None
    verbs = verbs or Models()
    round = make_round(problems, labels=labels or given, verbs=verbs, prompt=prompt, **(settings or {}))
    round.parent, round.base = Named("parent"), Named("base")
    return AS_ES(round, chosen), round


def texts(rows):
    return [row.completion_text for row in rows]


def contexts(rows):
    return [row.prompt_text.partition("assistant\n")[2] for row in rows]


def test_its_paper():
    assert (AS_ES.name, AS_ES.paper) == ("as_es", "arXiv:2403.01969")
    assert AS_ES.options().reads == {"gold"}
    assert AS_ES.options(chains="rationales").reads == {"rationales"}


def test_the_pure_functions_stand_beside_the_recipe():
    pieces = ["p1,", "p2,", "p3,", "p4,"]
    assert segment_rows("Q", pieces, "EEAE") == [
        ("E", "Q", "p1, p2,"),
        ("A", "Q p1, p2,", "p3,"),
        ("E", "Q p1, p2, p3,", "p4,"),
    ]
    assert label_pieces([2, 2, 10, 2, 4], 1.4) == "EEAEE"
    assert merge_pieces(["a", "b"], "EE") == [("E", ["a", "b"])]
    assert split_pieces(CHAIN) == list(PIECES)


def test_a_row_is_a_segment_after_the_question_and_the_segments_before_it():
    """The third piece alone holds the inference; the first two are one segment."""
    rows, round = made()
    assert texts(rows) == [f"{PIECES[0]} {PIECES[1]}\n", f"{PIECES[2]}\n", f"{PIECES[3]}<|im_end|>"]
    first, second = f"{PIECES[0]} {PIECES[1]}\n", f"{PIECES[2]}\n"
    assert contexts(rows) == ["", first, first + second]
    assert {row.weight for row in rows} == {1.0}
    assert {row.problem for row in rows} == {PROBLEMS[0].id}
    (chain,) = round.chains
    assert (chain.pieces, chain.labels, chain.segments, chain.trained) == (PIECES, "EEAE", (0, 0, 1, 2), True)
    assert chain.source == "rationale"


def test_a_rows_prefix_is_what_alternation_asks_id_for_id():
    rows, _ = made()
    renderer = Renderer(tokenizer(), ALTERNATE, ())
    written = [f"{PIECES[0]} {PIECES[1]}", PIECES[2]]
    for place, row in enumerate(rows):
        assert row.input_ids[: row.completion_start] == renderer.prompt(PROBLEMS[0], written[:place])


def test_all_rows_of_a_chain_together_teach_one_pass():
    """Every token of the chain in one row, and the end marker in the last alone."""
    rows, _ = made()
    taught = sum((row.input_ids[row.completion_start :] for row in rows), ())
    assert taught == Renderer(tokenizer(), ALTERNATE, ()).completion(
        "".join(texts(rows))[: -len("<|im_end|>")], finished=True
    )


def test_the_scorer_was_trained_on_whole_chains():
    _, round = made()
    ((name, start, rows),) = round.verbs.trained
    assert (name, start) == (SCORER, "parent")
    assert texts(rows) == [f"{CHAIN}<|im_end|>"]
    assert {model for model, *_ in round.verbs.read_by} == {SCORER}


def test_pieces_are_scored_after_all_before_them_in_one_pass():
    """In the chain's own white space, as the scorer learned it."""
    _, round = made()
    ((_, context, read),) = round.verbs.read_by
    assert read == CHAIN
    assert context == tokenizer().decode(Renderer(tokenizer(), ALTERNATE, ()).prompt(PROBLEMS[0]))
    assert round.funnel.tokens["scored"] > len(tokenizer().encode(CHAIN))


def test_or_as_published_after_the_question_alone():
    _, round = made(given="question")
    question = tokenizer().decode(Renderer(tokenizer(), ALTERNATE, ()).prompt(PROBLEMS[0]))
    assert round.verbs.read_by == [(SCORER, question, piece) for piece in PIECES]


def test_scores_are_sums_or_means_over_a_pieces_tokens():
    sums, means = (made(reduce=reduce)[1].chains[0].scores for reduce in ("sum", "mean"))
    tokens = [len(ids) for ids in Renderer(tokenizer(), ALTERNATE, ()).parts(verbatim(CHAIN, PIECES), finished=False)]
    assert [mean * count for mean, count in zip(means, tokens, strict=True)] == pytest.approx(list(sums))
    assert sums[2] == pytest.approx(6 + 0.01 * tokens[2])


def test_beta_moves_the_border():
    assert made(beta=0.01)[1].chains[0].labels == "AAAA"
    assert made(beta=100)[1].chains[0].labels == "EEEE"


def test_without_merging_every_piece_is_a_segment():
    rows, round = made(merge=False)
    assert [row.completion_text.rstrip("\n") for row in rows][:3] == list(PIECES[:3])
    assert round.chains[0].segments == (0, 1, 2, 3)


def test_untuned_the_parent_scores():
    _, round = made(tuned=False)
    assert round.verbs.trained == []
    assert {model for model, *_ in round.verbs.read_by} == {"parent"}


def test_the_loss_is_a_strategy():
    """The losses of the model on the piece, positive: nats a token."""
    _, round = made(strategy="loss")
    assert all(score > 0 for score in round.chains[0].scores)
    assert round.verbs.scorers == [SCORER]


@pytest.mark.parametrize("strategy", ["location", "similarity"])
def test_strategies_that_ask_no_model(strategy):
    _, round = made(strategy=strategy, beta=1.0)
    assert round.verbs.trained == []
    assert round.verbs.read_by == []
    chain = round.chains[0]
    if strategy == "location":
        assert chain.labels == position_labels(4) == "EAEA"
        assert all(map(math.isnan, chain.scores))
    else:
        assert all(0 <= score <= 1 for score in chain.scores)
        assert chain.scores[3] > chain.scores[0]


def test_similarity_by_bleu():
    scores = [made(strategy="similarity", overlap=one)[1].chains[0].scores for one in ("rouge", "bleu")]
    assert scores[0] != scores[1]


def test_two_paths_are_two_models():
    rows, round = made(path="dual")
    scorer, (name, start, extractive) = round.verbs.trained
    assert (scorer[0], name, start) == (SCORER, EXTRACTIVE, "parent")
    assert texts(extractive) == [f"{PIECES[0]} {PIECES[1]}\n", f"{PIECES[3]}<|im_end|>"]
    assert texts(rows) == [f"{PIECES[2]}\n"]
    assert round.extractive == EXTRACTIVE
    uni, _ = made()
    assert sorted(row.input_ids for row in [*rows, *extractive]) == sorted(row.input_ids for row in uni)


def test_the_next_round_trains_each_from_its_own():
    parent = Named("parent")
    parent.extractive = "its partner"
    chosen = AS_ES.parse({"chains": "rationales", "path": "dual"})
    round = make_round(PROBLEMS, labels=Labels(given=tuple(PROBLEMS)), verbs=Models(), prompt=ALTERNATE)
    round.parent, round.base = parent, Named("base")
    AS_ES(round, chosen)
    assert [(name, start) for name, start, _ in round.verbs.trained] == [
        (SCORER, "parent"),
        (EXTRACTIVE, "its partner"),
    ]
    round.start = round.extractive = None
    AS_ES(round, AS_ES.parse({"chains": "rationales", "path": "dual", "start": "base"}))
    assert [start for _, start, _ in round.verbs.trained[2:]] == ["base", "base"]
    assert round.start == "base"


def test_two_paths_write_in_turn(tmp_path):
    base = open_model(tiny_model_folder(tmp_path / "llama"))
    with pytest.raises(ConfigError, match=r"set prompt\.alternate") as caught:
        AS_ES.options(path="dual").check(Labels(), PromptConfig(), base)
    assert "\n" not in str(caught.value)
    AS_ES.options(path="dual").check(Labels(), ALTERNATE, base)
    AS_ES.options().check(Labels(), PromptConfig(), base)


def test_a_library_that_is_missing_is_missed_before_anything_is_drawn(monkeypatch):
    def lacking(*_):
        raise MissingExtraError("rouge-score", "summaries")

    monkeypatch.setattr("selftrain.recipes.as_es.similarity_scores", lacking)
    with pytest.raises(MissingExtraError):
        AS_ES.options(strategy="similarity").check(Labels(), ALTERNATE, None)
    AS_ES.options().check(Labels(), ALTERNATE, None)


def test_an_encoder_decoder_model_is_not_asked_in_one_pass(tmp_path):
    base = open_model(tiny_t5_folder(tmp_path / "t5"))
    with pytest.raises(ConfigError, match=r"ends after each segment.*set prompt\.alternate") as caught:
        AS_ES.options().check(Labels(), PromptConfig(style="plain"), base)
    assert "\n" not in str(caught.value)
    AS_ES.options().check(Labels(), PromptConfig(style="plain", alternate={}), base)


def test_an_encoders_decoder_learns_that_nothing_follows():
    """One row more a chain, of the model whose turn it would be; the encoder reads all segments."""
    encoders = {path: Models(encoder=True) for path in ("uni", "dual")}
    prompt = PromptConfig(style="plain", alternate={})
    rows, _ = made(verbs=encoders["uni"], prompt=prompt)
    end = "<|im_end|>"
    assert texts(rows) == [f"{PIECES[0]} {PIECES[1]}{end}", f"{PIECES[2]}{end}", f"{PIECES[3]}{end}", end]
    assert rows.rows[-1].prompt_text == " ".join([PROBLEMS[0].text, *PIECES])
    rows, _ = made(verbs=encoders["dual"], prompt=prompt, path="dual")
    assert texts(rows) == [f"{PIECES[2]}{end}", end]
    assert encoders["dual"].read_by[1][1] == f"{PROBLEMS[0].text} {PIECES[0]}"


@pytest.mark.parametrize("beta", [0.001, 1000])
def test_nothing_to_learn_for_one_of_the_two(beta):
    rows, round = made(path="dual", beta=beta)
    assert len(rows) == 0
    assert rows.dropped == {"no segment for one of the two models: set another beta": 1}
    assert round.extractive is None


def test_the_models_own_right_responses():
    problems = [Problem.make("legs of 2 cats?", gold="8"), Problem.make("legs of 3 cats?", gold="12")]
    rows, round = made(problems, chains="responses", samples=3)
    assert [count for _, count, *_ in round.verbs.asked] == [3]
    assert rows.dropped == {"no right response": 1}
    assert {row.problem for row in rows} == {problems[0].id}
    assert len(rows) == 3  # segments of one response: all three say the same
    assert [chain.source for chain in round.chains] == ["response"]
    assert rows.rows[0].response == round.chains[0].response


@pytest.mark.parametrize("text", ["8", "no end of any sentence here", "答案是八。", ""])
def test_a_chain_of_one_piece_is_one_row(text):
    """Extractive: its score is its chain's mean. A gold answer alone stands where there is no rationale."""
    rows, round = made([Problem.make("q?", gold="8", rationale=text)])
    assert texts(rows) == [f"{text or '8'}<|im_end|>"]
    assert [chain.labels for chain in round.chains] == ["E"]


def test_what_the_published_cutting_leaves_nothing_of_is_counted():
    rows, round = made([*PROBLEMS, Problem.make("q?", gold="8", rationale="Answer: 8.")], cut="official")
    assert rows.dropped == {"nothing left of the chain once it is cut": 1}
    assert round.chains[0].pieces[0] == "There are 2 big cats here,"
    assert len(round.chains) == 1


def test_a_chain_without_finite_scores_is_counted():
    verbs = Models()
    verbs._entropy = lambda token: math.nan
    rows, _ = made(verbs=verbs)
    assert rows.dropped == {"a piece without a finite score": 1}


def test_a_chain_too_long_to_be_scored_is_counted():
    verbs = Models()
    verbs.room = 20
    rows, _ = made(verbs=verbs)
    assert rows.dropped == {"a piece without a finite score": 1}


def test_a_chain_that_only_its_line_ends_make_too_long_goes_whole():
    """Not its last rows alone: what is left would teach never to end."""
    length = max(len(row.input_ids) for row in made(merge=False)[0])
    whole = len(Renderer(tokenizer(), ALTERNATE, ()).prompt(PROBLEMS[0])) + len(tokenizer().encode(CHAIN)) + 1
    assert whole < length
    rows, round = made(merge=False, settings={"max_length": length - 1})
    assert (len(rows), rows.dropped) == (0, {f"longer than {length - 1} tokens": 1})
    assert [chain.trained for chain in round.chains] == [False]


def test_thinking_is_cut_only_if_it_is_trained():
    thought = Problem.make("legs?", gold="8", rationale=f"<think>hm, so many legs</think>{CHAIN}")
    chosen = AS_ES.parse({"chains": "rationales"})
    round = make_round(
        [thought], labels=Labels(given=(thought,)), verbs=Models(), prompt=ALTERNATE, train_on_thinking=False
    )
    AS_ES(round, chosen)
    assert round.chains[0].pieces == PIECES


@given(st.text(max_size=300))
def test_pieces_stand_in_their_text(text):
    pieces = split_pieces(text)
    parts = verbatim(text, pieces)
    assert "".join(parts) == (text.strip() if pieces else "")
    assert ["".join(part.split()) for part in parts] == ["".join(piece.split()) for piece in pieces]


def test_pieces_that_are_not_the_texts_own_are_joined():
    assert verbatim("a b, c.", ["a b,", "c,"]) == ("a b,", " c,")
