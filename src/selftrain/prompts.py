"""Prompts: how a problem becomes tokens, and how a response becomes the completion of a training row."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from selftrain.digest import digest
from selftrain.errors import ConfigError
from selftrain.records import Problem, Question
from selftrain.validation import Options

Ids = tuple[int, ...]
Shots = Sequence[Problem] | Mapping[str, Sequence[Problem]]
"""Demonstrations: those of the task, or some of each question's own by its id."""


SEPARATOR = "\n"
"""Ends a segment of a response, but for its last."""


class Alternation(Options):
    """Writing a response segment by segment, an extractive and an abstractive one in turn (AS-ES)."""

    loops: int = Field(5, ge=1, le=1000)
    """A response has at most so many extractive, and so many abstractive segments."""
    segment_tokens: int = Field(100, ge=1)
    """Longest segment in tokens."""


class PromptConfig(Options):
    """A prompt: the same problem can be put to a model in several ways."""

    style: Literal["chat", "plain"] = "chat"
    """`chat` uses the tokenizer's chat template, `plain` is running text."""
    system: str | None = None
    """Chat: the system message. Plain: text put first."""
    template: str = "{question}"
    """How a question is written; `{question}` stands for it."""
    shots: int = Field(0, ge=0, le=64)
    """Demonstrations, taken from the task's `shots` split: those of the question's family where it has any."""
    stop: tuple[str, ...] = ()
    """Strings that end a response; they are not part of it."""
    alternate: Alternation | None = None
    """How responses are written in segments; None: in one pass."""

    @model_validator(mode="after")
    def _check(self) -> "PromptConfig":
        holding(self.template, "question")
        if any(not stop for stop in self.stop):
            raise ValueError("an empty stop string would end every response: remove it")
        if self.alternate and self.stop:
            raise ValueError("with alternate a segment ends with its line, and no stop string: leave stop empty")
        return self


class Renderer:
    """Renders one prompt with one tokenizer; the only place where text meets templates and special tokens."""

    def __init__(self, tokenizer: Any, config: PromptConfig, shots: Shots, *, encoder: bool = False) -> None:
        """`encoder`: prompts are read by an encoder, and a decoder writes each segment of a response on its own."""
        if not isinstance(shots, Mapping) and len(shots) < config.shots:
            raise ConfigError(
                f"the prompt wants {config.shots} shots, the task's shots split has {len(shots)}: "
                "give the task more shots or the prompt fewer"
            )
        if config.style == "chat" and encoder:
            raise ConfigError("an encoder-decoder model has no turns of a chat: set style: plain in the prompt")
        if config.style == "chat" and not getattr(tokenizer, "chat_template", None):
            raise ConfigError("the model's tokenizer has no chat template: set style: plain in the prompt")
        self.config = config
        self._tokenizer = tokenizer
        self._shots = shots
        self.encoder = encoder
        """Whether an encoder of its own reads the prompt."""
        self.end_marker = self._end_marker()
        """Token ids that close a finished completion."""
        self.end_ids = tuple(dict.fromkeys((*_stop_ids(tokenizer), *self.end_marker[-1:])))
        """Token ids at which sampling ends."""
        # A question's own shots are told by its prompt's token ids.
        used = shots if config.shots and not isinstance(shots, Mapping) else ()
        unset = None if config.alternate else {"alternate"}
        self.digest = digest([config.model_dump(mode="json", exclude=unset), [[s.id, demonstration(s)] for s in used]])

    @property
    def segment_stop(self) -> tuple[str, ...]:
        """Strings at which a segment ends, before the response's last; those of an encoder's decoder end themselves."""
        return () if self.encoder else (SEPARATOR,)

    def prompt(self, question: Question, written: Sequence[str] = ()) -> Ids:
        """Token ids up to where the response to a question begins, or its next segment after those `written`."""
        if self.config.style == "plain":
            read = written if self.encoder else ()
            text = " ".join([self._plain(question), *read])
            ids = tuple(self._tokenizer(text, split_special_tokens=True).input_ids)
        else:
            turns = [{**turn, "content": defused(self._tokenizer, turn["content"])} for turn in self._turns(question)]
            ids = tuple(self._chat(turns, open_turn=True, tokenize=True))
        own = () if self.encoder else self.parts(separated([*written, ""])[:-1], finished=False)
        return ids + tuple(token for part in own for token in part)

    def completion(self, text: str, *, finished: bool) -> Ids:
        """Token ids of a response as a training completion, closed by the end marker exactly when it finished."""
        return self._lead(text.strip()) + (self.end_marker if finished else ())

    def parts(self, texts: Sequence[str], *, finished: bool) -> list[Ids]:
        """Token ids of consecutive parts of a response, white space included, each as it reads after those before.

        The end marker closes the last if the response finished; for an encoder's decoder it closes each.
        """
        if self.encoder:
            return [self._encoded(text.strip()) + self.end_marker for text in texts]
        found: list[Ids] = []
        before, ids = "", Ids()
        for text in texts:
            before += text
            whole = self._lead(before)
            # Where tokens reach over the border, the part stands for itself, as it does while a response is written.
            own = whole[len(ids) :] if whole[: len(ids)] == ids else self._encoded(text)
            ids += own
            found.append(own)
        if found and finished:
            found[-1] += self.end_marker
        return found

    def _lead(self, text: str) -> Ids:
        """Token ids of what a response begins with."""
        return self._encoded(text if self.encoder or self.config.style == "chat" else f" {text}")

    def _encoded(self, text: str) -> Ids:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))

    def text(self, ids: Sequence[int]) -> str:
        """The text of rendered token ids, special tokens spelled out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def _shots_for(self, question: Question) -> list[Problem]:
        if isinstance(self._shots, Mapping):
            return list(self._shots[question.id])[: self.config.shots]
        same = [shot for shot in self._shots if shot.family == question.family]
        chosen = (same or list(self._shots))[: self.config.shots]
        if len(chosen) < self.config.shots:
            raise ConfigError(
                f"the prompt wants {self.config.shots} shots, family {question.family} has {len(chosen)}: "
                "give the task more shots or the prompt fewer"
            )
        return chosen

    def _written(self, question: Question) -> str:
        return self.config.template.replace("{question}", question.text)

    def _plain(self, question: Question) -> str:
        system = [self.config.system] if self.config.system else []
        shots = [f"{self._written(s)} {demonstration(s)}" for s in self._shots_for(question)]
        return "\n\n".join([*system, *shots, self._written(question)])

    def _turns(self, question: Question) -> list[dict[str, str]]:
        turns = [{"role": "system", "content": self.config.system}] if self.config.system else []
        for shot in self._shots_for(question):
            turns.append({"role": "user", "content": self._written(shot)})
            turns.append({"role": "assistant", "content": demonstration(shot)})
        turns += [{"role": m.role, "content": m.content} for m in question.messages[:-1]]
        return [*turns, {"role": "user", "content": self._written(question)}]

    def _chat(self, turns: list[dict[str, str]], *, open_turn: bool, tokenize: bool) -> Any:
        from jinja2 import TemplateError

        try:
            return self._tokenizer.apply_chat_template(
                turns, add_generation_prompt=open_turn, tokenize=tokenize, return_dict=False
            )
        except TemplateError as error:
            roles, reason = ", ".join(turn["role"] for turn in turns), " ".join(str(error).split())
            raise ConfigError(
                f"the model's chat template refuses the turns {roles} ({reason}): set style: plain or change the prompt"
            ) from None

    def _end_marker(self) -> tuple[int, ...]:
        eos = self._tokenizer.eos_token_id
        if self.config.style == "plain":
            return (eos,) if eos is not None else ()
        word = "answer"
        turns = [{"role": "user", "content": "question"}, {"role": "assistant", "content": word}]
        text = self._chat(turns, open_turn=False, tokenize=False)
        after = text[text.rfind(word) + len(word) :].strip()
        ids = self._tokenizer.encode(after, add_special_tokens=False)
        added = self._tokenizer.added_tokens_decoder
        special = [place for place, token in enumerate(ids) if token in added and added[token].special]
        if special:
            return tuple(ids[: special[0] + 1])
        return (eos,) if eos is not None else ()


def defused(tokenizer: Any, content: str) -> str:
    """Text for a chat template, with a space inside whatever the tokenizer would read as a special token."""
    for token in tokenizer.added_tokens_decoder.values():
        if token.special:
            content = content.replace(token.content, f"{token.content[:1]} {token.content[1:]}")
    return content


def separated(segments: Sequence[str]) -> list[str]:
    """The segments of a response as its consecutive parts: all but the last end with the separator."""
    return [*(f"{segment}{SEPARATOR}" for segment in segments[:-1]), *segments[-1:]]


def holding(template: str, *names: str) -> str:
    """The template if it has a `{name}` for each of the names; raises ValueError for one that it has not."""
    for name in names:
        if f"{{{name}}}" not in template:
            raise ValueError(f"the template has no {{{name}}}: put it where the {name} should stand")
    return template


def filled(template: str, **texts: str) -> str:
    """A template with its `{name}`s replaced; a text that holds one is not looked into."""
    parts = re.split(r"(\{\w+\})", template)
    return "".join(texts.get(part[1:-1], part) if part.startswith("{") else part for part in parts)


def demonstration(problem: Problem) -> str:
    """The response shown for a problem used as a demonstration: its rationale where it has one, else its gold."""
    text = problem.rationale or problem.gold
    if text is None:
        raise ConfigError(f"the demonstration {problem.text[:60]!r} has no gold answer: shots need answers")
    return text


def _stop_ids(tokenizer: Any) -> tuple[int, ...]:
    return () if tokenizer.eos_token_id is None else (tokenizer.eos_token_id,)
