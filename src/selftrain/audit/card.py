"""An audit as rows of a Hugging Face model card: the `model-index` of the model after training."""

import math
import re
from typing import Any

from selftrain.audit.figures import Figure
from selftrain.audit.verdict import Audit
from selftrain.audit.words import visible

_METRIC = re.compile(r"(?P<greedy>greedy )?(?P<kind>(pass@|pass\^|majority@)\d+)( on (?P<suite>.*))?", re.DOTALL)
"""Figures that say how good one model is; the others only mean something beside another model's."""
_SAMPLING = ("samples", "temperature", "top_p", "top_k", "max_tokens")
"""Labels that a metric depends on."""


def card_rows(audit: Audit, *, task: str, model: str) -> str:
    """The front matter of a card as YAML text, to be put between its `---` lines.

    One result for the task and one for each suite, its `config`. The `args` of a metric have what it rests on, and
    its gain over the model before with interval. `verified` is absent: the hub alone may set it. Source:
    https://github.com/huggingface/hub-docs/blob/main/modelcard.md
    """
    import yaml

    results: dict[str | None, list[dict[str, Any]]] = {}
    for figure in audit.figures:
        found = _METRIC.fullmatch(figure.name)
        if found and math.isfinite(figure.after):
            results.setdefault(found["suite"], []).append(_metric(figure, found, audit))
    listed = [_result(visible(task), suite, metrics) for suite, metrics in results.items()]
    index = [{"name": visible(model), "results": listed}]
    return str(yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True, width=120))


def _result(task: str, suite: str | None, metrics: list[dict[str, Any]]) -> dict[str, Any]:
    dataset = {"name": task, "type": task}
    if suite is not None:
        dataset = {"name": f"{task}, {visible(suite)}", "type": task, "config": visible(suite)}
    return {"task": {"type": "text-generation"}, "dataset": dataset, "metrics": metrics}


def _metric(figure: Figure, found: re.Match[str], audit: Audit) -> dict[str, Any]:
    side = "greedy after" if found["greedy"] else "after" if found["suite"] is None else f"after on {found['suite']}"
    labels = audit.labels.get(side, {})
    args = {
        "problems": figure.problems,
        "before": visible(str(audit.labels["before"].get("model", "before"))),
        "gain": round(figure.difference, 4),
        "gain_interval": [round(figure.low, 4), round(figure.high, 4)],
        "level": round(1 - audit.settings.alpha, 4),
        **{name: labels[name] for name in _SAMPLING if name in labels},
    }
    name = f"{found['greedy'] or ''}{found['kind']}"
    return {"type": found["kind"], "value": round(figure.after, 4), "name": name, "args": args}
