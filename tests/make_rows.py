"""Rows of each kind for tests of what is done with training sets."""

from selftrain.training_set import Labelled, Pair, Row


def make_row(weight=1.0, name="a", ids=(1, 2, 3), start=2):
    """A row of a made-up response."""
    return Row(
        input_ids=ids,
        completion_start=start,
        weight=weight,
        problem=f"problem {name}",
        response=f"response {name}",
        prompt_text="1 and 2?",
        completion_text="\u00fc 3\n\u2028",
    )


def make_labelled(weight=1.0, name="a", label=True):
    """A labelled response."""
    return Labelled.of(make_row(weight, name), label)


def make_pair(weight=1.0, name="a", prompt=(1, 2), chosen=(3,), rejected=(4, 5)):
    """A pair of made-up responses."""
    return Pair(
        prompt_ids=prompt,
        chosen_ids=chosen,
        rejected_ids=rejected,
        weight=weight,
        problem=f"problem {name}",
        chosen_response=f"response {name}",
        rejected_response=f"response not {name}",
        prompt_text="1 and 2?",
        chosen_text="\u00fc 3\n\u2028",
        rejected_text="4",
    )
