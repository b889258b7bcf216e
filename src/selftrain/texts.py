"""Texts that must not be forgotten: a user's file, cut into pieces whose likelihood models are asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from selftrain.audit import TextLoss
from selftrain.digest import digest
from selftrain.engines import EngineConfig, choose_engine, load_engine
from selftrain.errors import DataError
from selftrain.models import Model, load_tokenizer, resolve_model
from selftrain.progress import progress, say
from selftrain.tasks.tables import read_rows

PIECE = 256
"""Tokens of a piece, at most."""
MAX_PIECES, MIN_PIECES = 2_000, 20
WORST = 100.0
"""Nats that a token costs at most, such as one that a diverged model has no finite log-probability for."""
_BLOCK = 1 << 16
"""Characters of a plain text that are tokenized at once."""

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A text as a tokenizer cuts it. Each piece is read by itself."""

    name: str
    pieces: tuple[Tokens, ...]
    """Token ids, two or more in each."""
    lead: Tokens
    """What the tokenizer puts in front of every text: its begin token, or nothing."""

    @property
    def pairs(self) -> list[tuple[Tokens, Tokens]]:
        """What is read and what is scored: of a piece all tokens but the first, which has nothing to be told from."""
        return [((*self.lead, piece[0]), piece[1:]) for piece in self.pieces]

    @property
    def digest(self) -> str:
        """Of the pieces."""
        return digest(self.pieces)

    def part(self, split: Literal["select", "test"]) -> "Text":
        """Every other piece: those that promotion may look at, and those that the final verdict is told from."""
        return replace(self, pieces=self.pieces[("select", "test").index(split) :: 2])


def read_texts(files: Mapping[str, Path], model: Model) -> list[Text]:
    """The texts of files by name, cut by a model's tokenizer into `MAX_PIECES` pieces at most; says if one has more.

    A file is UTF-8 text, or JSONL with a `text` in each row. Only what is looked at is read. Special tokens
    spelled out are plain text. Raises DataError for a file that is missing, of another kind or too short.
    """
    if not files:
        return []
    tokenizer = load_tokenizer(model)
    return [_read_text(name, path, tokenizer) for name, path in files.items()]


def text_loss(text: Text, model: Model, logprobs: Sequence[Sequence[float]]) -> TextLoss:
    """The loss of a text from the log-probabilities (nats) of its pairs, in their order."""
    known = [np.nan_to_num(values, nan=-WORST, neginf=-WORST, posinf=-WORST).clip(-WORST, 0) for values in logprobs]
    tokens = np.array([len(values) for values in known], dtype=np.int64)
    labels = {"model": model.name, "pieces": len(tokens), "tokens": int(tokens.sum())}
    return TextLoss(text.name, -np.array([values.sum() for values in known]), tokens, text.digest, labels)


def measure_texts(models: tuple[str, str], files: Mapping[str, Path]) -> dict[str, tuple[TextLoss, TextLoss]]:
    """The losses of the texts of files under two models, by the text's name; see `resolve_model` and `read_texts`.

    Both go through one engine. Raises DataError for models that cut a text into different tokens: a loss a token of
    the one is not that of the other.
    """
    before, after = (resolve_model(name) for name in models)
    texts = [read_texts(files, model) for model in (before, after)]
    for first, second in zip(*texts, strict=True):
        if first.pieces != second.pieces:
            raise DataError(
                f"{models[0]} and {models[1]} cut the text {first.name} into different tokens, so that their losses a "
                "token are not comparable: give two models with the same tokenizer"
            )
    names = {choose_engine(model, EngineConfig()).name for model in (before, after)}
    engine = EngineConfig(name=names.pop() if len(names) == 1 else "transformers")
    losses = [_losses(model, own, engine) for model, own in zip((before, after), texts, strict=True)]
    return {loss.name: (loss, other) for loss, other in zip(*losses, strict=True)}


def _losses(model: Model, texts: Sequence[Text], config: EngineConfig) -> list[TextLoss]:
    engine = load_engine(model, config)
    found = []
    for text in texts:
        logprobs = []
        with progress(f"{text.name} under {model.name}", len(text.pieces)) as tick:
            for values in engine.score(text.pairs):
                logprobs.append(values)
                tick()
        found.append(text_loss(text, model, logprobs))
    engine.close()
    return found


def _read_text(name: str, path: Path, tokenizer: Any) -> Text:
    if not path.is_file():
        raise DataError(f"there is no file {path}: give the path of the text {name} from the current folder or in full")
    pieces = list(islice(_pieces(path, tokenizer), MAX_PIECES + 1))
    if len(pieces) < MIN_PIECES:
        raise DataError(
            f"{path} makes {len(pieces)} pieces of up to {PIECE} tokens, at least {MIN_PIECES} are wanted: "
            "give a longer text"
        )
    if len(pieces) > MAX_PIECES:
        say(f"note: of the text {name} only the first {MAX_PIECES:,} pieces of up to {PIECE} tokens are looked at")
    begin = tokenizer.bos_token_id
    lead = (begin,) if begin is not None and tokenizer("a").input_ids[0] == begin else ()
    return Text(name, tuple(pieces[:MAX_PIECES]), lead)


def _pieces(path: Path, tokenizer: Any) -> Iterator[Tokens]:
    for passage in _rows(path) if path.suffix.lower() == ".jsonl" else _blocks(path):
        # Half a surrogate pair, which JSON can spell, is no text to a tokenizer.
        clean = passage.encode(errors="replace").decode()
        ids = tokenizer(clean, add_special_tokens=False, split_special_tokens=True, verbose=False).input_ids
        for start in range(0, len(ids) - 1, PIECE):
            yield tuple(ids[start : start + PIECE])


def _rows(path: Path) -> Iterator[str]:
    for place, row in read_rows(path):
        text = row.get("text")
        if not isinstance(text, str):
            raise DataError(f"{place} has no text: wanted a field `text` with a string")
        yield text


def _blocks(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            while block := file.read(_BLOCK):
                yield block
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text: convert it to UTF-8") from None
