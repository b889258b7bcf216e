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

FAILED = 3
"""Exit code for a verdict that was to fail; errors have others."""
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
    """Audits, prints and exports what a command line names; gives `FAILED` for a verdict in `fail_on`, else 0."""
    verdicts = _verdicts(fail_on)
    changes = [word for word in words if "=" in word and not Path(word).exists()]
    if texts and models is None:
        raise ConfigError("--text wants --models BEFORE AFTER: the two models to read it with")
    measured = measure_texts(models, _by_name(texts)) if texts and models else {}
    paths = [Path(word) for word in words if word not in changes]
    settings = _settings(paths, read_overrides(changes, named=("margins",)))
    audit = audit_logs(paths, null=null, texts=measured, embeddings=embeddings, settings=settings)
    written = [(kind, path) for kind, path in exports.items() if path is not None]
    for kind, path in written:  # first, whoever stops reading what is printed
        write_text(path, _EXPORTS[kind](audit))
    print("\n".join([printed(audit), *(f"wrote {path}" for _, path in written)]))
    return FAILED if audit.verdict in verdicts else 0


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
    if not paths:
        raise ConfigError("there is nothing to audit: give two logs, BEFORE and AFTER, or the folder of a run")
    if null and null.resolve() == paths[0].resolve():
        raise ConfigError(f"--null {null} is BEFORE itself: give a log of the same model, sampled again")
    embed = load_embedder(embeddings) if embeddings else None
    again = read_logs([null], embed=embed)[0] if null else None
    if len(paths) == 1:
        return _audit_run(paths[0], again, texts, embed, settings)
    first, *others = read_logs(paths, embed=embed)
    pairs = [match(first, log) for log in others]
    before, after = pairs[-1]
    matched = [log for _, log in pairs]
    fresh = match(first, again)[1] if again else None
    audit = compare(
        before.main,
        after.main,
        null=fresh.main if fresh else None,
        suites=_suites(before, after),
        texts=texts,
        rounds=[first.main, *(log.main for log in matched)],
        lone=_lone_suites(before, after),
        settings=settings,
    )
    between = {f"round {number}": log for number, log in enumerate(matched[:-1], start=1)}
    return _noted(audit, {"before": before, **between, "after": after, **({"null": fresh} if fresh else {})})


def _by_name(texts: Sequence[Path]) -> dict[str, Path]:
    named = {path.stem: path for path in texts}
    if len(named) < len(texts):
        raise ConfigError(f"--text names {len(texts)} files of {len(named)} names: give each another name")
    return named


def _settings(paths: Sequence[Path], changes: Mapping[str, Any]) -> AuditSettings:
    """The default settings, or those of the run that is audited, with some changed."""
    own = read_run(paths[0]).config["audit"]["settings"] if len(paths) == 1 and is_run(paths[0]) else {}
    margins = changes.get("margins")
    both = {"margins": {**own.get("margins", {}), **margins}} if isinstance(margins, Mapping) else {}
    return parse(AuditSettings, {**own, **changes, **both}, "")


def _audit_run(
    path: Path, null: Log | None, texts: Texts | None, embed: Embed | None, settings: AuditSettings | None
) -> Audit:
    if not (path / "run.yaml").is_file():
        raise ConfigError(f"{path} is not the folder of a run: give two logs to compare, BEFORE and AFTER")
    sides = run_sides(path, embed)
    before, after = sides["before"], sides["after"]
    fresh = match(before, null)[1] if null else None
    audit = compare(
        before.main,
        after.main,
        same_prompt=sides["same prompt"],
        null=fresh.main if fresh else sides["null"],
        suites=_suites(before, after),
        texts=texts,
        greedy=sides["greedy"],
        rounds=run_rounds(path),
        settings=settings,
    )
    audit = _noted(audit, {"before": before, "after": after, **({"null": fresh} if fresh else {})})
    if missing := _not_again(path, audit):
        note = f"the run's own audit has {'; '.join(missing)}, too: give --text with --models, or --embeddings"
        audit = replace(audit, warnings=(*audit.warnings, note))
    return audit


def _not_again(path: Path, audit: Audit) -> list[str]:
    """Figures that the run's own audit has and this one lacks: those that need a model to measure."""
    own = read_run(path).latest
    there = {figure.name for figure in audit.figures}
    return [figure.name for figure in own[0].figures if figure.name not in there] if own else []


def _suites(before: Log, after: Log) -> dict[str, tuple[Cell, Cell]]:
    """The out-of-distribution suites that both logs have."""
    return {name: (cell, after.cells[name]) for name, cell in before.cells.items() if name and name in after.cells}


def _lone_suites(before: Log, after: Log) -> dict[str, str]:
    """Guards on suites that only one log has, and why they cannot be told."""
    logs = {"after": before, "before": after}  # a suite of the one that the other, which is named, lacks
    return {
        f"pass@1 on {suite}": f"{lacking} has no responses to it"
        for lacking, log in logs.items()
        for suite in log.cells
        if suite and (suite not in before.cells or suite not in after.cells)
    }


def _noted(audit: Audit, logs: Mapping[str, Log]) -> Audit:
    """The audit with what the readers of its logs noted."""
    notes = [f"{name}: {note}" for name, log in logs.items() for note in log.notes]
    if logs["before"].path.resolve() == logs["after"].path.resolve() and not is_run(logs["before"].path):
        notes.append("before and after are one file")
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
