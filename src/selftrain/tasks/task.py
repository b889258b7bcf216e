"""A task: problems cut into splits and suites that share no question, and the judge that marks them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from selftrain.digest import digest, seed_from
from selftrain.errors import DataError
from selftrain.records import Problem

SPLITS = ("train", "select", "test", "shots", "valid", "labelled")
REQUIRED = ("train", "select", "test")
GOLD_JUDGES = ("choice", "exact", "math", "number", "summary")
"""The judges that compare with a gold answer; reasoning_gym's scorers and a user's own may do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A named set of problems from outside the training distribution; promotion reads `select` only."""

    select: tuple[Problem, ...]
    test: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Problems and their judge; `make_task` builds one whose parts share no question."""

    name: str
    splits: Mapping[str, tuple[Problem, ...]]
    """Keys among `train`, `select` (promotion and choices), `test` (read once), `shots` (demonstrations), `valid`
    (problems with rationales, for the valid loss of IWSI), `labelled` (problems whose gold answers a recipe may read;
    those of `train` are then the unlabelled ones)."""
    suites: Mapping[str, Suite] = field(default_factory=dict)
    judge: str
    """Judge spec: a known name, or the import path of a user's own."""
    notes: tuple[str, ...] = ()
    """What was done to the data that a reader should know, such as duplicates dropped."""

    def parts(self) -> Iterator[tuple[str, tuple[Problem, ...]]]:
        """Every split and every half of a suite with its name, such as `test` or `suite hard, test`."""
        yield from self.splits.items()
        for name, suite in self.suites.items():
            yield f"suite {name}, select", suite.select
            yield f"suite {name}, test", suite.test

    @property
    def digest(self) -> str:
        """Digest of the judge and of every part's problem ids, gold answers and rationales, in order."""
        return digest([self.judge, [[name, [_facts(problem) for problem in part]] for name, part in self.parts()]])


def make_task(
    name: str,
    *,
    splits: Mapping[str, Sequence[Problem]],
    judge: str,
    suites: Mapping[str, Suite] | None = None,
    notes: Sequence[str] = (),
) -> Task:
    """A task whose parts are distinct by content.

    A question repeated inside one part is kept once and counted in the notes. Raises DataError when two parts
    share a question, when a split (other than `shots`) or a half of a suite is empty, when gold answers are missing
    that the judge needs or those of `labelled`, rationales of `valid`, or options, which the judge `choice` needs. Only
    `train` may go without any gold answer, for recipes that learn from no labels; beside a `labelled` split it may have
    some: no recipe reads them, and the report tells from them how right the pseudo-labels are.
    """
    for split in splits:
        if split not in SPLITS:
            raise DataError(f"{name} has a split {split!r}: known splits are {', '.join(SPLITS)}")
    kept: dict[str, tuple[Problem, ...]] = {}
    told = list(notes)
    for split, problems in splits.items():
        kept[split], more = unique(problems, split)
        told += more
    halves: dict[str, Suite] = {}
    for suite_name, suite in (suites or {}).items():
        select, more_select = unique(suite.select, f"suite {suite_name}, select")
        test, more_test = unique(suite.test, f"suite {suite_name}, test")
        halves[suite_name] = Suite(select=select, test=test)
        told += more_select + more_test
    told += _without_golds(kept)
    task = Task(name=name, splits=kept, suites=halves, judge=judge, notes=tuple(told))
    _check_filled(task)
    check_disjoint(name, task.parts())
    _check_golds(task)
    _check_rationales(task)
    _check_options(task)
    return task


def unique(problems: Sequence[Problem], where: str) -> tuple[tuple[Problem, ...], list[str]]:
    """The problems with each question once (its first appearance), and a note when any were dropped."""
    first: dict[str, Problem] = {}
    for problem in problems:
        first.setdefault(problem.id, problem)
    dropped = len(problems) - len(first)
    if not dropped:
        return tuple(problems), []
    other = sum(first[problem.id].gold != problem.gold for problem in problems)
    note = f"dropped {count(dropped, 'duplicate question')} from {where}"
    return tuple(first.values()), [f"{note}, {other} of them with another answer" if other else note]


def shuffled(problems: Iterable[Problem], seed: int) -> list[Problem]:
    """The problems in an order fixed by seed and questions, whatever order they come in."""
    return sorted(problems, key=lambda problem: seed_from([seed, problem.id]))


def count(number: int, noun: str) -> str:
    """A number with its noun, such as `1 question` or `3 questions`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def quoted(problem: Problem, width: int = 60) -> str:
    """The start of a question, in quotes, for a message of one line."""
    text = " ".join(problem.text.split())
    return repr(text if len(text) <= width else text[: width - 3] + "...")


def _facts(problem: Problem) -> list[str | None]:
    """What a task's digest says of a problem; the rationale only where there is one."""
    return [problem.id, problem.gold, *([problem.rationale] if problem.rationale else [])]


def _check_filled(task: Task) -> None:
    parts = {**dict.fromkeys(REQUIRED, ()), **dict(task.parts())}
    empty = [part for part, problems in parts.items() if not problems and part != "shots"]
    if empty:
        raise DataError(f"{task.name}: {empty[0]} has no problems: give it at least one")


def check_disjoint(name: str, parts: Iterable[tuple[str, Sequence[Problem]]]) -> None:
    """Raise DataError, in the name of a task, when two of its parts share a question."""
    owner: dict[str, str] = {}
    for part, problems in parts:
        shared = [problem for problem in problems if problem.id in owner]
        if shared:
            other = owner[shared[0].id]
            raise DataError(
                f"{name}: {count(len(shared), 'question')} of {part} also in other parts, such as "
                f"{quoted(shared[0])} in {other}: remove them from one of the two"
            )
        owner.update((problem.id, part) for problem in problems)


def _without_golds(splits: Mapping[str, Sequence[Problem]]) -> list[str]:
    """What a reader should know of training problems without any gold answer."""
    train = splits.get("train", ())
    if not train or any(problem.gold is not None for problem in train):
        return []
    if "labelled" in splits:
        return ["train has no gold answers: no report can tell how right its pseudo-labels are"]
    return ["train has no gold answers: only recipes that need no labels can learn from it"]


def _check_golds(task: Task) -> None:
    for part, problems in task.parts():
        bare = [problem for problem in problems if problem.gold is None]
        unlabelled = part == "train" and ("labelled" in task.splits or len(bare) == len(problems))
        needed = part == "labelled" or (task.judge in GOLD_JUDGES and not unlabelled)
        if bare and needed:
            raise without_gold(task.name, part, bare)


def without_gold(name: str, part: str, bare: Sequence[Problem]) -> DataError:
    """What is wrong when problems of a task's part have no gold answer."""
    return DataError(
        f"{name}: {count(len(bare), 'problem')} of {part} without a gold answer, such as {quoted(bare[0])}: "
        "give each an answer or remove it"
    )


def _check_rationales(task: Task) -> None:
    valid = task.splits.get("valid", ())
    bare = [problem for problem in valid if not problem.rationale]
    if bare:
        raise DataError(
            f"{task.name}: {count(len(bare), 'problem')} of valid without a rationale, such as {quoted(bare[0])}: "
            "give each a worked solution that ends in the answer or remove it"
        )


def _check_options(task: Task) -> None:
    if task.judge != "choice":
        return
    for part, problems in task.parts():
        bare = [problem for problem in problems if not problem.options]
        if bare:
            raise DataError(
                f"{task.name}: {count(len(bare), 'problem')} of {part} without options, such as {quoted(bare[0])}: "
                "the judge choice needs them, give each its options or name another judge"
            )
