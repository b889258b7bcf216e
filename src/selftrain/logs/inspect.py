"""Logs of Inspect (`.eval`, `.json`): epochs are the responses of a problem, its first scorer tells which are right."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

from selftrain.digest import normal_text
from selftrain.errors import DataError, MissingExtraError
from selftrain.logs.log import Row, Source, is_number, whole_text

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample, EvalSampleSummary

_CHUNK = 64
"""Samples that are held at once."""
_LARGEST = 1 << 28
"""Bytes of a sample of an .eval log, or of a whole .json log, that are read."""
_NOT_READ = {"messages", "events", "store", "attachments"}
_MARKS = {"C": "right", "I": "wrong", "N": "wrong", 1: "right", 0: "wrong"}
_FINISHES = {"stop": "stop", "tool_calls": "stop", "max_tokens": "length", "model_length": "length"}
_CUTS = ("token", "context")
"""Limits that cut what a model was writing."""
_SETTINGS = ("temperature", "top_p", "max_tokens")
_PADDED = "hf/"
"""A provider that counts the tokens of the longest response of a batch for each of its responses."""


def source(path: Path) -> Source:
    """The responses of a log, a few in memory at once if it is an .eval; their text is the model's last output.

    C and 1 are right; I, N (no answer) and 0 are wrong; any other score is unjudged, and so is what an error ended, or
    a limit before there was a score. What a limit of tokens or context ended was cut. An answer is what the scorer
    found. Raises MissingExtraError without inspect-ai, and DataError for a log that is damaged or not scored.
    """
    try:
        from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries
    except ImportError:
        raise MissingExtraError("inspect-ai", "inspect") from None
    path = path.resolve()  # what begins with a slash is never taken for an address
    with _reading(path):
        _check(path)
        header = read_eval_log(path, header_only=True)
        summaries = read_eval_log_sample_summaries(path)
    scorers = list(dict.fromkeys(name for summary in summaries for name in summary.scores or ()))
    if not scorers:
        raise DataError(f"{path} has no score in its {len(summaries):,} samples: run inspect score on it first")
    notes = _notes(header, scorers)
    scores = [(summary.scores or {}).get(scorers[0]) for summary in summaries]
    silent = set() if any(score and score.answer for score in scores) else {"answer"}
    if header.eval.model.startswith(_PADDED):
        silent.add("tokens")
        notes.append("lengths in tokens are left out: the hf provider of Inspect counts padding")
    return Source(_labels(header), _rows(path, summaries, scorers[0], silent, notes), notes)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever the libraries of zip, JSON, pydantic and Inspect say of a damaged log becomes one line."""
    try:
        yield
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise DataError(f"{path} is no log of Inspect, or not a whole one ({reason}): copy it again") from error


def _check(path: Path) -> None:
    """Raises ValueError or RecursionError for what would take up the memory while it is read."""
    sizes = [path.stat().st_size]
    if path.suffix.lower() == ".eval":
        with ZipFile(path) as file:
            sizes = [part.file_size for part in file.infolist()]
    if max(sizes, default=0) > _LARGEST:
        raise ValueError(f"{max(sizes):,} bytes in one piece, {_LARGEST:,} are read at most")
    if path.suffix.lower() == ".json":
        json.loads(path.read_bytes())  # refuses deep nesting, for which the streaming parser takes a square of it


def _notes(header: "EvalLog", scorers: Sequence[str]) -> list[str]:
    notes = []
    if len(scorers) > 1:
        notes.append(f"right or wrong is told by the scorer {scorers[0]}; also in the log: {', '.join(scorers[1:])}")
    if header.status != "success":
        notes.append(f"the evaluation did not end well (status {header.status}): some samples may be missing")
    return [whole_text(normal_text(note))[:300] for note in notes]


def _labels(header: "EvalLog") -> dict[str, Any]:
    """Of the task's settings and the model's; the former hold the latter."""
    labels: dict[str, Any] = {"model": whole_text(header.eval.model)[:200], "task": whole_text(header.eval.task)[:200]}
    for name in _SETTINGS:
        for config in (header.eval.model_generate_config, header.plan.config):
            if is_number(value := getattr(config, name)):
                labels[name] = value
    return {**labels, "samples": header.eval.config.epochs or 1}


def _rows(
    path: Path, summaries: "Sequence[EvalSampleSummary]", scorer: str, silent: set[str], notes: list[str]
) -> Iterator[tuple[None, Row]]:
    """The row of each sample, without what the log as a whole does not say; counts the unjudged ones into notes."""
    unjudged: Counter[str] = Counter()
    total = 0
    for sample in _samples(path, summaries):
        with _reading(path):
            judgement, reason = _judged(sample, scorer)
            row = {**_row(sample, scorer), "judgement": judgement}
        total += 1
        unjudged.update([reason] if judgement == "unjudged" else [])
        yield None, {key: value for key, value in row.items() if key not in silent}
    if unjudged:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(unjudged.items()))
        notes.append(f"{unjudged.total():,} of {total:,} responses are unjudged: {reasons}")


def _samples(path: Path, summaries: "Sequence[EvalSampleSummary]") -> "Iterator[EvalSample]":
    from inspect_ai.log import read_eval_log, read_eval_log_samples_by_id

    if path.suffix.lower() == ".json":
        with _reading(path):
            samples = read_eval_log(path).samples
        yield from samples or ()
        return
    keys = [(summary.id, summary.epoch) for summary in summaries]
    for start in range(0, len(keys), _CHUNK):
        with _reading(path):
            chunk = read_eval_log_samples_by_id(path, keys[start : start + _CHUNK], exclude_fields=_NOT_READ)
        yield from chunk


def _judged(sample: "EvalSample", scorer: str) -> tuple[str, str]:
    """The judgement, and the reason for one that is none."""
    score = (sample.scores or {}).get(scorer)
    if sample.error is not None:
        return "unjudged", "ended by an error"
    if sample.invalidation is not None:
        return "unjudged", "invalidated"
    if score is None:
        return "unjudged", "without a score" if sample.limit is None else "ended by a limit"
    value = score.value
    mark = _MARKS.get(value) if isinstance(value, str | int | float) else None
    return (mark, "") if mark else ("unjudged", "with a score between right and wrong")


def _row(sample: "EvalSample", scorer: str) -> Row:
    """A sample under the row contract, without its judgement."""
    output, score = sample.output, (sample.scores or {}).get(scorer)
    row: Row = {"problem": str(sample.id), "index": sample.epoch - 1, "response": output.completion}
    row["question"] = _question(sample)
    row["answer"] = (score.answer or None) if score else None
    if output.usage:
        row["tokens"] = output.usage.output_tokens
    if output.choices and (finish := _FINISHES.get(output.choices[0].stop_reason)):
        row["finish"] = finish
    if sample.limit is not None and sample.limit.type in _CUTS:
        row["finish"] = "length"
    if output.choices and (logprobs := output.choices[0].logprobs) and logprobs.content:
        nll = -math.fsum(token.logprob for token in logprobs.content) / len(logprobs.content)
        row.update({"nll": nll} if math.isfinite(nll) else {})
    level = sample.metadata.get("level")
    if isinstance(level, str | int):
        row["level"] = str(level)
    return row


def _question(sample: "EvalSample") -> str:
    """The input, of a conversation what the user said last."""
    if isinstance(sample.input, str):
        return sample.input
    return next((message.text for message in reversed(sample.input) if message.role == "user"), "")
