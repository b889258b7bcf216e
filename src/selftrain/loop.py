"""run(): the loop of rounds. Sample, judge, weigh or select, train, audit; promote the candidate or keep its parent."""

from dataclasses import dataclass
from pathlib import Path

from selftrain.audit import Audit
from selftrain.config import RunConfig
from selftrain.errors import SelftrainError
from selftrain.progress import say
from selftrain.report import write_report
from selftrain.session import Session, open_session


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run."""

    folder: Path
    promoted: tuple[int, ...]
    """Rounds whose candidate was promoted."""
    audit: Audit | None
    """The final model against the base on `audit.split`; None if nothing was promoted."""
    lines: tuple[str, ...]
    """The story of the run, for people."""


def run(config: RunConfig) -> Result:
    """Runs, resumes or extends a run. Killed anywhere and called again, it ends as if it had not been killed."""
    with open_session(config) as session:
        result = turns(session)
        try:
            write_report(session.folder.path)
        except SelftrainError as error:  # the verdict is not lost with the page
            say(f"note: no page was written: {error}")
        return result


def turns(session: Session) -> Result:
    """The rounds of a run, whatever its session's verbs are: the durable ones, or a plan's on paper."""
    config, parent = session.config, session.base
    promoted: list[int] = []
    refused = 0
    session.baseline()
    for number in range(1, config.rounds + 1):
        round = session.round(number, parent)
        rows = session.recipe(round, session.options)
        session.keep_rows(round, rows)
        winner = session.decide(round, round.candidate(rows)) if rows else None
        if winner:
            parent, refused = winner, 0
            promoted.append(number)
        else:
            refused += 1
        if refused == config.stop_after_refused:
            break
    audit = session.final_audit(parent) if promoted else None
    return Result(session.folder.path, tuple(promoted), audit, session.finish(parent, promoted, audit))
