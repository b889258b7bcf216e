"""Samples of lm-evaluation-harness (`lm_eval --log_samples`): what was sampled, and whether it was right."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from selftrain.digest import normal_text
from selftrain.errors import DataError
from selftrain.logs.log import Row, Source, is_number, whole_text
from selftrain.tasks.tables import read_rows

METRICS = ("exact_match", "acc", "math_verify", "pass@1", "prompt_level_strict_acc", "accuracy", "acc_norm")
"""Metrics that mark a response 1 (right) or 0 (wrong), the first choice first."""
_MARKS = {1: "right", 0: "wrong", "True": "right", "False": "wrong"}
_NOT_FOUND = "[invalid]"
"""What the harness's regular expressions leave of a response without an answer."""
_NO_FILTER = "none"
_VOTE = "maj@"
"""How the names of filters begin that leave the majority's answer."""
_NAME = re.compile(r"samples_(.+)_(\d{4}-\d\d-\d\dT[\d.-]+)")
_MOST_FILTERS = 100
_MOST_RESULTS = 1 << 26
"""Bytes of results that are read."""
_LONGEST = 200
"""Characters of a label."""
_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""Names of the token cap, in the order the harness heeds them."""


def source(path: Path) -> Source:
    """The responses of a `samples_TASK_DATE.jsonl`, with labels from the `results_DATE.json` beside it.

    The log has a row for each problem and filter; read are those of the last filter that is no majority vote. Right or
    wrong is what the first of METRICS there says, else the task's only metric. Of several responses to a problem
    (`repeats`) the harness marks what the filter leaves, usually the first, and that one alone is read, unless the
    metric has a value for each. Of multiple choice the response is the likeliest option. A problem's id is the hash
    of its content; of several documents with one, the first is read. Raises DataError for what is no such log.
    """
    filters: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for place, row in read_rows(path):
        filters.setdefault(_filter(row), (place, row))
        if len(filters) > _MOST_FILTERS:
            raise DataError(f"{path} has more than {_MOST_FILTERS} filters: wanted samples of one task")
    chosen = [name for name in filters if not name.startswith(_VOTE)] or list(filters)
    place, first = filters[chosen[-1]]
    metric = _metric(first, place)
    notes = _choices(list(filters), chosen[-1], first, metric)
    labels = {**_settings(first), **_results(path, notes)}
    return Source(labels, _rows(path, chosen[-1], metric, notes), notes)


def _filter(row: Mapping[str, Any]) -> str:
    return str(row.get("filter", _NO_FILTER))


def _metric(row: Mapping[str, Any], place: str) -> str:
    given = row.get("metrics")
    metrics = [str(name) for name in given] if isinstance(given, list) else [name for name in METRICS if name in row]
    for name in METRICS:
        if name in metrics:
            return name
    if len(metrics) == 1 and metrics[0].isprintable():
        return metrics[0]
    raise DataError(
        f"{place} has no metric that tells right from wrong (metrics: {str(metrics)[:100]}): "
        f"wanted one of {', '.join(METRICS)}"
    )


def _choices(filters: list[str], chosen: str, row: Mapping[str, Any], metric: str) -> list[str]:
    """A note if there was a choice of filter or metric."""
    metrics = row.get("metrics")
    others = [f"filter {name}" for name in filters if name != chosen]
    others += [f"metric {name}" for name in (metrics if isinstance(metrics, list) else []) if name != metric]
    told = f"right or wrong is told by {metric} of the filter {chosen}; also in the log: {', '.join(others)}"
    return [whole_text(normal_text(told))[:300]] if others else []


def _rows(path: Path, chosen: str, metric: str, notes: list[str]) -> Iterator[tuple[None, Row]]:
    rows = unjudged = first_only = twice = 0
    seen: set[str] = set()
    for place, row in read_rows(path):
        if _filter(row) != chosen:
            continue
        common = _problem(row, place)
        if common["problem"] in seen:
            twice += 1
            continue
        seen.add(common["problem"])
        found = _options(row, metric) if _is_choice(row, place) else _responses(row, chosen, metric, place)
        first_only += len(found) < len(row["resps"][0])
        for response in found:
            rows += 1
            unjudged += response["judgement"] == "unjudged"
            yield None, {**common, **response}
    if unjudged:
        notes.append(f"{unjudged:,} of {rows:,} responses have no {metric} of 0 or 1: they are unjudged")
    if twice:
        notes.append(f"{twice:,} documents repeat an earlier one, and were left out")
    if first_only:
        notes.append(f"{first_only:,} problems have several responses and one {metric}: one response is read")


def _problem(row: Mapping[str, Any], place: str) -> Row:
    identity, doc = row.get("doc_hash", row.get("doc_id")), row.get("doc")
    if not isinstance(identity, str | int):
        raise DataError(f"{place} has neither doc_hash nor doc_id: wanted a row of lm_eval --log_samples")
    content = doc if isinstance(doc, dict) else {}
    found: Row = {"problem": str(identity)}
    for text in (content.get("question"), content.get("problem"), _argument(row, 0, 0)):
        if isinstance(text, str):
            found["question"] = text
            break
    if isinstance(content.get("level"), str | int):
        found["level"] = str(content["level"])
    return found


def _argument(row: Mapping[str, Any], request: int, number: int) -> Any:
    """What a request was made with: 0 is the prompt, 1 the option or the settings of generation."""
    try:
        return row["arguments"][f"gen_args_{request}"][f"arg_{number}"]
    except (KeyError, TypeError):
        return None


def _is_choice(row: Mapping[str, Any], place: str) -> bool:
    """Whether likelihoods of options were measured and nothing was sampled."""
    resps, filtered = row.get("resps"), row.get("filtered_resps")
    nested = isinstance(resps, list) and resps and all(isinstance(one, list) and one for one in resps)
    if not nested or not isinstance(filtered, list) or not filtered:
        raise DataError(f"{place} has no resps and filtered_resps: wanted a row of lm_eval --log_samples")
    return isinstance(row["resps"][0][0], list)


def _options(row: Mapping[str, Any], metric: str) -> list[Row]:
    """The likeliest option, where that is what the metric marks."""
    found: Row = {"judgement": _mark(row.get(metric))}
    options = row["filtered_resps"]
    if metric == "acc" and "acc_mutual_info" not in row and len(options) > 1:
        try:
            likelihoods = [float(likelihood) for likelihood, _ in options]
        except (TypeError, ValueError):
            return [found]
        best = likelihoods.index(max(likelihoods))
        found["answer"] = str(best)
        if isinstance(text := _argument(row, best, 1), str):
            found["response"] = text
    return [found]


def _responses(row: Mapping[str, Any], chosen: str, metric: str, place: str) -> list[Row]:
    texts, filtered, value = row["resps"][0], row["filtered_resps"][0], row.get(metric)
    if not all(isinstance(text, str) for text in texts):
        raise DataError(f"{place} has resps that are no texts: wanted a row of lm_eval --log_samples")
    if isinstance(value, list) and len(value) == len(texts):
        answers = filtered if isinstance(filtered, list) and len(filtered) == len(texts) else [None] * len(texts)
        given = zip(texts, value, answers, strict=True)
        return [{"response": text, "judgement": _mark(mark), **_answer(answer, chosen)} for text, mark, answer in given]
    if isinstance(filtered, list) and len(filtered) > 1:
        raise DataError(
            f"{place} has one {metric} for {len(filtered)} responses together: "
            "evaluate with a filter that takes one response, or with repeats: 1"
        )
    text = {} if chosen.startswith(_VOTE) else {"response": texts[0]}
    return [{**text, "judgement": _mark(value), **_answer(filtered, chosen)}]


def _answer(filtered: Any, chosen: str) -> Row:
    """The answer, where a filter looked for one."""
    if chosen == _NO_FILTER or not isinstance(filtered, str):
        return {}
    return {"answer": None if filtered == _NOT_FOUND else filtered}


def _mark(value: Any) -> str:
    return _MARKS.get(value, "unjudged") if isinstance(value, str | int | float) else "unjudged"


def _settings(row: Mapping[str, Any]) -> Row:
    """Temperature, top_p and max_tokens of a generation."""
    given = _argument(row, 0, 1)
    if not isinstance(given, dict):
        return {}
    settings: Row = {name: given[name] for name in ("temperature", "top_p") if name in given}
    if not given.get("do_sample", settings.get("temperature")):
        settings = {"temperature": 0.0}
    cap = [given[name] for name in _LENGTHS if given.get(name) is not None]
    settings.update({"max_tokens": cap[0]} if cap else {})
    return {name: value for name, value in settings.items() if is_number(value)}


def _results(path: Path, notes: list[str]) -> Row:
    """Task, model, shots and chat template, from the results that the harness wrote at the same time."""
    name = _NAME.fullmatch(path.stem)
    beside = sorted(path.parent.glob(f"*_{name[2]}.json")) if name else []
    if name is None or not beside:
        notes.append("there are no results (results_DATE.json) beside the samples: the model is not known")
        return {"task": name[1]} if name else {}
    results = _read(beside[0])
    known = {
        "model": results.get("model_name"),
        "shots": (results.get("n-shot") or {}).get(name[1]),
        "chat_template": results.get("chat_template_sha"),
    }
    texts = {key: whole_text(value)[:_LONGEST] for key, value in known.items() if isinstance(value, str)}
    return {"task": name[1], **texts, **{key: value for key, value in known.items() if isinstance(value, int)}}


def _read(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _MOST_RESULTS:
            raise ValueError("too large")
        results = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(results, dict) or not isinstance(results.get("n-shot", {}), dict):
            raise ValueError("no results")
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} cannot be read ({reason}): restore it, or move it away from the samples") from None
    return results
