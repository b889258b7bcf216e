"""The output head of a causal language model: whether its logits are the head's alone."""

from typing import Any


def logits_are_bare(model: Any) -> bool:
    """Whether the logits are the head's output and no more (no cap, no scale), tried out on two tokens."""
    import torch

    head = model.get_output_embeddings()
    if head is None or model.base_model is model:
        return False
    ids = torch.arange(2, device=model.device)[None]
    training = model.training
    model.eval()
    with torch.no_grad():
        bare = torch.equal(head(model.base_model(ids).last_hidden_state), model(ids).logits)
    model.train(training)
    return bare
