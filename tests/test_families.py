"""Only reasoning-gym families whose scorers were reviewed are offered."""

import pytest

from selftrain.families import answer_kind, offered_families, refusal

pytest.importorskip("reasoning_gym")


def test_every_installed_family_is_offered_or_refused_with_a_reason() -> None:
    from reasoning_gym.factory import DATASETS

    offered = set(offered_families())
    assert offered <= set(DATASETS)
    for name in set(DATASETS) - offered:
        assert "is refused" in (refusal(name) or ""), name


def test_families_whose_scorers_execute_text_are_refused() -> None:
    for name in [
        "string_insertion", "spiral_matrix", "binary_matrix", "n_queens", "puzzle24", "countdown",
        "polynomial_multiplication", "simple_integration", "intermediate_integration",
    ]:  # fmt: skip
        assert "executes the answer as code" in (refusal(name) or "")


def test_no_offered_scorer_lives_in_a_file_that_executes_text() -> None:
    import inspect
    import re

    from reasoning_gym.factory import DATASETS

    generates_only = {"basic_arithmetic"}
    for name in set(offered_families()) - generates_only:
        code = inspect.getsource(inspect.getmodule(DATASETS[name][0]))  # type: ignore[arg-type]
        found = re.search(r"(?<![\w.])(?:eval|exec|literal_eval|sympify|__import__)\(|parse_expr|pickle", code)
        assert found is None, (name, found)


def test_unknown_families_get_close_matches() -> None:
    assert "did you mean chain_sum" in (refusal("chain_sums") or "")
    assert refusal("chain_sum") is None
    with pytest.raises(ValueError, match="name"):
        answer_kind("countdown")
