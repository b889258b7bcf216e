"""metrics.jsonl: what each stage of a run took, and the course of its trainings."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from selftrain.progress import PLAIN_SECONDS, say
from selftrain.store import append_json, read_json_lines


class Count(Protocol):
    """Adds to the totals of a stage."""

    def __call__(
        self,
        *,
        rows: int = 0,
        tokens: int = 0,
        prompt_tokens: int = 0,
        problem_tokens: int = 0,
        prefill_tokens: int = 0,
    ) -> None:
        """Adds `rows` made, `tokens` drawn or scored, and tokens of the prompts.

        A prompt counts in `prompt_tokens` for each of its rows, in `problem_tokens` once, and in `prefill_tokens`
        as often as the engine read it.
        """


class Metrics:
    """Appends to a run's metrics.jsonl; with no path it measures and forgets."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.round = 0
        """The round that what comes next belongs to."""

    def logs_of(self, training: str) -> Path | None:
        """The folder beside the run's metrics for what a training reports to other loggers; None without a run."""
        return self._path and self._path.parent / "logs" / f"{self._path.parent.name}-{training}"

    def write(self, event: str, **values: Any) -> None:
        """Adds one line."""
        if self._path is not None:
            append_json(self._path, {"event": event, "round": self.round, **values})

    @contextmanager
    def stage(self, name: str, wanted: int, *, silent_if_done: bool = True) -> Iterator[Count]:
        """Times a stage and counts the rows (and tokens) it made; rows read back are not made.

        A stage that made nothing is passed over in silence unless `silent_if_done` is false.
        """
        made = dict.fromkeys(("rows", "tokens", "prompt_tokens", "problem_tokens", "prefill_tokens"), 0)

        def count(**more: int) -> None:
            for key, value in more.items():
                made[key] += value

        start = time.monotonic()
        try:
            yield count
        finally:
            seconds = time.monotonic() - start
            if made["rows"] or seconds > 1 or not silent_if_done:
                self.write("stage", stage=name, wanted=wanted, seconds=round(seconds, 3), **made)
        if silent_if_done and not made["rows"]:
            return
        back = wanted - made["rows"]
        note = f", {back:,} read back" if back else ""
        tokens = f", {made['tokens'] / seconds:,.0f} tokens/s" if made["tokens"] else ""
        read = ""
        if made["problem_tokens"]:
            read = f", {made['prefill_tokens'] / made['problem_tokens']:.2f} prompts read a problem"
        say(f"round {self.round} {name}: {made['rows']:,} new{note} in {seconds:.1f} s{tokens}{read}")

    @contextmanager
    def training(self) -> Iterator[Any]:
        """A sink for the logs of a training: every step to the file, some of them to the terminal."""
        last = time.monotonic()

        def log(values: dict[str, float]) -> None:
            nonlocal last
            self.write("train", **values)
            if time.monotonic() - last >= PLAIN_SECONDS:
                last = time.monotonic()
                say(f"  train: step {values['step']:.0f} of {values['total_steps']:.0f}, loss {values['loss']:.3f}")

        yield log

    def stage_totals(self) -> dict[str, dict[str, float]]:
        """Seconds, rows and tokens by stage over the whole run.

        What a killed process was at is not counted, nor what a damaged line told.
        """
        totals: dict[str, dict[str, float]] = {}
        for line in read_stage_lines(self._path) if self._path else ():
            stage = totals.setdefault(line["stage"], {"seconds": 0.0, "rows": 0, "tokens": 0})
            for key in stage:
                stage[key] += line[key]
        return totals


def read_stage_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a metrics.jsonl that tell of a stage; damaged ones are passed over."""
    for line in read_json_lines(path):
        if isinstance(line, dict) and line.get("event") == "stage" and isinstance(line.get("stage"), str):
            numbers = ("round", "seconds", "rows", "tokens", "prompt_tokens")
            if all(isinstance(line.get(key), int | float) for key in numbers):
                yield line
