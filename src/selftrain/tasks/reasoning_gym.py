"""Generated problems: one stream of distinct questions per reasoning-gym family, cut up into parts."""

from collections import defaultdict
from collections.abc import Hashable, Mapping
from typing import Annotated, Any

from pydantic import Field

from selftrain.digest import seed_from
from selftrain.errors import ConfigError
from selftrain.families import answer_kind
from selftrain.records import Problem
from selftrain.tasks.steps import check_steps, worked_solution
from selftrain.tasks.streams import Entry, Stream, check_family, exhausted
from selftrain.tasks.task import Suite, Task, make_task, shuffled
from selftrain.validation import Options, parse

LEVEL_WIDTH = 10
"""A difficulty that spans more integers than this is no level: too few problems would share one."""

Families = dict[str, dict[str, Any] | None]
Size = Annotated[int, Field(ge=0)]
Drawn = dict[tuple[str, str], list[Entry]]
"""Entries by (part, family); a part is a split, or a suite's name with `, select` or `, test`."""


class SuiteOptions(Options):
    """A named out-of-distribution suite, usually harder settings of the same families."""

    families: Families
    """Options of each family, by its name."""
    select: Size = 100
    """Problems per family for promotion."""
    test: Size = 200
    """Problems per family for the final comparison."""


class ReasoningGymOptions(Options):
    """Families of reasoning-gym problems and how many of each."""

    families: Families = Field(default_factory=dict)
    """Options of each family, by its name."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Options of the one family that a task name `reasoning_gym:FAMILY` names."""
    train: Size = 500
    """Training problems per family."""
    select: Size = 100
    """Problems per family for promotion and choices."""
    test: Size = 200
    """Problems per family for the final comparison."""
    shots: Size = 4
    """Demonstrations per family."""
    labelled: Size = 0
    """Problems per family whose gold answers a recipe may read, beside unlabelled training problems."""
    valid: Size = 0
    """Problems per family for the valid loss of IWSI; needs `steps`."""
    suites: dict[str, SuiteOptions] = Field(default_factory=dict)
    """Out-of-distribution suites by name."""
    steps: bool = False
    """Whether every problem gets a rationale, a solution worked in steps, for the families that have them."""


def reasoning_gym_task(options: Mapping[str, Any], seed: int, family: str | None = None) -> Task:
    """Problems of one family, or of each of the `families` in the options.

    A family's questions are drawn in a fixed order: test, select, each suite's test and select, shots, labelled,
    valid, train. So raising `train` moves no question, and no size moves a question of a part drawn before it.
    Raises ConfigError for unknown families and options, DataError when a family holds too few questions.
    """
    chosen = parse(ReasoningGymOptions, options, "task.options")
    if chosen.valid and not chosen.steps:
        raise ConfigError("task.options.valid needs worked solutions: set task.options.steps: true, or valid: 0")
    families = _families(chosen, family)
    for listed in (families, *(suite.families for suite in chosen.suites.values())):
        for name, settings in listed.items():
            check_family(name, settings or {})
            if chosen.steps:
                check_steps(name)
    drawn: Drawn = {}
    seen: dict[str, set[Hashable]] = defaultdict(set)
    streams = {
        name: Stream(name, settings or {}, seed_from([seed, "main"]), seen[name]) for name, settings in families.items()
    }
    asked = chosen.test + chosen.select + chosen.shots + chosen.labelled + chosen.valid + chosen.train
    _draw(drawn, streams, {"test": chosen.test, "select": chosen.select}, asked)
    for suite_name, suite in chosen.suites.items():
        _draw_suite(drawn, suite_name, suite, seed, seen)
    later = {"shots": chosen.shots, "labelled": chosen.labelled, "valid": chosen.valid, "train": chosen.train}
    _draw(drawn, streams, later, asked)
    return _task(f"reasoning_gym:{family}" if family else "reasoning_gym", chosen, drawn, seed)


def _families(options: ReasoningGymOptions, family: str | None) -> Families:
    if family is not None:
        if options.families:
            raise ConfigError(f"reasoning_gym:{family} takes task.options.settings, not families")
        return {family: options.settings}
    if options.settings:
        raise ConfigError("reasoning_gym takes task.options.families, not settings, which go with reasoning_gym:FAMILY")
    if not options.families:
        raise ConfigError("reasoning_gym needs task.options.families: {FAMILY: {option: value}}")
    return options.families


def _draw(
    drawn: Drawn,
    streams: Mapping[str, Stream],
    sizes: Mapping[str, int],
    asked: int,
    suite: str | None = None,
) -> None:
    for part, size in sizes.items():
        for family, stream in streams.items():
            entries = stream.take(size)
            if entries is None:
                raise exhausted(family, stream.found, asked, suite)
            drawn[_part(part, suite), family] = entries


def _part(split: str, suite: str | None) -> str:
    return split if suite is None else f"{suite}, {split}"


def _draw_suite(drawn: Drawn, name: str, suite: SuiteOptions, seed: int, seen: Mapping[str, set[Hashable]]) -> None:
    streams = {
        family: Stream(family, settings or {}, seed_from([seed, "suite", name]), seen[family])
        for family, settings in suite.families.items()
    }
    _draw(drawn, streams, {"test": suite.test, "select": suite.select}, suite.test + suite.select, name)


def _task(name: str, options: ReasoningGymOptions, drawn: Drawn, seed: int) -> Task:
    parts: dict[str, list[Problem]] = defaultdict(list)
    for (part, family), entries in drawn.items():
        parts[part] += [_problem(family, entry, options.steps) for entry in entries]
    # Ordered by hash, families are interleaved and a larger part keeps the order of a smaller one.
    ordered = {part: shuffled(problems, seed) for part, problems in parts.items()}
    suites = {
        suite: Suite(
            select=tuple(ordered[_part("select", suite)]),
            test=tuple(ordered[_part("test", suite)]),
        )
        for suite in options.suites
    }
    named = ("train", "select", "test", "shots", "labelled", "valid")
    splits = {split: ordered[split] for split in named if ordered[split] or split not in ("labelled", "valid")}
    return make_task(name, splits=splits, suites=suites, judge="reasoning_gym")


def _problem(family: str, entry: Entry, steps: bool) -> Problem:
    return Problem.make(
        entry["question"],
        gold=entry["answer"],
        rationale=worked_solution(family, entry) if steps else None,
        level=level(entry["metadata"]),
        family=family,
        reference={"dataset": family, "entry": entry, "kind": answer_kind(family)},
    )


def level(metadata: Mapping[str, Any]) -> str | None:
    """The difficulty of one entry, such as `num_digits=2`, from the settings that vary within its family.

    A setting counts when its range spans at most ten integers and the entry says which one it drew; None when
    no setting does.
    """
    ranges = metadata.get("difficulty")
    if not isinstance(ranges, Mapping):
        return None
    drawn = [f"{key}={metadata[key]}" for key, span in ranges.items() if _is_level(span, metadata.get(key))]
    return " ".join(drawn) or None


def _is_level(span: object, value: object) -> bool:
    if not (isinstance(span, list) and len(span) == 2 and all(isinstance(end, int) for end in span)):
        return False
    return isinstance(value, int) and 0 < span[1] - span[0] < LEVEL_WIDTH
