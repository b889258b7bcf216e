"""One request being decoded: draws, stop strings, ends."""

import pytest

from selftrain.engines import Request, Sampling
from selftrain.engines.decoding import Draft

WORDS = {1: "The", 2: " ans", 3: "wer", 4: " is 3.\nNext", 5: "", 6: "\n", 7: "Q:"}
END = 9


class Words:
    """A tokenizer of seven words; the end token is special."""

    def decode(self, token_ids, *, skip_special_tokens):
        assert skip_special_tokens
        return "".join(WORDS.get(token, "") for token in token_ids)


def draft(seed=0, prompt=(1, 2), **changes):
    settings = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 10, "end_ids": (END,), **changes}
    return Draft(Request("r", prompt, seed), Sampling(**settings), Words())


def feed(made, *tokens):
    """The completion that the last of these tokens ends; the others end nothing."""
    for place, token in enumerate(tokens):
        done = made.add(token, -0.25 * place)
        assert (done is None) == (place < len(tokens) - 1)
    return done


def test_the_end_token_stops_and_is_kept_with_its_logprob():
    done = feed(draft(), 1, 2, END)
    assert (done.id, done.text, done.finish) == ("r", "The ans", "stop")
    assert (done.tokens, done.logprobs) == ((1, 2, END), (0.0, -0.25, -0.5))


def test_the_end_token_at_the_limit_is_a_stop():
    assert feed(draft(max_tokens=3), 1, 2, END).finish == "stop"
    assert feed(draft(max_tokens=1), END).text == ""


def test_max_tokens_is_a_length():
    done = feed(draft(max_tokens=3), 1, 2, 3)
    assert (done.text, done.finish, done.tokens) == ("The answer", "length", (1, 2, 3))


def test_without_end_ids_only_the_limit_ends():
    assert feed(draft(end_ids=(), max_tokens=3), 1, END, 2).finish == "length"


@pytest.mark.parametrize(
    ("stop", "tokens", "text"),
    [
        (("answer",), (1, 2, 3), "The "),
        (("\n",), (1, 2, 3, 4), "The answer is 3."),
        (("3.\nN",), (1, 4), "The is "),
        (("\nQ:",), (1, 6, 7), "The"),
        (("wer", " answer"), (1, 2, 3), "The"),
        (("The",), (1,), ""),
    ],
)
def test_stop_strings_cut_before_them(stop, tokens, text):
    """Spanning tokens, inside a token, at a token's end, the earliest of several, at the very start."""
    done = feed(draft(stop=stop), *tokens)
    assert (done.text, done.finish, done.tokens) == (text, "stop", tokens)


def test_a_stop_string_at_the_limit_is_a_stop():
    assert feed(draft(stop=("wer",), max_tokens=3), 1, 2, 3).finish == "stop"


def test_a_stop_string_begun_at_the_limit_is_text():
    done = feed(draft(stop=("answer",), max_tokens=2), 1, 2)
    assert (done.text, done.finish) == ("The ans", "length")


def test_a_full_context_is_a_length():
    made = Draft(Request("r", (1, 2), 0), Sampling(temperature=1.0, top_p=1.0, max_tokens=10), Words(), context=4)
    assert made.add(1, -0.5) is None
    done = made.add(5, -0.5)
    assert (done.text, done.finish) == ("The", "length")


def test_length_counts_prompt_and_completion():
    made = draft(prompt=(1, 2, 3))
    made.add(1, 0.0)
    assert made.length == 4


def test_the_seed_fixes_the_series_of_draws():
    a, b, c = draft(seed=1), draft(seed=1, max_tokens=99), draft(seed=2)
    first, again, other = ([made.uniform() for _ in range(5)] for made in (a, b, c))
    assert first == again != other
    assert all(0 <= value < 1 for value in first + other)


def test_seeds_up_to_63_bits_differ():
    values = {draft(seed=seed).uniform() for seed in (0, 1, 2**32, 2**32 + 1, 2**62, 2**63 - 1)}
    assert len(values) == 6
