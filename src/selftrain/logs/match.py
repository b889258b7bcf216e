"""Which problems of two logs are the same: by id, or by what is asked."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from selftrain.audit import Cell
from selftrain.digest import normal_text
from selftrain.logs.log import Log

_NAMED = 3
"""Problems that a note names."""
_LONGEST = 40
"""Characters of a name in a note."""


def match(before: Log, after: Log) -> tuple[Log, Log]:
    """Two logs whose problems have the same id where they are the same problem.

    They are matched by id, unless their questions (white space folded) agree for more problems than their ids do:
    logs that know no common id, or number other problems alike. Then problems get the ids of `before`. Of problems
    that ask the same in one log, only the first is kept: what is known of each cannot be put together afterwards,
    and it would have more responses than the others. Problems of one id that ask something else than before are left
    out of both, unless all do: then the prompt has changed, and they stay. Notes count them.
    """
    first, second = dict(before.cells), dict(after.cells)
    notes: tuple[list[str], list[str]] = ([], [])
    for suite in first.keys() & second.keys():
        found = _matched(first[suite], second[suite])
        first[suite], second[suite] = found.cells
        for told, new in zip(notes, found.notes, strict=True):
            told += [note if suite is None else f"suite {suite}: {note}" for note in new]
    return (
        replace(before, cells=first, notes=(*before.notes, *notes[0])),
        replace(after, cells=second, notes=(*after.notes, *notes[1])),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    cells: tuple[Cell, Cell]
    notes: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))


def _matched(before: Cell, after: Cell) -> _Found:
    common = set(before.problems) & set(after.problems)
    asked = [dict(_asked(cell)) for cell in (before, after)]
    known = [name for name in before.problems if name in common and all(one[name] for one in asked)]
    unlike = [name for name in known if asked[0][name] != asked[1][name]]
    contents = [_by_content(cell, one) for cell, one in zip((before, after), asked, strict=True)]
    if len(contents[0].keys() & contents[1].keys()) > len(common) - len(unlike):
        return _by_question(before, after, contents[0], contents[1])
    if not unlike:
        return _Found((before, after))
    told = f"{len(unlike):,} of {len(common):,} problems with the same id have another question than before"
    if len(unlike) == len(known):
        found = _Found((before, after))
        found.notes[1].append(f"{told}: check that the ids of both logs mean the same")
        return found
    found = _Found((_without(before, set(unlike)), _without(after, set(unlike))))
    found.notes[1].append(f"{told}, and were left out: {_names(unlike)}")
    return found


def _without(cell: Cell, left_out: Set[str]) -> Cell:
    return cell.take([name for name in cell.problems if name not in left_out])


def _names(problems: Sequence[str]) -> str:
    """The first of them; an id may be the text of a question."""
    names = [normal_text(name)[:_LONGEST] for name in problems[:_NAMED]]
    return ", ".join([*names, *(["..."] if len(problems) > _NAMED else [])])


def _by_question(before: Cell, after: Cell, first: Mapping[str, str], second: Mapping[str, str]) -> _Found:
    names = {second[content]: name for content, name in first.items() if content in second}
    taken = set(before.problems)
    for name in second.values():
        if name not in names:
            names[name] = _fresh(name, taken)
            taken.add(names[name])
    kept = before.take(list(first.values())), after.take(list(second.values()))
    found = _Found((kept[0], replace(kept[1], problems=tuple(names[name] for name in kept[1].problems))))
    for cell, left, notes in zip((before, after), kept, found.notes, strict=True):
        if twice := len(cell.problems) - len(left.problems):
            notes.append(f"{twice:,} problems ask what an earlier one asks, and were left out")
    found.notes[1].append("problems were matched by the text of their questions, not by id")
    return found


def _asked(cell: Cell) -> Iterator[tuple[str, str]]:
    """Ids with the question, white space folded; "" where the log has none."""
    questions = cell.detail.questions if cell.detail else ("",) * len(cell.problems)
    for name, question in zip(cell.problems, questions, strict=True):
        yield name, normal_text(question)


def _by_content(cell: Cell, asked: Mapping[str, str]) -> dict[str, str]:
    """Ids by question, or by themselves where there is none (they may be the question); the first of equal ones."""
    found: dict[str, str] = {}
    for name in cell.problems:
        found.setdefault(asked[name] or normal_text(name), name)
    return found


def _fresh(name: str, taken: set[str]) -> str:
    """A name for a problem that no other has."""
    while name in taken:
        name += " (after)"
    return name
