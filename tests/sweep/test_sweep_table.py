"""Outcomes of variants and their table, from made-up run folders."""

import json
from dataclasses import asdict, replace

import pytest
from make_run import make_run

from selftrain.audit import compare, holm
from selftrain.config import RunConfig, merged
from selftrain.logs import match, read_log
from selftrain.recipes.vanilla import VanillaOptions
from selftrain.store import write_json
from selftrain.sweep.outcome import adjusted, best, read_outcome
from selftrain.sweep.table import facts, markdown, printed
from selftrain.sweep.variants import Sweep, Variant
from selftrain.sweep.words import notes, short

TOKENS = {"drawn": 12_345, "scored": 950, "trained": 2_400_000}


def made(root, name, setting=None, **facts):
    """A variant whose run is made up."""
    make_run(root / name, name=f"s-{name}", **facts)
    values = {"name": f"s-{name}", "workspace": root / name, "task": "files", "recipe": "vanilla"}
    return Variant(name, setting or {"recipe.options.exponent": 1}, RunConfig.model_validate(values), VanillaOptions())


def outcomes_of(variants):
    found = []
    for variant in variants:
        found.append(read_outcome(variant, found[0] if found else None))
    return found


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Five variants: two measured, two rounds, a refused one, and one with nothing to train on."""
    root = tmp_path_factory.mktemp("sweep")
    variants = (
        made(root, "first", rise=0.3),
        made(root, "better", rise=0.7),
        made(root, "two-rounds", rise=0.1, rounds=2),
        made(root, "refused", promoted=False),
        made(root, "nothing", decided=False, finished=False),
    )
    funnel = variants[2].folder / "rounds" / "01" / "funnel.json"
    write_json(funnel, {**json.loads(funnel.read_text()), "tokens": TOKENS})
    for funnel in (
        root / "two-rounds" / "s-two-rounds" / "rounds" / "02",
        root / "first" / "s-first" / "rounds" / "01",
    ):
        facts = json.loads((funnel / "funnel.json").read_text())
        write_json(funnel / "funnel.json", {key: value for key, value in facts.items() if key != "tokens"})
    return Sweep(root / "s", variants), outcomes_of(variants)


def test_states(swept):
    assert [one.state for one in swept[1]] == ["measured", "measured", "measured", "refused", "nothing to train on"]
    assert [one.split for one in swept[1]] == ["test", "test", "test", "select", None]


def test_gains_are_those_of_the_audits(swept):
    for one in swept[1][:3]:
        audit = json.loads((one.variant.folder / "audit.json").read_text())
        assert one.gain.difference == audit["figures"]["pass@1"]["difference"]
        assert one.support.name == "pass@4"
    assert swept[1][4].gain is None
    assert swept[1][4].base == 0.2


def test_the_difference_from_the_first_is_what_an_audit_would_say(swept):
    first, better, *_ = swept[1]
    settings = better.variant.config.audit.settings
    before, after = match(read_log(first.variant.folder), read_log(better.variant.folder))
    figure = compare(before.main, after.main, settings=settings).primary
    # Means that are estimated together may differ in their last bit from one estimated alone.
    assert asdict(better.from_first) == pytest.approx(asdict(figure))
    assert figure.before == pytest.approx(first.gain.after)
    assert figure.problems == 12
    assert first.from_first is None
    assert first.why == ""


def test_runs_that_ended_on_different_splits_are_not_compared(swept):
    refused, nothing = swept[1][3:]
    assert refused.from_first is None
    assert refused.why == "measured on select, first on test"
    assert "refused: no difference from first: measured on select, first on test." in notes(*swept)
    assert nothing.from_first is None


def test_nothing_is_compared_with_a_first_that_trained_nothing(swept, tmp_path):
    nothing = made(tmp_path, "nothing", decided=False, finished=False)
    found = outcomes_of([nothing, swept[0].variants[1]])
    assert found[1].why == "nothing trained nothing"
    assert found[1].gain is not None
    assert "No variant was measured" in notes(Sweep(tmp_path, (nothing,)), found[:1])[0]


def measured_with(variant, **changed):
    """The variant, its configuration changed by mapping."""
    config = RunConfig.model_validate(merged(variant.config.model_dump(), changed))
    return replace(variant, config=config.model_copy(update={"workspace": variant.config.workspace}))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"audit": {"sampling": {"temperature": 0.2}}}, "another sampling (audit.sampling)"),
        ({"prompt": {"shots": 2}, "judge": "math"}, "another prompt and judge"),
        ({"task": {"options": {"judge": "math"}}}, "another judge"),
        ({"engine": {"precision": "fp32"}}, "another precision"),
    ],
)
def test_models_that_were_measured_otherwise_are_not_compared(swept, changed, why):
    first, better = swept[0].variants[:2]
    found = outcomes_of([first, measured_with(better, **changed)])
    assert found[1].from_first is None
    assert found[1].why == f"measured with {why} than first"
    assert found[1].gain is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "other", "seed": 3, "recipe": "east", "training": {"epochs": 7}, "audit": {"samples": 8}},
        {"sampling": {"temperature": 0.1}, "sampling_prompt": {"shots": 3}, "engine": {"batch": 3}, "rounds": 4},
    ],
)
def test_models_made_otherwise_are_compared(swept, changed):
    first, better = swept[0].variants[:2]
    found = outcomes_of([first, measured_with(better, **changed)])
    assert found[1].why == ""
    assert found[1].from_first == swept[1][1].from_first


def test_a_difference_over_fewer_problems_says_so(swept, tmp_path):
    few = made(tmp_path, "few", count=5)
    found = outcomes_of([few, *swept[0].variants[:2]])
    assert (found[1].from_first.problems, found[1].gain.problems) == (5, 12)
    said = [note for note in notes(Sweep(tmp_path, swept[0].variants), found) if "is over the" in note]
    assert said[0] == "first: the difference from few is over the 5 problems that both were measured on, of 12."
    assert not [note for note in notes(*swept) if "is over the" in note]


def test_costs_are_summed_over_rounds_and_absent_ones_are_none(swept):
    first, _, two, *_ = swept[1]
    assert dict(two.tokens) == TOKENS
    assert set(first.tokens.values()) == {0}
    rounds = (two.variant.folder / "rounds").glob("0[12]/funnel.json")
    assert two.rows == sum(json.loads(path.read_text())["rows"] for path in rounds) > 0


def test_the_mark_is_holms(swept):
    ps = [one.gain.p for one in swept[1][:4]]
    assert adjusted(swept[1]) == [*holm(ps).tolist(), None]
    marked = [line.split()[0] for line in printed(*swept).splitlines() if line.startswith(" ") and "*" in line]
    assert marked == [
        one.variant.name for one, p in zip(swept[1], adjusted(swept[1]), strict=True) if p is not None and p <= 0.05
    ]
    assert "better" in marked


def test_the_best_is_one_that_was_promoted(swept):
    assert best(swept[1]).variant.name == "better"
    assert best(swept[1][3:]) is None
    root, variants = swept[0].folder, swept[0].variants[3:]
    assert "No candidate was promoted: there is no best variant." in notes(Sweep(root, variants), swept[1][3:])
    assert "chosen among 5 on test, so its own figures there flatter it" in notes(*swept)[-1]


def test_every_line_has_room_and_every_variant_a_row(swept):
    text = printed(*swept)
    assert max(map(len, text.splitlines())) <= 120
    for one in swept[1]:
        assert f"\n {one.variant.name} " in text
    for word in ("refused", "nothing to", "12k drawn", "950 scored", "2.4M trained", "0.200"):
        assert word in text


def test_long_names_and_costs_have_room(swept, tmp_path):
    name = "temperature-" + "9" * 60
    variant = made(tmp_path, name, count=3, each=6)
    found = outcomes_of([variant, *swept[0].variants[2:]])
    text = printed(Sweep(tmp_path / "s", (variant, *swept[0].variants[2:])), found)
    assert max(map(len, text.splitlines())) <= 120
    assert text.splitlines()[3].split()[3:5] == ["first", "pass@k"]
    assert "@6 +" in text
    assert "@4 +" in text


def test_comparisons_are_counted(swept):
    found = facts(*swept)
    assert found["comparisons"] == {
        "pass@1 with the base": 4,
        "pass@1 with first": 2,
        "pass@4 with the base": 4,
        "distinct-n with the base": 4,
    }
    assert (
        "Intervals are of one comparison each, at 95 %, paired over problems; 14 comparisons were made" in found["note"]
    )


def test_facts_are_json_with_every_figure(swept):
    found = json.loads(json.dumps(facts(*swept), allow_nan=False))
    assert found["finished"] is True
    assert facts(swept[0], swept[1][:2])["finished"] is False
    first, better, *_, nothing = found["variants"]
    assert better["figures"]["difference from the first"]["problems"] == 12
    assert better["audit"]["settings"]["alpha"] == 0.05
    assert first["setting"] == {"recipe.options.exponent": 1}
    assert nothing["figures"] == dict.fromkeys(("gain", "difference from the first", "pass@k", "distinct-n right"))


def test_markdown_holds_no_markup_of_others(tmp_path):
    variant = made(tmp_path, "a", {"prompt.system": "<b>|`x`|"})
    text = markdown(Sweep(tmp_path / "s", (variant,)), outcomes_of([variant]))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 3
    assert "<b>" not in text
    assert {line.replace("\\|", "").count("|") for line in rows} == {11}


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (9_960, "10k"), (12_345, "12k"), (999_600, "1.0M"), (2_400_000, "2.4M")],
)
def test_short(count, told):
    assert short(count) == told
