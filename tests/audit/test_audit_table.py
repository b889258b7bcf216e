"""The table and the sentence: short, true, plain in 80 columns."""

import io
from dataclasses import replace

import numpy as np
from make_cells import counted, drawn
from rich.console import Console

from selftrain.audit import Audit, AuditSettings, compare, table, verdict_line

SETTINGS = AuditSettings(draws=300)


def printed(audit: Audit) -> str:
    out = io.StringIO()
    Console(file=out, width=80, force_terminal=False).print(table(audit))
    return out.getvalue()


def progress() -> Audit:
    rng = np.random.default_rng(0)
    chance = rng.beta(1, 2, 200)
    before, after, null = drawn(chance, 8, rng), drawn(chance + 0.2 * (1 - chance), 8, rng), drawn(chance, 8, rng)
    return compare(before, after, null=null, suites={"far [red]away[/red] suite": (before, null)}, settings=SETTINGS)


def test_table_has_a_row_for_every_figure_and_fits() -> None:
    audit = progress()
    text = printed(audit)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "\x1b" not in text
    for figure in audit.figures:
        assert figure.name.split()[0] in text
        assert f"{figure.difference:+.3f}" in text
        assert f"{figure.low:+.3f} {figure.high:+.3f}" in text
    assert "[red]" in text


def test_a_long_suite_name_folds_and_the_numbers_stay() -> None:
    audit = progress()
    first = replace(audit.figures[1], name="pass@1 on " + "x" * 60)
    text = printed(replace(audit, figures=(audit.figures[0], first)))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert f"{first.low:+.3f} {first.high:+.3f}" in text


def test_the_sentence_of_progress() -> None:
    audit = progress()
    f = audit.primary
    line = verdict_line(audit)
    assert line.startswith(f"progress: pass@1 rose by {f.difference:+.3f} from {f.before:.3f} to {f.after:.3f} ")
    assert f"(95 % interval {f.low:+.3f} to {f.high:+.3f}, 200 problems)" in line
    assert "; held: pass@8, " in line
    assert "\n" not in line


def test_the_sentence_of_regress_and_of_no_conclusion() -> None:
    good, bad = counted([3] * 100, 4), counted([1] * 100, 4, truncated=4)
    line = verdict_line(compare(good, bad, settings=SETTINGS))
    assert line.startswith("regress: pass@1 fell by -0.500")
    assert line.endswith("; down: truncated")
    audit = compare(good, good, settings=SETTINGS)
    line = verdict_line(audit)
    assert line.startswith("inconclusive: pass@1 changed by +0.000")
    assert line.endswith(f"; about {audit.problems_needed} problems would settle it")
