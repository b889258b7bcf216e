"""What the explorer of a page lists: problems with their responses, as plain JSON values ready to be shown."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from selftrain.audit import Audit
from selftrain.report.changes import Change, changes
from selftrain.report.pseudo import confident, ranked
from selftrain.report.record import RoundRecord, RunRecord
from selftrain.report.responses import Drawn, Responses, Shown
from selftrain.report.segment_pieces import chain_facts, characters, shown_pieces
from selftrain.report.segments import cut_of, relative_scores
from selftrain.report.words import clipped
from selftrain.segments.chains import Chain
from selftrain.store import Row

LONGEST = 10_000
"""Characters of a text that are shown."""
SHORT = 300
"""Characters of an answer or a reason that are shown."""


@dataclass(frozen=True, slots=True)
class View:
    """A list of problems, each with one or two sets of responses."""

    title: str
    sides: tuple[str, ...]
    """Names of the sets: before and after, or the one drawn for training."""
    problems: tuple[Row, ...]
    drawn: tuple[Drawn, ...]
    """One a side."""
    uses: Mapping[str, Sequence[tuple[str, float]]]
    """How responses were trained on, by id: the side of each row that one is in, and the row's weight."""
    labels: Mapping[str, Row] = field(default_factory=dict)
    """In a list of pseudo-labels the row of each by its response's id."""
    chains: Mapping[str, Chain] = field(default_factory=dict)
    """In a list of chains each by its response's id."""
    cut: float = math.nan
    """Above how many times the mean of its chain a piece is abstractive; nan if it is not known."""

    def items(self, most: int) -> list[list[Any]]:
        """The first problems that have responses: id, part, family, level, question, gold and the sides."""
        shown = [row for row in self.problems if any(side.get(row["id"]) for side in self.drawn)]
        return [self._item(row) for row in shown[:most]]

    def __len__(self) -> int:
        return sum(any(side.get(row["id"]) for side in self.drawn) for row in self.problems)

    def characters(self) -> int:
        """Characters of its responses, as shown: an estimate of its size."""
        return sum(
            self._characters(shown) + len(shown.reason) + 40
            for side in self.drawn
            for responses in side.values()
            for shown in responses
        )

    def _characters(self, shown: Shown) -> int:
        return characters(self.chains[shown.id], LONGEST) if self.chains else min(len(shown.text), LONGEST)

    def _item(self, row: Row) -> list[Any]:
        heads = [clipped(row[name] or "", SHORT) for name in ("id", "part", "family", "level")]
        sides = [[self._response(shown) for shown in side.get(row["id"], ())] for side in self.drawn]
        return [*heads, clipped(question(row), LONGEST), clipped(row["gold"] or "", LONGEST), sides]

    def _response(self, shown: Shown) -> list[Any]:
        answer = None if shown.answer is None else clipped(shown.answer, SHORT)
        chain = self.chains.get(shown.id)
        return [
            shown_pieces(chain, LONGEST) if chain else clipped(shown.text, LONGEST),
            shown.mark[:1],
            answer,
            int(shown.finish == "length"),
            clipped(shown.reason, SHORT),
            [[side, round(weight, 4)] for side, weight in self.uses.get(shown.id, ())],
            *([_facts(self.labels[shown.id])] if shown.id in self.labels else ()),
            *([chain_facts(chain, self.cut)] if chain else ()),
        ]


def question(row: Row) -> str:
    """A problem's question; all its turns if there are several."""
    turns = json.loads(row["messages"])
    if len(turns) == 1:
        return str(row["question"])
    return "\n\n".join(f"{role}: {content}" for role, content in turns)


@dataclass(frozen=True, slots=True)
class Compared:
    """Two models on the same problems."""

    view: View
    changes: tuple[Change, ...]
    """Of the split itself."""
    beside: tuple[Change, ...]
    """Of the suites."""


def compared_responses(run: RunRecord, responses: Responses) -> Compared | None:
    """The responses behind the run's latest audit; None without one."""
    if run.latest is None:
        return None
    audit, split = run.latest
    problems = tuple(row for row in run.problems if row["part"] == split or row["part"].endswith(f", {split}"))
    before, after = (_side(responses, audit, name, problems) for name in ("before", "after"))
    sides = tuple(f"{name}: {audit.labels[name]['model']}, {audit.labels[name]['prompt']}" for name in SIDES)
    view = View(f"{split} problems, before and after", sides, problems, (before, after), {})
    inside = [row for row in problems if row["part"] == split]
    suites = [row for row in problems if row["part"] != split]
    return Compared(view, tuple(changes(inside, before, after)), tuple(changes(suites, before, after)))


def trained(run: RunRecord, found: RoundRecord, drawn: Drawn) -> View:
    """The training problems of a round with the responses drawn and how they were trained on."""
    title = f"round {found.number}: training problems"
    return View(title, ("drawn for training",), _training(run), (drawn,), _uses(found))


def pseudo_labelled(run: RunRecord, found: RoundRecord) -> View:
    """The training problems of a round with their pseudo-labels, the most confident first, what has no rank last."""
    drawn = {row["problem"]: (_pseudo_response(row),) for row in found.pseudo_labels}
    nll = {row["problem"]: row["nll"] if ranked(row) else math.inf for row in found.pseudo_labels}
    problems = sorted((row for row in _training(run) if row["id"] in drawn), key=lambda row: nll[row["id"]])
    labels = {row["response"]: row for row in found.pseudo_labels}
    title = f"round {found.number}: pseudo-labels"
    return View(title, ("pseudo-response",), tuple(problems), (drawn,), _uses(found), labels)


def segmented(run: RunRecord, found: RoundRecord) -> View:
    """The problems of a round's chains with these, cut into pieces; in the order of the chains."""
    chains, listed = {chain.response: chain for chain in found.chains}, dict[str, list[Shown]]()
    for chain in chains.values():
        listed.setdefault(chain.problem, []).append(Shown(chain.response, "", "", "", None, ""))
    known = {row["id"]: row for row in run.problems}
    problems = tuple(known[name] for name in listed if name in known)
    drawn = {name: tuple(shown) for name, shown in listed.items()}
    cut = cut_of(run.options(found), relative_scores(found.chains))
    return View(f"round {found.number}: segments", ("chains",), problems, (drawn,), {}, chains=chains, cut=cut)


def drawn_for_training(run: RunRecord, found: RoundRecord, responses: Responses) -> Drawn:
    """The responses to training problems that a round's recipe drew, over all its draws."""
    problems = _training(run)
    parts = [responses.drawn(step, each, problems) for step, each in found.funnel.get("draws", {}).items()]
    return {name: sum((part.get(name, ()) for part in parts), ()) for name in _names(parts)}


SIDES = ("before", "after")


def _training(run: RunRecord) -> tuple[Row, ...]:
    return tuple(row for row in run.problems if row["part"] == "train")


def _uses(found: RoundRecord) -> dict[str, list[tuple[str, float]]]:
    uses: dict[str, list[tuple[str, float]]] = {}
    for row in found.rows:
        for side, response in row["sides"].items():
            uses.setdefault(response, []).append((side, row["weight"]))
    return uses


def _pseudo_response(row: Row) -> Shown:
    return Shown(row["response"], row["text"], "", row["judgement"] or "", row["answer"], "")


def _facts(label: Row) -> list[Any]:
    """Of a pseudo-label: whether it was kept, its mean negative log-likelihood, and who wrote it."""
    nll = round(label["nll"], 4) if confident(label) else None
    return [int(label["kept"]), nll, clipped(label["source"], SHORT)]


def _side(responses: Responses, audit: Audit, name: str, problems: Sequence[Row]) -> Drawn:
    labels = audit.labels[name]
    return responses.drawn(str(labels.get("step", "")), int(labels["samples"]), problems)


def _names(parts: Iterable[Drawn]) -> list[str]:
    return list(dict.fromkeys(name for part in parts for name in part))
