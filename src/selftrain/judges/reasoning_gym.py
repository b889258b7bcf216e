"""Judges reasoning-gym answers by the library's own scorers, for the families whose scorers were reviewed."""

import copy
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Literal

from selftrain.errors import MissingExtraError
from selftrain.judges.base import no_answer, unjudged, verdict
from selftrain.judges.exact import stated_text
from selftrain.judges.number import find_number
from selftrain.judges.stated import final_text
from selftrain.records import Judgement, Problem

Kind = Literal["number", "text"]
_RIGHT = 0.99

# Reviewed in reasoning-gym 0.1.25, score_answer with all it calls: never executes text, ends in bounded time,
# gives .99 to no half-right answer, accepts its own gold after the entry went through JSON.
_NUMBERS = """
    aiw basic_arithmetic binary_alternation chain_sum circuit_logic count_bits count_primes
    decimal_chain_sum dice gcd largest_island lcm leg_counting letter_counting maze number_format
    number_sequence power_function products rectangle_count rotten_oranges self_reference simple_equations
    simple_geometry
"""
_TEXTS = """
    acre advanced_geometry arc_1d base_conversion bf caesar_cipher calendar_arithmetic color_cube_rotation
    course_schedule cryptarithm family_relationships fraction_simplification futoshiki group_anagrams
    isomorphic_strings jugs kakurasu knight_swap knights_knaves list_functions mahjong_puzzle mini_sudoku
    needle_haystack number_filtering palindrome_generation path_star polynomial_equations pool_matrix
    prime_factorization quantum_lock ransom_note sentence_reordering shortest_path sokoban
    string_manipulation string_splitting string_synthesis sudoku survo syllogism tsumego word_ladder
    word_sequence_reversal word_sorting zebra_puzzles
"""
_OFFERED: dict[str, Kind] = {
    **dict.fromkeys(_NUMBERS.split(), "number"),
    **dict.fromkeys(_TEXTS.split(), "text"),
}

_REFUSED = {
    "its scorer executes the answer as code": """
        binary_matrix countdown intermediate_integration n_queens polynomial_multiplication puzzle24
        simple_integration spiral_matrix string_insertion""",
    "its scorer executes the problem's data as code": "bitwise_arithmetic codeio number_sorting",
    "its scorer never ends on numbers with huge exponents": "coin_flip",
    "its scorer calls wrong answers right": """
        complex_arithmetic decimal_arithmetic emoji_mystery figlet_font game_of_life game_of_life_halting
        letter_jumble manipulate_matrix modulo_grid rotate_matrix spell_backward time_intervals""",
    "it has no gold answer": "boxnet graph_color propositional_logic rubiks_cube rush_hour",
    "its gold answer can be empty": "ab",
    "its answers are longer than an answer may be": "palindrome_partitioning tower_of_hanoi",
    "its entries do not survive being stored as JSON": "arc_agi gsm_symbolic rearc",
    "it mixes other families": "composite",
}


def offered_families() -> tuple[str, ...]:
    """The reasoning-gym families this judge accepts, in alphabetical order."""
    return tuple(sorted(_OFFERED))


def answer_kind(name: str) -> Kind:
    """Whether an offered family's answers are a `number` or a `text`; ValueError for any other name."""
    if name not in _OFFERED:
        raise ValueError(f"name must be an offered family, got {name!r}")
    return _OFFERED[name]


def refusal(name: str) -> str | None:
    """Why a family is not offered, in one line; None when it is."""
    if name in _OFFERED:
        return None
    for reason, names in _REFUSED.items():
        if name in names.split():
            return f"reasoning-gym family '{name}' is refused: {reason}"
    close = get_close_matches(name, _OFFERED, 3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"unknown reasoning-gym family '{name}', or one whose scorer was not reviewed{hint}"


class ReasoningGymJudge:
    """Right when the family's scorer gives the stated answer at least .99.

    A problem's `reference` is `{"dataset": family, "entry": {question, answer, metadata}, "kind":
    "number"|"text"}`.
    """

    name = "reasoning_gym"
    exact_same = True

    def __init__(self) -> None:
        try:
            from reasoning_gym import get_score_answer_fn
        except ImportError as error:
            raise MissingExtraError("reasoning-gym", "tasks") from error
        self._make: Callable[[str], Callable[..., float]] = get_score_answer_fn
        self._scorers: dict[str, Callable[..., float]] = {}

    def judge(self, problem: Problem, response: str) -> Judgement:
        """Mark one response; the answer is the number in lowest terms, or the text as stated."""
        family, entry = problem.reference.get("dataset"), problem.reference.get("entry")
        if not isinstance(family, str) or not isinstance(entry, Mapping):
            return unjudged("the problem has no reasoning-gym entry")
        if reason := refusal(family):
            return unjudged(reason)
        gold = entry.get("answer")
        if not isinstance(gold, str) or not gold.strip():
            return unjudged("no gold answer")
        kind = problem.reference.get("kind", _OFFERED[family])
        text = final_text(response)
        forms = _forms(text, kind, "\n" in gold.strip()) if text is not None else []
        if not forms:
            return no_answer()
        if any(self._right(family, entry, form) for form in forms):
            return verdict(True, forms[0])
        if not self._right(family, entry, gold.strip()):
            return unjudged("the gold answer does not score itself right", forms[0])
        return verdict(False, forms[0])

    def _right(self, family: str, entry: Mapping[str, Any], answer: str) -> bool:
        if family not in self._scorers:
            self._scorers[family] = self._make(family)
        try:
            # Some scorers write into the entry.
            return float(self._scorers[family](answer, copy.deepcopy(dict(entry)))) >= _RIGHT
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
            return False  # an answer of another shape than the scorer reads; gold is tried before it counts

    def same(self, a: str, b: str) -> bool:
        """String equality."""
        return a == b


def _forms(text: str, kind: str, lines: bool) -> list[str]:
    """The forms of the stated answer a scorer may accept, the canonical one first; none if none is stated."""
    if kind == "number":
        number = find_number(text)
        return [number.canonical, number.plain] if number else []
    stated = stated_text(text, whole=lines)
    if stated is None:
        return []
    # Quotes and marks around an answer are not part of it, unless the gold has them too.
    peeled = stated.strip(' *_`"').removesuffix(".").strip(' *_`"') or stated
    return list(dict.fromkeys([peeled, stated]))
