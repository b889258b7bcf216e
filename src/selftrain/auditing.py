"""Auditing logs outside a run: from paths, whoever made what lies there, to an audit and its exports."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from selftrain.audit import Audit, AuditSettings, Cell, TextLoss, Verdict, compare
from selftrain.audit.card import card_rows
from selftrain.audit.markdown import markdown
from selftrain.audit.table import printed
from selftrain.config import read_overrides
from selftrain.embeddings import Embed, load_embedder
from selftrain.errors import ConfigError
from selftrain.logs import Log, is_run, match, read_logs, run_rounds, run_sides
from selftrain.report.record import read_run
from selftrain.store import write_text
from selftrain.texts import measure_texts
from selftrain.validation import parse

Texts = Mapping[str, tuple[TextLoss, TextLoss]]


def audit_files(
    words: Sequence[str],
    null: Path | None,
    embeddings: str | None,
    texts: Sequence[Path],
    models: tuple[str, str] | None,
    exports: Mapping[str, Path | None],
    fail_on: str,
) -> int:
    """Audits, prints and exports what a command line names; returns 1 for a verdict it asks to fail on, else 0."""
    verdicts = _verdicts(fail_on)
    changes = [word for word in words if "=" in word and not Path(word).exists()]
    if texts and models is None:
        raise ConfigError("--text wants --models BEFORE AFTER: the two models to read it with")
    measured = measure_texts(models, {path.stem: path for path in texts}) if texts and models else {}
    paths = [Path(word) for word in words if word not in changes]
    settings = _settings(paths, read_overrides(changes))
    audit = audit_logs(paths, null=null, texts=measured, embeddings=embeddings, settings=settings)
    print(printed(audit))
    for kind, path in exports.items():
        if path is not None:
            write_text(path, _EXPORTS[kind](audit))
            print(f"wrote {path}")
    return int(audit.verdict in verdicts)


def audit_logs(
    paths: Sequence[Path],
    *,
    null: Path | None = None,
    texts: Texts | None = None,
    embeddings: str | None = None,
    settings: AuditSettings | None = None,
) -> Audit:
    """Audits the last log against the first; those between are of the rounds between.

    One path is a run's folder: its final model against its base, from what the run's own audit was made of.
    `null`: a log of the first model, sampled again. `texts`: see `compare`. `embeddings`: see `load_embedder`; without
    it the semantic diversity of responses is left out. Raises DataError for logs that cannot be read or compared.
    """
    embed = load_embedder(embeddings) if embeddings else None
    if not paths:
        raise ConfigError("there is nothing to audit: give two logs, BEFORE and AFTER, or the folder of a run")
    if len(paths) == 1:
        return _audit_run(paths[0], embed, texts, settings)
    logs = read_logs([*paths, *([null] if null else [])], embed=embed)
    first = logs[0]
    matched = [match(first, log) for log in logs[1:]]
    before, after = matched[len(paths) - 2]
    fresh = matched[-1][1] if null else None
    audit = compare(
        before.main,
        after.main,
        null=fresh.main if fresh else None,
        suites=_suites(before, after),
        texts=texts,
        rounds=[first.main, *(log.main for _, log in matched[: len(paths) - 1])],
        settings=settings,
    )
    return _noted(audit, {"before": before, "after": after, **({"null": fresh} if fresh else {})})


def _settings(paths: Sequence[Path], changes: Mapping[str, Any]) -> AuditSettings:
    """The default settings, or those of the run that is audited, with some changed."""
    own = read_run(paths[0]).config["audit"]["settings"] if len(paths) == 1 and is_run(paths[0]) else {}
    return parse(AuditSettings, {**own, **changes}, "")


def _audit_run(path: Path, embed: Embed | None, texts: Texts | None, settings: AuditSettings | None) -> Audit:
    if not is_run(path):
        raise ConfigError(f"{path} is not the folder of a run: give two logs to compare, BEFORE and AFTER")
    sides = run_sides(path, embed)
    before, after = sides["before"], sides["after"]
    audit = compare(
        before.main,
        after.main,
        same_prompt=sides["same prompt"],
        null=sides["null"],
        suites=_suites(before, after),
        texts=texts,
        greedy=sides["greedy"],
        rounds=run_rounds(path),
        settings=settings,
    )
    audit = _noted(audit, {"before": before, "after": after})
    own = read_run(path).latest
    missing = [f.name for f in own[0].figures if f.name not in {g.name for g in audit.figures}] if own else []
    if missing:
        note = (
            f"the run's own audit has {', '.join(missing)}, too: give --text with --models, or --embeddings, for these"
        )
        audit = replace(audit, warnings=(*audit.warnings, note))
    return audit


def _suites(before: Log, after: Log) -> dict[str, tuple[Cell, Cell]]:
    """The out-of-distribution suites that both logs have."""
    return {name: (cell, after.cells[name]) for name, cell in before.cells.items() if name and name in after.cells}


def _noted(audit: Audit, logs: Mapping[str, Log]) -> Audit:
    """The audit with what the readers of its logs noted."""
    notes = [f"{name}: {note}" for name, log in logs.items() for note in log.notes]
    lone = logs["before"].cells.keys() ^ logs["after"].cells.keys()
    notes += [f"suite {name} is in one log only and was left out" for name in sorted(map(str, lone))]
    return replace(audit, warnings=(*audit.warnings, *notes))


def _verdicts(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in get_args(Verdict):
            raise ConfigError(f"--fail-on has {name[:40]!r}: name verdicts of {', '.join(get_args(Verdict))}")
    return names


def _json(audit: Audit) -> str:
    return json.dumps(audit.to_json(), indent=2, ensure_ascii=False) + "\n"


def _card(audit: Audit) -> str:
    model = str(audit.labels["after"].get("model", "after"))
    return card_rows(audit, task=str(audit.labels["after"].get("task", "sampled problems")), model=model)


_EXPORTS = {"json": _json, "markdown": markdown, "card": _card}
