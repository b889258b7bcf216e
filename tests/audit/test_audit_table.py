"""The table and the sentence: short, true, plain in 80 columns."""

import io
from dataclasses import replace

import numpy as np
import pytest
from make_audit import full_audit
from make_cells import counted, drawn
from rich.console import Console

from selftrain.audit import Audit, AuditSettings, compare, table, verdict_line
from selftrain.audit.table import WIDTH, printed

SETTINGS = AuditSettings(draws=300)


def drawn_table(audit: Audit, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(table(audit))
    return out.getvalue()


def progress() -> Audit:
    rng = np.random.default_rng(0)
    chance = rng.beta(1, 2, 200)
    before, after, null = drawn(chance, 8, rng), drawn(chance + 0.2 * (1 - chance), 8, rng), drawn(chance, 8, rng)
    return compare(before, after, null=null, suites={"far [red]away[/red] suite": (before, null)}, settings=SETTINGS)


def test_table_has_a_row_for_every_figure_and_fits() -> None:
    audit = progress()
    text = drawn_table(audit)
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
    text = drawn_table(replace(audit, figures=(audit.figures[0], first)))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert f"{first.low:+.3f} {first.high:+.3f}" in text


def test_the_sentence_of_progress() -> None:
    audit = progress()
    f = audit.primary
    line = verdict_line(audit)
    assert line.startswith(f"progress: pass@1 rose by {f.difference:+.3f} from {f.before:.3f} to {f.after:.3f} ")
    assert f"(95 % interval {f.low:+.3f} to {f.high:+.3f}, 200 problems)" in line
    assert "; held: pass@8; pass@1 on far [red]away[/red] suite; " in line
    assert "\n" not in line


def test_the_sentence_of_regress_and_of_no_conclusion() -> None:
    good, bad = counted([3] * 100, 4), counted([1] * 100, 4, truncated=4)
    line = verdict_line(compare(good, bad, settings=SETTINGS))
    assert line.startswith("regress: pass@1 fell by -0.500")
    assert line.endswith("; down: retention over null; truncated")
    audit = compare(good, good, settings=SETTINGS)
    line = verdict_line(audit)
    assert line.startswith("inconclusive: pass@1 changed by +0.000")
    assert line.endswith(f"; about {audit.problems_needed} problems would settle it")


def test_what_would_settle_it_names_the_figure_that_asks_for_most_and_its_unit() -> None:
    audit = progress()
    first, guard = audit.figures[0], next(f for f in audit.figures if f.role == "guard")
    small = replace(guard, name="pass@1 on a, b", state="unknown", problems_needed=90)

    def line(**values: object) -> str:
        most = replace(guard, state="unknown", **values)
        return verdict_line(
            replace(
                audit,
                verdict="inconclusive",
                because=(small.name, most.name, "one-sided"),
                problems_needed=most.problems_needed,
                figures=(first, small, most),
            )
        )

    suite = line(name="pass@1 on f\x1bar", problems_needed=190)
    ending = (
        r"; unknown: pass@1 on a, b; pass@1 on f\x1bar; one-sided; about 190 problems would settle pass@1 on f\x1bar"
    )
    assert suite.endswith(ending)
    assert line(name="NLL on notes", problems_needed=300).endswith(
        "; about 300 pieces of text would settle NLL on notes"
    )


def test_what_decides_comes_first_and_what_is_neither_better_nor_worse_last() -> None:
    lines = printed(full_audit()).splitlines()
    places = {line.split("  ")[0].strip() or line.strip(): i for i, line in reversed(list(enumerate(lines)))}
    order = [
        "pass@1",
        "NLL on book",
        "pass@1, same prompt",
        "repetition",
        "neither way is better:",
        "answer entropy",
        "words",
    ]
    assert [places[name] for name in order] == sorted(places[name] for name in order)
    for above, below in (("NLL on book", "pass@1, same prompt"), ("repetition", "neither way is better:")):
        assert places[below] == places[above] + 2
        assert lines[places[below] - 1] == ""
    assert lines[places["neither way is better:"]].split() == ["neither", "way", "is", "better:", "change"]
    beside = lines[places["answer entropy"] :][:4]
    assert [line.split()[-1] for line in beside] == ["fell", "fell", "fell", "unclear"]


def test_lengths_have_one_decimal() -> None:
    lines = [line.split() for line in printed(full_audit()).splitlines()]
    (words,) = [line for line in lines if line[:1] == ["words"]]
    assert all(len(number.partition(".")[2]) == 1 for number in words[1:6])
    assert float(words[2]) - float(words[1]) == pytest.approx(float(words[3]))


def test_all_of_an_audit_is_printed_in_lines_that_fit() -> None:
    audit = replace(full_audit(), warnings=("three | things [red]differ[/red]", "x" * 300))
    text = printed(audit)
    assert all(len(line) <= WIDTH for line in text.splitlines())
    assert text.index("truncated ") < text.index("Null, ") < text.index("Warning: three | things [red]differ[/red]")
    assert text.index("x" * 90) < text.index("\nreversal: pass@1 rose by ")
    assert not text.startswith(("\n", "  "))


def test_names_do_not_control_the_terminal() -> None:
    text = printed(full_audit(lambda name: f"\x1b[2J{name}\n\u202e[red]\0", count=20, each=4))
    assert all(character == "\n" or character.isprintable() for character in text)
    assert r"down: NLL on \x1b[2Jbook \u202e[red]\x00" in text
