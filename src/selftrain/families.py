"""The reasoning-gym families whose scorers were reviewed: which are offered, and why the others are not."""

from difflib import get_close_matches
from typing import Literal

Kind = Literal["number", "text"]

# Reviewed in reasoning-gym 0.1.25, score_answer with all it calls: never executes text, ends in bounded time,
# gives .99 to no half-right answer, accepts its own gold after the entry went through JSON.
_NUMBERS = """
    aiw basic_arithmetic binary_alternation chain_sum circuit_logic count_bits count_primes
    decimal_chain_sum dice gcd gsm_symbolic largest_island lcm leg_counting letter_counting maze number_format
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
# The scorer of gsm_symbolic reads an answer's first digits only: it calls -5 and 5/2 right where 5 is.
_COMPARED = frozenset({"gsm_symbolic"})
_LINES = frozenset({"futoshiki", "kakurasu", "mini_sudoku", "pool_matrix", "sudoku", "survo"})
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
    "its entries do not survive being stored as JSON": "arc_agi rearc",
    "it mixes other families": "composite",
}


def offered_families() -> tuple[str, ...]:
    """The families that can be asked and judged, in alphabetical order."""
    return tuple(sorted(_OFFERED))


def answer_kind(name: str) -> Kind:
    """Whether an offered family's answers are a `number` or a `text`; ValueError for any other name."""
    if name not in _OFFERED:
        raise ValueError(f"name must be an offered family, got {name!r}")
    return _OFFERED[name]


def compared_as_number(name: str) -> bool:
    """Whether answers of an offered family are compared with the gold number, not given to the family's scorer."""
    return name in _COMPARED


def answer_has_lines(name: str) -> bool:
    """Whether answers of an offered family are grids, a row a line."""
    return name in _LINES


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
