"""The fingerprint of a reference model: equal where log-probabilities are, however the model was loaded."""

import hashlib
from typing import Any

import torch
from accelerate.utils import is_peft_model

from selftrain.digest import digest

WHERE_FROM = ("_name_or_path", "transformers_version", "use_cache", "pad_token_id", "architectures")
"""Of a configuration, what changes no log-probability."""
COPY = "ref"
"""What TRL calls its copy of an adapter that a model came with."""


def fingerprint(model: Any) -> str:
    """A hash of the weights and the configuration that a reference computes with.

    Of a model with an adapter, these are the weights below it, and the adapter only if the model came with it.
    """
    inner = model.get_base_model() if is_peft_model(model) else model
    settings = {key: str(value) for key, value in inner.config.to_dict().items() if key not in WHERE_FROM}
    tensors = {}
    if is_peft_model(model):
        came_with = COPY in model.peft_config
        prefix = model.base_model.prefix
        for name, tensor in inner.state_dict().items():
            if prefix not in name and ".modules_to_save." not in name:
                tensors[name.replace(".base_layer.", ".").replace(".original_module.", ".")] = tensor
            elif came_with and f".{COPY}." in name:
                tensors[name] = tensor
        if came_with:
            settings["adapter"] = str(sorted(model.peft_config[COPY].to_dict().items(), key=str))
    else:
        tensors = inner.state_dict()
    content = hashlib.sha256(digest(settings).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        content.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        content.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return content.hexdigest()[:32]
