"""A multiple-choice row as a problem: options lettered by their place, and the letter that the answer names."""

import json
from collections.abc import Mapping, Sequence
from string import ascii_uppercase

from selftrain.digest import normal_text
from selftrain.errors import DataError
from selftrain.records import Problem
from selftrain.tasks.tables import answer_value
from selftrain.tasks.task import count

LETTERS = ascii_uppercase
FORMS = "a list of texts, a mapping of labels to texts, or of text and label to lists"


def choice_problem(
    turns: Sequence[Mapping[str, str]],
    options: object,
    answer: object,
    place: str,
    *,
    level: str | None = None,
    rationale: str | None = None,
) -> Problem:
    """A problem that asks the last of `turns` (chat messages), its options below it, a line `(A) text` for each.

    `options` is a list of texts, a mapping of labels to texts, a list of `{label, text}`, or `{text: [...],
    label: [...]}`; each also as JSON in a text, and a number counts as its text. They are lettered A, B, C ... by their
    place, whatever their own labels. `answer` is one of these labels (of the letters where the row has no labels of its
    own), else the exact text of an option, white space folded. A whole number that is no text, such as 2 in JSON, is
    the place of an option counted from 0, unless the row's own labels are whole numbers: then it is one of them. No
    answer is an unlabelled problem.

    Raises DataError, with the `place` of the row, for options that are not 2 to 26 different texts (white space and
    case folded) and for an answer that names none of them.
    """
    labels, texts = _labelled_texts(options, place)
    *before, last = turns
    lines = [f"({letter}) {text}" for letter, text in zip(LETTERS, texts, strict=False)]
    asked = {"role": last["role"], "content": "\n".join([last["content"].rstrip(), *lines])}
    gold = _letter(answer, labels, texts, place)
    return Problem.make([*before, asked], gold=gold, level=level, rationale=rationale, options=texts)


def _labelled_texts(options: object, place: str) -> tuple[list[str], list[str]]:
    """The row's own labels, if it has any, and the texts of its options: as many, and none twice."""
    labels, texts = _columns(_from_json(options, place) if isinstance(options, str) else options, place)
    if not 2 <= len(texts) <= len(LETTERS):
        raise DataError(f"{place} has {count(len(texts), 'option')}: wanted 2 to {len(LETTERS)}")
    if labels is not None and len(labels) != len(texts):
        raise DataError(
            f"{place} has {count(len(texts), 'option')} and {count(len(labels), 'label')}: give each a label"
        )
    own = [_part(label, f"{place}, the label of option {i}") for i, label in enumerate(labels or (), start=1)]
    told = [_part(text, f"{place}, option {i}") for i, text in enumerate(texts, start=1)]
    if twice := _repeated(own):
        raise DataError(f"{place}: options {twice[0]} and {twice[1]} have the same label: give each its own")
    if twice := _repeated([normal_text(text).casefold() for text in told]):
        raise DataError(f"{place}: options {twice[0]} and {twice[1]} have the same text: remove one of them")
    return own, told


def _columns(options: object, place: str) -> tuple[Sequence[object] | None, Sequence[object]]:
    if isinstance(options, Mapping):
        if set(options) == {"text", "label"} and all(isinstance(column, list) for column in options.values()):
            return options["label"], options["text"]
        return list(options), list(options.values())
    if not isinstance(options, list):
        raise DataError(f"{place}: the options hold {type(options).__name__}: wanted {FORMS}")
    if not any(isinstance(option, Mapping) for option in options):
        return None, options
    pairs = [option if isinstance(option, Mapping) else {} for option in options]
    return [pair.get("label") for pair in pairs], [pair.get("text") for pair in pairs]


def _from_json(text: str, place: str) -> object:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        raise DataError(f"{place}: the options are a text that is not JSON: wanted {FORMS}") from None
    return found


def _part(value: object, place: str) -> str:
    text = answer_value(value, place)
    if text is None:
        raise DataError(f"{place} is empty: wanted a text")
    return text.strip()


def _repeated(texts: Sequence[str]) -> tuple[int, int] | None:
    """The places, from 1, of the first text that stands twice; None if none does."""
    first: dict[str, int] = {}
    for place, text in enumerate(texts, start=1):
        if first.setdefault(text, place) < place:
            return first[text], place
    return None


def _letter(answer: object, own: Sequence[str], texts: Sequence[str], place: str) -> str | None:
    """The letter of the option that an answer names; None for no answer."""
    stated = answer_value(answer, f"{place}, the answer")
    if stated is None:
        return None
    folded = normal_text(stated)
    labels = own or list(LETTERS[: len(texts)])
    if isinstance(answer, int | float) and not any(map(str.isdecimal, labels)):
        labels = [str(i) for i in range(len(texts))]
    for names in (labels, [normal_text(text) for text in texts]):
        if folded in names:
            return LETTERS[names.index(folded)]
    known = ", ".join(labels)[:80]
    raise DataError(f"{place}: the answer {folded[:40]!r} names no option: wanted one of {known}, or an option's text")
