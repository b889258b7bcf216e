"""The loss of completion tokens where an encoder reads the prompt and a decoder writes the completion."""

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from selftrain.models.load import decoder_start
from selftrain.training.head import head_nll
from selftrain.training.rows import IGNORED


def add_decoder_nll(model: Any) -> None:
    """Teach the forward of a transformers encoder-decoder model the argument `completion_labels`.

    What it takes and returns is as for `add_completion_nll`, so rows of prompt and completion train both kinds of
    models: the encoder reads what of a row has no label, the decoder is given the labels before each label. A first
    token is read, whatever its label. Raises ConfigError for a model that does not say how its decoder starts.
    """
    plain = model.forward
    start = decoder_start(model)
    bare = _logits_are_bare(model)

    @functools.wraps(type(model).forward)
    def forward(*args: Any, completion_labels: Tensor | None = None, **kwargs: Any) -> Any:
        if completion_labels is None:
            return plain(*args, **kwargs)
        labelled = completion_labels[:, 1:] != IGNORED
        read = kwargs["attention_mask"].bool()
        read = torch.cat([read[:, :1], read[:, 1:] & ~labelled], dim=1)
        prompts, mask = gathered(kwargs["input_ids"], read)
        targets, written = gathered(completion_labels[:, 1:], labelled)
        before = targets.masked_fill(~written, start)[:, :-1]
        inputs = {
            **kwargs,
            "input_ids": prompts,
            "attention_mask": mask.long(),
            "decoder_input_ids": torch.cat([before.new_full((len(before), 1), start), before], dim=1),
            "use_cache": False,
        }
        if bare:
            nll = head_nll(model.get_output_embeddings(), _at(_states(model, plain, inputs), written), targets[written])
        else:
            nll = cross_entropy(_at(plain(**inputs).logits, written).float(), targets[written], reduction="none")
        return nll.new_zeros(labelled.shape).masked_scatter(labelled, nll)

    model.forward = forward


def gathered(values: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """The kept ones of `values` [rows, tokens] at the beginning of their rows, in order, and where they are now.

    Both have shape [rows, most kept in a row]; what stands behind the kept ones means nothing.
    """
    order = (~kept).long().argsort(dim=1, stable=True)[:, : int(kept.sum(1).max())]
    return values.gather(1, order), kept.gather(1, order)


def _at(values: Tensor, written: Tensor) -> Tensor:
    """Those of `values` [rows, tokens, width] that are written; rows without labels were given a token, too."""
    return values[:, : written.shape[1]][written]


def _states(model: Any, forward: Any, inputs: dict[str, Any]) -> Tensor:
    """What the output head is given, [rows, tokens, width]: the decoder's states, scaled where the model does so."""
    found: list[Tensor] = []

    def take(_head: Any, args: tuple[Tensor]) -> tuple[Tensor]:
        found.append(args[0])
        return (args[0][:, :0],)  # no logits

    with model.get_output_embeddings().register_forward_pre_hook(take):
        forward(**inputs)
    return found[0]


def _logits_are_bare(model: Any) -> bool:
    """Whether the logits are the head's output and no more, tried out on two tokens."""
    head = model.get_output_embeddings()
    if head is None:
        return False
    ids = torch.arange(2, device=model.device)[None]
    inputs = {"input_ids": ids, "decoder_input_ids": ids}
    training = model.training
    model.eval()
    with torch.no_grad():
        bare = torch.equal(head(_states(model, model.forward, inputs)), model(**inputs).logits)
    model.train(training)
    return bare
