"""Runs a judge in worker processes that may hang, crash or run out of memory without harm."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from itertools import islice
from multiprocessing import resource_tracker
from typing import Any, Self, get_args

from pebble import ProcessExpired, ProcessPool

from selftrain.errors import ConfigError
from selftrain.judges.base import Judge, load_judge, unjudged
from selftrain.judges.mainless import MainlessContext
from selftrain.judges.stated import ANSWER_CAP
from selftrain.records import Judgement, Mark, Problem, Question
from selftrain.scores import read_scores

_BATCH = 64
_MEMORY = 4 << 30
"""Bytes a worker may map beyond what it has mapped once its judge is loaded (Linux)."""
_PR_SET_PDEATHSIG = 1

NOT_COMPARED = "not compared with a gold answer"
"""Reason of a judgement that only reads the answer."""

Item = tuple[str, Question, str]
Marker = Callable[[Any, str], Judgement]
_judge: Judge  # of a worker process


class JudgePool:
    """A judge in `workers` processes, each judgement bounded by `deadline` seconds.

    A context manager: leaving it, by an exception or Ctrl-C too, ends the workers. Raises ConfigError or
    MissingExtraError at once when `spec` names no judge (see `load_judge`). Workers are started afresh
    ("spawn") and do not import the program's main script.
    """

    def __init__(self, spec: str, workers: int = 2, deadline: float = 10.0) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        if not deadline > 0:
            raise ValueError(f"deadline must be above 0 seconds, got {deadline}")
        self._own = load_judge(spec)
        self._ahead = 2 * workers + 2
        self._deadline = deadline
        self._pool: Any = ProcessPool(workers, initializer=_start, initargs=(spec,), context=MainlessContext())

    def __enter__(self) -> Self:
        # Threads and processes inherit the mask, so that Ctrl-C never reaches a worker, even while it starts. The
        # tracker of multiprocessing lifts the mask when it starts, so it comes first.
        resource_tracker.ensure_running()
        with _interrupts_blocked():
            started = self._pool.active
        if not started:
            raise RuntimeError("the judge's processes could not be started")
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            self._pool.close()
        self._pool.stop()
        self._pool.join()

    def judge(self, items: Iterable[tuple[str, Problem, str]]) -> Iterator[tuple[str, Judgement]]:
        """Judge (id, problem, response text) as they come; yields (id, judgement) in the same order.

        Reads a bounded number of items ahead. A response that makes the judge raise, hang or crash is
        unjudged, with the reason; its neighbours are judged.
        """
        return self._marks(_judge_one, items)

    def answers(self, items: Iterable[Item]) -> Iterator[tuple[str, Judgement]]:
        """Read the answers that responses to questions state, without gold answers; else like `judge`.

        Every judgement is `unjudged`, its reason `NOT_COMPARED`, or why there is no answer where the judge raised,
        hung or crashed. Raises ConfigError at once if the judge is a user's own without the method `answer`.
        """
        self.check_answers()
        return self._marks(_read_one, items)

    def check_answers(self) -> None:
        """Raises ConfigError if the judge is a user's own without the method `answer`."""
        if not hasattr(self._own, "answer"):
            raise ConfigError(
                f"judge '{self._own.name}' reads no answers without gold answers: "
                "give it a method answer(question, response) that returns a text or None"
            )

    def _marks(self, mark: Marker, items: Iterable[Item]) -> Iterator[tuple[str, Judgement]]:
        source = iter(items)
        waiting: deque[tuple[list[Item], Future[Any]]] = deque()
        while True:
            while len(waiting) < self._ahead and (batch := list(islice(source, _BATCH))):
                waiting.append((batch, self._schedule(_mark_all, mark, [item[1:] for item in batch])))
            if not waiting:
                return
            batch, future = waiting.popleft()
            yield from zip((item[0] for item in batch), self._batch(mark, batch, future), strict=True)

    def _batch(self, mark: Marker, batch: list[Item], future: "Future[Any]") -> Iterable[Judgement]:
        found, failure = _result(future)
        if failure is None:
            return list(found)
        if len(batch) == 1:
            return [unjudged(failure)]
        singles = [self._schedule(_mark_all, mark, [item[1:]]) for item in batch]
        return [found[0] if failure is None else unjudged(failure) for found, failure in map(_result, singles)]

    def clusters(
        self, answer_lists: Iterable[tuple[str, Sequence[str | None]]]
    ) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Cluster the answers of each group: (id, answers) to (id, one cluster number an answer), in order.

        Greedy in index order by the judge's `same` against the first member of each cluster, numbered by
        first appearance; all None are one cluster. A group that outlasts the deadline is clustered by string
        equality.
        """
        if self._own.exact_same:
            yield from ((name, cluster(answers)) for name, answers in answer_lists)
            return
        source = iter(answer_lists)
        waiting: deque[tuple[str, list[str | None], Future[Any]]] = deque()
        while True:
            for name, answers in islice(source, self._ahead - len(waiting)):
                waiting.append((name, list(answers), self._schedule(_cluster, list(answers))))
            if not waiting:
                return
            name, group, future = waiting.popleft()
            found, failure = _result(future)
            yield name, found if failure is None else cluster(group)

    def _schedule(self, function: Any, *arguments: object) -> "Future[Any]":
        future: Future[Any] = self._pool.schedule(function, args=arguments, timeout=self._deadline)
        return future


def cluster(answers: Sequence[str | None], judge: Judge | None = None) -> tuple[int, ...]:
    """Cluster numbers of a group's answers (see `JudgePool.clusters`), by string equality without a judge."""
    firsts: list[str | None] = []
    known: dict[str | None, int] = {}
    for answer in answers:
        if answer not in known:
            known[answer] = next((n for n, first in enumerate(firsts) if _same(judge, first, answer)), len(firsts))
            if known[answer] == len(firsts):
                firsts.append(answer)
    return tuple(known[answer] for answer in answers)


def _same(judge: Judge | None, a: str | None, b: str | None) -> bool:
    if judge is None or a is None or b is None:
        return False
    try:
        return bool(judge.same(a, b))
    except Exception:  # what cannot be compared is not the same
        return False


def _result(future: "Future[Any]") -> tuple[Any, str | None]:
    try:
        return future.result(), None
    except TimeoutError:
        return None, "timeout"
    except ProcessExpired:
        return None, "judge crashed"
    except MemoryError:
        return None, "judge ran out of memory"


def _start(spec: str) -> None:
    global _judge
    if sys.platform == "linux":
        _die_with_parent()
    _judge = load_judge(spec)
    if sys.platform == "linux":
        import resource

        with open("/proc/self/statm") as file:
            mapped = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (mapped + _MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _die_with_parent() -> None:
    """Has the kernel end this worker when its parent is killed, even in the middle of a hanging judgement."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():  # it was killed before the kernel knew
        os._exit(1)


def _mark_all(mark: Marker, items: list[tuple[Any, str]]) -> list[Judgement]:
    return [_marked(mark, question, response) for question, response in items]


def _marked(mark: Marker, question: Any, response: str) -> Judgement:
    try:
        return mark(question, response)
    except Exception as error:
        return unjudged(f"judge raised {type(error).__name__}: {' '.join(str(error).split())}"[:300])


def _judge_one(problem: Problem, response: str) -> Judgement:
    return _checked(_judge.judge(problem, response))


def _read_one(question: Question, response: str) -> Judgement:
    blind = question.without_gold() if isinstance(question, Problem) else question
    answer = _judge.answer(blind, response)
    found = _checked(unjudged(NOT_COMPARED, answer))
    return found if found.answer is None else replace(found, answer=found.answer[:ANSWER_CAP])


def _checked(found: object) -> Judgement:
    """What a user's judge returned, if it is a judgement that can be stored."""
    if not isinstance(found, Judgement):
        return unjudged(f"the judge returned {type(found).__name__}, not a Judgement")
    fields: dict[str, object] = {name: getattr(found, name) for name in ("judgement", "answer", "reason")}
    if fields["judgement"] not in get_args(Mark):
        return unjudged(f"the judge's judgement is {fields['judgement']!r}, not {', '.join(get_args(Mark))}"[:300])
    for name, kinds in {"answer": (str, type(None)), "reason": (str,)}.items():
        if not isinstance(fields[name], kinds):
            return unjudged(f"the judge's {name} is {type(fields[name]).__name__}, not text")
    try:
        return replace(found, scores=read_scores(found.scores))
    except ValueError as error:
        return unjudged(f"the judge gave {error}")


def _cluster(answers: list[str | None]) -> tuple[int, ...]:
    return cluster(answers, _judge)


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
