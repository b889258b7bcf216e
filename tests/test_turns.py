"""Responses drawn segment by segment: what each turn asks, what ends a response, what is kept of it."""

from dataclasses import replace

import pytest
from tiny import tiny_tokenizer

from selftrain.engines.base import Request, Sampling
from selftrain.prompts import PromptConfig, Renderer
from selftrain.records import Problem
from selftrain.sampling import Asked
from selftrain.turns import drawn_in_turns

TOKENIZER = tiny_tokenizer()
PLAIN = {"style": "plain", "template": "Q: {question}"}
QUESTIONS = [Problem.make("what is 1 and 2?"), Problem.make("the answer is what?")]


def renderer(encoder=False, **alternate):
    config = PromptConfig(**PLAIN, alternate=alternate)
    return Renderer(TOKENIZER, config, (), encoder=encoder)


def asked(rendered, questions=QUESTIONS):
    return [
        Asked(Request(f"r{i}", rendered.prompt(question), i), question.id, i) for i, question in enumerate(questions)
    ]


class Writers:
    """What writers say, a segment a turn: a line, the last words with an end marker, or words cut short."""

    def __init__(self, rendered, *turns):
        self._rendered, self._turns = rendered, turns
        self.turns, self.settings = [], set()

    def __call__(self, kind, wanted, sampling):
        self.turns.append((kind, [TOKENIZER.decode(list(one.request.prompt)) for one in wanted]))
        self.settings.add(sampling)
        said = self._turns[min(len(self.turns), len(self._turns)) - 1]
        return {one.request.id: self._row(said, sampling) for one in wanted}

    def _row(self, said, sampling):
        ended, text = said.endswith("#"), said.rstrip("#\n")
        line = said.endswith("\n")
        tokens = TOKENIZER.encode(said.rstrip("#"), add_special_tokens=False)
        tokens += self._rendered.end_marker if ended else ()
        finish = "stop" if ended or line else "length"
        tokens = tokens[: sampling.max_tokens]
        return {"text": text, "tokens": tokens, "logprobs": [-0.5] * len(tokens), "finish": finish}


def drawn(writers, rendered, *, max_tokens=1000, context=None, questions=QUESTIONS):
    known = {question.id: question for question in questions}
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=max_tokens, end_ids=rendered.end_ids)
    return list(drawn_in_turns(asked(rendered, questions), known, rendered, sampling, writers, context=context))


def test_each_turn_asks_after_the_segments_before_it():
    """Whatever the question says: "the answer is" in it ends nothing."""
    rendered = renderer()
    writers = Writers(rendered, "so 1 and 2.\n", "they are 3.\n", "The answer is 3.\n")
    rows = drawn(writers, rendered)
    first = [f"Q: {question.text}" for question in QUESTIONS]
    assert writers.turns == [
        ("E", first),
        ("A", [f"{one} so 1 and 2.\n" for one in first]),
        ("E", [f"{one} so 1 and 2.\nthey are 3.\n" for one in first]),
    ]
    assert [row["text"] for row in rows] == ["so 1 and 2.\nthey are 3.\nThe answer is 3."] * 2
    assert [(row["id"], row["index"], row["finish"]) for row in rows] == [("r0", 0, "stop"), ("r1", 1, "stop")]
    assert TOKENIZER.decode(rows[0]["tokens"]) == "so 1 and 2.\nthey are 3.\nThe answer is 3.\n"
    assert len(rows[0]["tokens"]) == len(rows[0]["logprobs"])
    assert rows[0]["prompt_tokens"] == len(rendered.prompt(QUESTIONS[0]))


def test_segments_end_with_their_line_and_are_as_long_as_the_prompt_says():
    rendered = renderer(segment_tokens=7)
    writers = Writers(rendered, "a b.\n")
    drawn(writers, rendered, max_tokens=50)
    (settings,) = writers.settings
    assert (settings.stop, settings.max_tokens) == (("\n",), 7)
    assert (settings.temperature, settings.top_p, settings.end_ids) == (0.7, 0.9, rendered.end_ids)


def test_an_end_marker_ends_the_response():
    rendered = renderer()
    writers = Writers(rendered, "so 1.\n", "and 2.#")
    rows = drawn(writers, rendered)
    assert [(row["text"], row["finish"]) for row in rows] == [("so 1.\nand 2.", "stop")] * 2
    assert len(writers.turns) == 2


def test_the_decoder_of_an_encoder_ends_each_segment_by_its_end_marker():
    rendered = renderer(encoder=True, loops=2)
    writers = Writers(rendered, "so 1.#")
    rows = drawn(writers, rendered)
    assert [kind for kind, _ in writers.turns] == ["E", "A", "E", "A"]
    assert writers.turns[1][1][0] == f"Q: {QUESTIONS[0].text} so 1."
    assert rows[0]["text"] == "so 1.\nso 1.\nso 1.\nso 1."
    assert {settings.stop for settings in writers.settings} == {()}


def test_and_the_response_by_a_blank_one():
    """But for the first: a chain may begin with the other kind."""
    rendered = renderer(encoder=True)
    writers = Writers(rendered, "#", "so 1.#", "#")
    rows = drawn(writers, rendered)
    assert [kind for kind, _ in writers.turns] == ["E", "A", "E"]
    assert [(row["text"], row["finish"]) for row in rows] == [("so 1.", "stop")] * 2


def test_after_the_last_loop_it_is_cut():
    rendered = renderer(loops=3)
    writers = Writers(rendered, "on.\n")
    rows = drawn(writers, rendered)
    assert len(writers.turns) == 6
    assert {row["finish"] for row in rows} == {"length"}


def test_no_response_is_longer_than_it_may_be():
    rendered = renderer()
    line = len(TOKENIZER.encode("abcdefgh.\n"))
    writers = Writers(rendered, "abcdefgh.\n")
    rows = drawn(writers, rendered, max_tokens=2 * line + 3)
    assert [(len(row["tokens"]), row["finish"]) for row in rows] == [(2 * line + 3, "length")] * 2
    assert rows[0]["text"].startswith("abcdefgh.\nabcdefgh.\nabc")
    assert rows[0]["text"] == TOKENIZER.decode(rows[0]["tokens"])


def test_it_ends_where_the_context_does():
    rendered = renderer()
    room = len(rendered.prompt(QUESTIONS[0], ["on."])) + 1
    writers = Writers(rendered, "on.\n")
    (row,) = drawn(writers, rendered, context=room, questions=QUESTIONS[:1])
    assert (row["text"], row["finish"]) == ("on.\non.", "length")


def test_a_segment_after_a_blank_one_is_drawn_anew():
    """The prompt is the same, the turn is not: another identity, and another seed."""
    rendered, seen = renderer(loops=1), []

    def draw(kind, wanted, sampling):
        seen.extend(one.request for one in wanted)
        return {one.request.id: {"text": "", "tokens": [1], "logprobs": [-1.0], "finish": "stop"} for one in wanted}

    (row,) = drawn(draw, rendered, questions=QUESTIONS[:1])
    assert (row["text"], row["finish"]) == ("", "length")
    assert seen[0].prompt == seen[1].prompt
    assert len({request.id for request in seen}) == len({request.seed for request in seen}) == 2


def test_what_is_asked_depends_on_the_response_alone():
    rendered = renderer()

    def identities(questions):
        seen = []

        def draw(kind, wanted, sampling):
            seen.extend((one.problem, one.request.id, one.request.seed) for one in wanted)
            return {
                one.request.id: {"text": "on", "tokens": [1], "logprobs": [-1.0], "finish": "stop"} for one in wanted
            }

        drawn(draw, rendered, questions=questions)
        return {one for one in seen if one[0] == QUESTIONS[0].id}

    assert identities(QUESTIONS) == identities(QUESTIONS[:1])


def test_a_prompt_without_segments_is_for_one_pass():
    rendered = Renderer(TOKENIZER, PromptConfig(**PLAIN), ())
    with pytest.raises(ValueError, match="no `alternate`"):
        drawn(Writers(rendered, "a\n"), rendered)


def test_rows_are_those_of_a_response_drawn_in_one_pass():
    rendered = renderer()
    (row, _) = drawn(Writers(rendered, "The answer is 3.\n"), rendered)
    (one,) = asked(rendered, QUESTIONS[:1])
    from selftrain.engines.base import Completion

    completion = Completion(one.request.id, row["text"], tuple(row["tokens"]), tuple(row["logprobs"]), "stop")
    assert one.row(completion) == row
    assert replace(one, index=5).row(completion)["index"] == 5
