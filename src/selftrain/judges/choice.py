"""Judges multiple-choice answers by the letter of the option a response states."""

import re
from collections.abc import Iterator
from string import ascii_uppercase

from selftrain.digest import normal_text
from selftrain.judges.base import compared, no_answer, unjudged
from selftrain.judges.exact import fold
from selftrain.judges.stated import ANSWER_CAP, Statement, after_each, final_text, statements
from selftrain.records import Judgement, Problem, Question

# Full-width characters, brackets, typographic quotes and dashes as ASCII, one character for one.
_NARROW = {0xFF01 + place: 0x21 + place for place in range(94)}
_NARROW |= str.maketrans("\u3010\u3011\u3014\u3015\u2018\u2019\u201c\u201d\u2013\u2014\u2212", "[][]''\"\"---")
_LATEX_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox)[ ]?\{([^{}]*)\}")
_DRESS = " \t\r\n*_`\"'$"

_PHRASE = re.compile(r"\b(?:correct|right|best) (?:option|choice)(?: is\b|:)(?! not\b)[ \t*_]{0,6}", re.IGNORECASE)
# What follows these words must be the answer; after "the answer is" there may be prose.
_COLON = re.compile(r"answer[\s*_]{0,4}:[\s*_]{0,4}$", re.IGNORECASE)
_JOINED_BOX = re.compile(r"\}[\s$]{0,4}(?:,|;|/|&|and|or)[\s$]{0,4}\\boxed\{$")

# A letter that is none: the article in "A dog", the pronoun in "I think", the initial of "A's".
_CAPITAL = r"(?![AI]\s+(?!(?:is|are|or|and|has|fits|looks|makes|seems|would)\b)[a-z])[A-Z](?![\w'])"
_LETTER = re.compile(
    r"[\s*_`\"'$>]{0,8}"
    r"(?:(?i:therefore|thus|clearly|definitely|most|likely|probably|the|correct|option|choice|letter)\b[\s:*_]{1,6}){0,4}"
    r"[*_`\"'$]{0,4}(?:[(\[{]\s?(?P<inside>[A-Za-z])\s?[)\]}]"
    r"|(?P<bare>[A-Za-z])(?![\w'])(?P<point>[*_`\"'$]{0,4}(?:[):\]]|\.(?!\w)))?)"
)
_FOLLOW = re.compile(
    r"[*_`\"'$)\]}]{0,6}(?:\s*$|\s\W{1,8}$|[.,;!](?!\w)|\s+[-(]|\s+(?:is|because|since|due|but|rather)\b)"
)
_OTHER = rf"(?:{_CAPITAL}|(?<!\w)[a-z](?=[)\]]))"
_SECOND = re.compile(
    r"\W{0,8}(?:(?:and|or|nor|to|vs|versus|then|plus|also|maybe|perhaps|either|even|as well as|option|choice)\b"
    rf"\W{{0,4}}){{1,5}}(?P<joined>{_OTHER})"
    rf"|[^\w.]{{0,8}}(?P<next>{_OTHER})|\W{{0,8}}(?P<last>[A-Za-z])\W{{0,4}}(?:$|[,.;)\]])"
)
_WRONG = re.compile(
    r"\W{0,4}(?:(?:is|was|are|seems|looks|would be)\s+(?:(?:clearly|probably)\s+)?(?:not|wrong|incorrect|false)"
    r"|isn't|wasn't|cannot|can't|if|unless)\b"
)
_UNSURE = re.compile(
    r"\W{0,8}(?:neither|none|not|no|both|either|between|all|any|cannot|can't|unknown|unclear)\b", re.IGNORECASE
)
# Words that take back what was stated: those of `own` on its line alone, as explanations are full of them.
_TURN = re.compile(
    r"(?P<own>\b(?:but|maybe|perhaps|(?<!\b[A-Z] )(?<!\b[A-Z]\) )or)\b)|\b(?:actually|correction|rather(?! than\b)"
    r"|instead(?! of\b)|on (?:reflection|second thoughts?)|(?:no|wait|sorry)(?=[,.;:!-]|[ ][-(]|\s(?:wait|no|actually"
    r"|sorry|it|that|I|the)\b|\s(?-i:[A-Z])\b)|(?:it(?:'s| is| must be| should be)|I(?:'d| would|'ll| will| now)? "
    r"(?:choose|pick|take|select|go with|think|mean|meant))(?= (?:(?:option|choice) )?[*_]{0,2}(?-i:[(\[]|[A-Z]\b)))"
    r"|(?=[(\[]?\b(?-i:[A-Z])[)\]]?,? (?:(?:instead|rather)\b(?! of| than)|actually\b))",
    re.IGNORECASE,
)
_AFTER_TURN = re.compile(rf"(?<![\w'])(?:[(\[]([A-Za-z])[)\]]|({_CAPITAL}))")
_NOT_IT = re.compile(r"(?:\b(?:not|nor|neither|than|unlike|instead of)|n't)\b[^,.;:]{0,20}$", re.IGNORECASE)
_STANDS = re.compile(
    r"[*_`\"'$)\]}]{0,6}(?:\s{0,2}(?:$|[.;:!?-]|,(?!\s(?:and |or )?[(\[]?[A-Z]\b))|\s(?:because|since|instead)\b"
    r"|\s(?:(?!not\b|no\b|less\b)\w{1,12}\s){0,3}(?:right|correct|better|best|more|answer)\b)"
)
_INSIDE = re.compile(r"[(\[][A-Za-z][)\]]")
_MARK = re.compile(r"(?<!\w)[(\[]?([a-z])[)\].:][\s*_\"']{0,4}")
_OPTION_LINE = re.compile(
    r"^(?P<head>[ \t>*_#+`-]{0,10})(?:(?i:option|choice) )?"
    r"(?:[(\[](?P<inside>[A-Za-z])[)\]]|(?P<pointed>[A-Za-z])(?:[*_]{0,3}\)|[.:](?!\w))"
    r"|(?P<bare>[A-Z])(?=[*_` \t\r]{0,6}$))(?P<rest>.*)$",
    re.MULTILINE,
)


class _Options:
    """The options of a question, and what a text says of them."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        self.texts = dict(zip(ascii_uppercase, (fold(text.translate(_NARROW)) for text in texts), strict=False))

    def stated(self, text: str) -> str | None:
        """The letter of the one option a text states; None where it states none, or not one alone."""
        text = text.translate(_NARROW)
        if len(whole := text.strip()) <= ANSWER_CAP and (letter := self._exact(fold(whole))):
            return letter
        lines = list(_OPTION_LINE.finditer(text))
        start, letter = max(self._marked(text, lines), default=(-1, ""))
        line_start, line = self._alone([line for line in lines if "####" not in line["head"]])
        if line and line_start > start:
            if start >= 0 and line != letter:
                return None
            start, letter = line_start, line
        return None if not letter or self._taken_back(text[start:].lstrip(), letter) else letter

    def _marked(self, text: str, lines: list[re.Match[str]]) -> Iterator[tuple[int, str]]:
        """Where something is stated after a marker, and its letter, or "" if it is no single option."""
        for statement in (*statements(text), *after_each(_PHRASE, text)):
            letter = self._of_statement(statement, text)
            if letter is not None:
                yield statement.start, letter
        for line in lines:
            if "####" in line["head"] and (letter := self._of_line(line)):
                yield line.start(), letter

    def _of_statement(self, statement: Statement, text: str) -> str | None:
        line = _LATEX_TEXT.sub(r"\1", statement.line).replace("\\(", "").replace("\\)", "")[:ANSWER_CAP]
        before = text[max(0, statement.start - 40) : statement.start]
        if statement.closed:
            return "" if _JOINED_BOX.search(before) else self._read(line) or ""
        if statement.firm:  # after "A:" the text of an option is a line of the list, not the answer
            found = None if fold(line) in self.texts.values() else self._read(line)
        else:
            found = self._read(line)
            if found is None and _COLON.search(before):
                return ""
        return "" if found and self._goes_on(statement.text[: 2 * ANSWER_CAP], found) else found

    def _goes_on(self, text: str, letter: str) -> bool:
        """Whether the line below a statement is another option: the next, or under a heading the next with text."""
        under = not text.split("\n", 1)[0].strip(_DRESS)
        lines = [line for line in text.strip().splitlines() if line.strip() or not under]
        option = _OPTION_LINE.match(lines[1]) if lines[1:] else None
        other = self._of_line(option) if option else self._exact(fold("".join(lines[1:2])))
        return other not in (None, letter)

    def _read(self, line: str) -> str | None:
        """The letter that a statement begins with; "" if it is no single option, None if it is prose."""
        folded = fold(line)
        if exact := self._exact(folded):
            return exact
        match = _LETTER.match(line)
        if match is None:
            unsure = _UNSURE.match(line) or _INSIDE.search(line) or self._beginning(folded)
            return "" if unsure else None
        letter = (match["inside"] or match["bare"]).upper()
        after = line[match.end("bare") if match["bare"] else match.end() :]
        if after.lstrip(_DRESS).startswith("?"):
            return None
        own = letter in self._beginning(_rest(after))
        apart = match["inside"] or match["point"] or (match["bare"].isupper() and _FOLLOW.match(after))
        if not own and not apart:
            return "" if self._beginning(folded) else None
        return "" if self._spoiled(letter, own, after, folded) else letter

    def _spoiled(self, letter: str, own: bool, after: str, folded: str) -> bool:
        """Whether what follows a letter takes it back, names another option or contradicts it."""
        if letter not in self.texts or (not own and _WRONG.match(after)):
            return True
        rest = _rest(after)
        whole = {other for other in self._beginning(folded) if len(self.texts[other]) > 1}
        if not own and (self._beginning(rest) or (whole and letter not in whole)):
            return True
        if not own and (second := _SECOND.match(after)) and (second[second.lastgroup or 0].upper() != letter):
            return True
        return any(
            (other := mark[1].upper()) != letter and rest.startswith(self.texts.get(other) or "\n", mark.end())
            for mark in _MARK.finditer(rest)
        )

    def _taken_back(self, text: str, letter: str) -> bool:
        """Whether a text that begins with the statement of a letter then denies it or turns to another."""
        own = len(text.partition("\n")[0])
        turns = (turn for turn in _TURN.finditer(text) if turn.start() < own or not turn["own"])
        return _denied(text, letter) or any(self._turned(turn, letter) for turn in turns)

    def _turned(self, turn: re.Match[str], letter: str) -> bool:
        """Whether another letter that stands as an answer follows a turn on its line, within 160 characters."""
        line = turn.string[turn.end() : turn.end() + 160].partition("\n")[0]
        for other in _AFTER_TURN.finditer(line):
            before, after, named = line[: other.start()], line[other.end() :], (other[1] or other[2]).upper()
            if named == letter or named not in self.texts or _NOT_IT.search(before) or _WRONG.match(after):
                continue
            at_once = not turn["own"] and not before.strip(_DRESS + ".,;:!-")
            if at_once or _STANDS.match(after) or named in self._beginning(_rest(after)):
                return fold(turn[0] + before + other[0]) not in self.texts[letter]
        return False

    def _exact(self, folded: str) -> str | None:
        """The letter that a whole text is, or that of the only option with this text."""
        if folded.isascii() and folded.upper() in self.texts:
            return folded.upper()
        named = [letter for letter, text in self.texts.items() if text == folded != ""]
        return named[0] if len(named) == 1 else None

    def _beginning(self, folded: str) -> set[str]:
        """The options with the longest text that a folded text begins with."""
        found = {
            letter: len(text)
            for letter, text in self.texts.items()
            if text and folded.startswith(text) and not folded[len(text) : len(text) + 1].isalnum()
        }
        return {letter for letter, length in found.items() if length == max(found.values())}

    def _alone(self, lines: list[re.Match[str]]) -> tuple[int, str | None]:
        """The only option line, or the one after the whole list, if it is a letter or its option as it is."""
        if not lines or "".join(map(_line_letter, lines[:-1])) not in ("", "".join(self.texts)):
            return -1, None
        return lines[-1].start(), self._of_line(lines[-1])

    def _of_line(self, line: re.Match[str]) -> str | None:
        letter, rest = _line_letter(line), _rest(line["rest"][:ANSWER_CAP])
        return letter if letter in self.texts and rest in ("", self.texts[letter]) else None


def _rest(after: str) -> str:
    """What follows a letter, folded, without what parts them."""
    text = after.lstrip(_DRESS + ".,:;)]}")
    return fold(text[2:] if text[:2] == "- " else text) if normal_text(text).strip(_DRESS) else ""


def _line_letter(line: re.Match[str]) -> str:
    return (line["inside"] or line["pointed"] or line["bare"]).upper()


def _denied(text: str, letter: str) -> bool:
    """Whether a text says "not B" of a letter."""
    denial = rf"\bnot\s{{1,4}}(?:(?:option|choice)\s)?[(\[*]{{0,3}}{letter}[)\]*]{{0,3}}\s{{0,2}}(?:$|[.,;:!]|but\b)"
    return re.search(denial, text, re.MULTILINE) is not None


class ChoiceJudge:
    """Right when the letter of the option that the response states is the gold's.

    The last statement counts, whatever its kind: a box, an answer tag, "answer is", "Answer:", "correct option is",
    `A: B`, `#### B`. It is a letter, alone or with the text of its option or with prose, or after "answer" the exact
    text of one option. Statements that name several options, another option's text or none are no answer, nor do they
    let an earlier one count; prose after "answer is" is passed over.

    Without a marker the answer is the whole response, if that is a letter or an option's text, or a line "(B)" or
    "(B) library" that is the only option line, or the last one after the whole list. Such a line after a marked
    statement of another option leaves no answer.

    Nor is there one where the text then turns to another letter without a marker: "C. No wait, it is B", "(C) but maybe
    (B)", on a later line "On reflection I choose (B)". After "but", "or" and "maybe" the letter counts on the line of
    the statement alone. An explanation such as "(A) is wrong because" or "not B" takes nothing back.
    """

    name = "choice"
    exact_same = True

    def judge(self, problem: Problem, response: str) -> Judgement:
        """Mark one response; the answer is the upper-case letter."""
        answer = self.answer(problem, response)
        if not problem.options:
            return unjudged("the problem has no options")
        if problem.gold is None:
            return unjudged("no gold answer", answer)
        gold = fold(problem.gold[:ANSWER_CAP].translate(_NARROW)).upper()
        if gold not in ascii_uppercase[: len(problem.options)] or len(gold) != 1:
            return unjudged("gold is not the letter of an option", answer)
        return no_answer() if answer is None else compared(answer == gold, answer)

    def answer(self, question: Question, response: str) -> str | None:
        """The letter of the option that a response states."""
        text = final_text(response)
        return _Options(question.options).stated(text) if text is not None and question.options else None

    def same(self, a: str, b: str) -> bool:
        """String equality of letters."""
        return a == b
