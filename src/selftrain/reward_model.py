"""Reward models: a sequence classifier with one output that rates a response to a question."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, Literal

from selftrain.errors import ConfigError
from selftrain.models import open_model, read_config
from selftrain.models.folders import CONTENT
from selftrain.models.load import quiet, read_module, reading, require_transformers
from selftrain.models.resolve import hub_folder
from selftrain.prompts import defused
from selftrain.records import Question

_KIND = "AutoModelForSequenceClassification"
_UNPADDABLE = ("fnet", "xlnet")
"""Families whose reward depends on what fills up the row: the one knows no mask, the other reads the last place."""

Inputs = dict[str, list[int]]
"""What a tokenizer makes of a question and a response: `input_ids`, and `token_type_ids` for some models."""


@dataclass(frozen=True, slots=True)
class RewardModel:
    """A reward model on disk."""

    folder: Path
    digest: str
    """Hash of the content of its weights, configuration and tokenizer."""


def open_reward_model(name: str) -> RewardModel:
    """The reward model called `name`, a folder or `owner/name` on the Hugging Face hub, looked at without its weights.

    Raises ConfigError for a name that is neither, and for a model that is no sequence classifier with one output, has
    weights missing (its head, say) or only pickled ones.
    """
    model = open_model(_folder(name))
    config = read_config(model)
    auto = import_module("transformers.models.auto.modeling_auto")
    wanted = auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES.get(config.model_type, "ForSequenceClassification")
    found = config.architectures or ["without an architecture"]
    if wanted not in found:
        raise ConfigError(
            f"reward model {name} is {', '.join(found)}: a sequence classifier ({wanted}) with one output is wanted, "
            "as another model would rate at random"
        )
    if config.model_type in _UNPADDABLE:
        raise ConfigError(
            f"reward model {name} is {wanted}, whose rewards change with padding: a model of another family is wanted"
        )
    if config.num_labels != 1:
        raise ConfigError(
            f"reward model {name} has {config.num_labels} outputs: a classifier with one is wanted, whose output is "
            "the reward"
        )
    _tokenizer(model.folder)
    read_module(model.folder, _KIND, device_map="meta")  # reads names and shapes alone
    return RewardModel(model.folder, model.digest)


class RewardScorer:
    """A reward model, loaded. `precision` is the type of its weights and products."""

    def __init__(self, model: RewardModel, *, precision: Literal["bf16", "fp32"], device: str = "cpu") -> None:
        import torch

        from selftrain.engines.transformers import DTYPES

        module = read_module(model.folder, _KIND)
        self._module = module.to(device=device, dtype=getattr(torch, DTYPES[precision])).eval()
        self._module.config.use_cache = False
        self._config = self._module.config.get_text_config()
        self._pad = self._config.pad_token_id
        self._folder = model.folder
        self._tokenizer = _tokenizer(model.folder)
        lengths = (getattr(self._config, "max_position_embeddings", None), self._tokenizer.model_max_length)
        self._context: int = min(length for length in lengths if length and length > 0)

    def encode(self, question: Question, response: str) -> Inputs:
        """The tokens of a response to a question: the model's chat template where it has one, else a pair of texts.

        Where they are more than the model can read, as little as possible is cut from the beginning: of the question,
        and of the response once nothing is left of the question. What template and tokenizer put around them stays.
        Special tokens spelled out in them are plain text. Raises ConfigError if the template refuses the turns.
        """
        roles = [*(message.role for message in question.messages), "assistant"]
        said = [*(message.content for message in question.messages), response]
        # Half a surrogate pair, which JSON can spell, is no text to a tokenizer.
        texts = [text.encode(errors="replace").decode() for text in said]
        inputs = self._encoded(roles, texts)
        if self._fits(inputs):
            return inputs
        cuts = range(1, sum(map(len, texts)) + 1)
        place = bisect_left(cuts, True, key=lambda cut: self._fits(self._encoded(roles, _without(texts, cut))))
        if place == len(cuts):
            raise ConfigError(f"reward model {self._folder} reads {self._context} tokens: its template alone has more")
        return self._encoded(roles, _without(texts, cuts[place]))

    def scores(self, batch: Sequence[Inputs]) -> list[float]:
        """The reward of each of these, computed together; one that is no number or infinite is returned as it is."""
        import torch

        width = max(len(inputs["input_ids"]) for inputs in batch)
        fill = {"input_ids": self._padding(batch)}
        columns: dict[str, list[list[int]]] = {
            name: [inputs[name] + [fill.get(name, 0)] * (width - len(inputs[name])) for inputs in batch]
            for name in batch[0]
        }
        lengths = [len(inputs["input_ids"]) for inputs in batch]
        columns["attention_mask"] = [[1] * length + [0] * (width - length) for length in lengths]
        with torch.inference_mode():
            tensors = {name: torch.tensor(rows, device=self._module.device) for name, rows in columns.items()}
            rewards: list[float] = self._module(**tensors).logits[:, 0].float().tolist()
        return rewards

    def _encoded(self, roles: Sequence[str], texts: Sequence[str]) -> Inputs:
        if not self._tokenizer.chat_template:
            *asked, response = texts
            found = self._tokenizer("\n\n".join(asked), response, split_special_tokens=True, verbose=False)
            return {name: list(ids) for name, ids in found.items() if name != "attention_mask"}
        from jinja2 import TemplateError

        defuse = (defused(self._tokenizer, text) for text in texts)
        turns = [{"role": role, "content": text} for role, text in zip(roles, defuse, strict=True)]
        try:
            return {"input_ids": list(self._tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False))}
        except TemplateError as error:
            raise ConfigError(
                f"the chat template of reward model {self._folder} refuses the turns {', '.join(roles)} "
                f"({' '.join(str(error).split())}): use another reward model or another form of the questions"
            ) from None

    def _fits(self, inputs: Inputs) -> bool:
        return len(inputs["input_ids"]) <= self._context

    def _padding(self, batch: Sequence[Inputs]) -> int:
        """The token that fills short rows up.

        A decoder's reward is read at the last token that is not this one. A model that names none reads the very last,
        so that it gets one that ends no row.
        """
        if self._pad is None or self._pad < 0:
            ends = {inputs["input_ids"][-1] for inputs in batch}
            self._config.pad_token_id = next(token for token in count() if token not in ends)
        return int(self._config.pad_token_id)


def _folder(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    if path.exists() or "/" not in name:
        raise ConfigError(f"reward model {name!r} is no folder: name a Hugging Face folder, or owner/name on the hub")
    return hub_folder(name, CONTENT, what="reward model")


def _tokenizer(folder: Path) -> Any:
    """The tokenizer in a folder; unlike a language model's, it needs no end token."""
    transformers = require_transformers()
    with quiet(), reading(folder):
        return transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def _without(texts: Sequence[str], cut: int) -> list[str]:
    """The texts, one after the other, without their first `cut` characters."""
    kept = []
    for text in texts:
        kept.append(text[cut:])
        cut = max(0, cut - len(text))
    return kept
